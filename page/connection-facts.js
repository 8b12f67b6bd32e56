// @ts-check
/** What is known of a connection, in words, and its bytes as files. */
import { visibleLine } from './bytes.js'
import { address, age, size } from './format.js'
import { fileName, save } from './save.js'

/** @typedef {import('./types.js').Connection} Connection */

/** Why a connection has ended: `reset: the peer has reset the connection`. @param {Connection} connection */
export function closedText({ closedBy = 'ended', reason, error, warnings }) {
  const text = [closedBy, error ?? reason].filter(Boolean).join(': ')
  return visibleLine([text, ...(warnings ?? [])].join('; '))
}

/** @param {import('./types.js').Connection} connection */
export function aboutText(connection) {
  const { number: count, remote, port, state, age: ms, bytesIn, bytesOut, target, via, tls } = connection
  return [
    `#${count}`,
    visibleLine(address(remote, port)) + (target ? ` → ${visibleLine(target.to)}` : ''),
    via && `via ${visibleLine(via)}`,
    state === 'open' ? `open for ${age(ms)}` : closedText(connection),
    `${size(bytesIn)} in`,
    `${size(bytesOut)} out`,
    tls && 'TLS',
  ]
    .filter(Boolean)
    .join(' · ')
}

/** @param {Connection | undefined} connection */
function nameOf(connection) {
  return fileName(`connection-${connection?.number}-${connection?.remote}-${connection?.port ?? ''}`)
}

/** @param {Connection | undefined} connection @param {string} text @param {import('./views.js').View} view */
export function saveShown(connection, text, view) {
  const isJson = view === 'json'
  const ending = isJson ? 'jsonl' : view === 'hex' ? 'hex.txt' : 'txt'
  save(text, `${nameOf(connection)}.${ending}`, isJson ? 'application/jsonl' : 'text/plain;charset=utf-8')
}

/** Saves the kept bytes of one way as they are. @param {import('./main.js').Page} page @param {'in' | 'out'} way */
export async function saveRaw(page, way) {
  const { api, selected } = page
  if (!selected) return
  try {
    const response = await api.fetch(`/api/connections/${encodeURIComponent(selected.id)}/bytes?way=${way}`)
    save(await response.arrayBuffer(), `${nameOf(selected)}-${way}.bin`, 'application/octet-stream')
  } catch (error) {
    page.fail(error)
  }
}
