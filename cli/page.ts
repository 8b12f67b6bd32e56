/** `--ui`: opens the page of a command. */
import { type Address, formatAddress } from '../lib/endpoints/address.js'
import type { TransformEntry } from '../lib/stages/define.js'
import { type ShownConnection, type ShownProcesses, type ShownServer, serveUi, type Ui } from '../lib/ui.js'
import { aboutUs } from './about.js'
import { closeAtExit } from './http.js'
import type { Log } from './log.js'
import { pageWords } from './log-words.js'
import { named } from './named.js'
import type { PageOptions } from './page-options.js'

/** Listens, and logs the URL. */
export async function openPage(
  { ui, uiToken, keep, keepTotal, keepTls }: PageOptions,
  shown: Promise<ShownServer | ShownConnection | ShownProcesses>,
  { log, watch }: Pick<Log, 'log' | 'watch'>,
  { faults = [], target }: { faults?: readonly TransformEntry[] | undefined; target?: Address | undefined } = {},
): Promise<Pick<Ui, 'close'>> {
  const options = { listen: ui, token: uiToken, keep, keepTotal, keepTls, faults }
  const about = { ...aboutUs(), ...(target && { target: formatAddress(target) }) }
  const page = await serveUi(shown, { ...options, about, ownLog: false }).catch(error => {
    throw named('--ui', error)
  })
  const place = { url: page.url, ...(page.address.family === 'unix' && { token: page.token }) }
  log.info(place, 'page')
  // Without the line, nobody knows a random token.
  if (!uiToken && !log.isLevelEnabled('info')) process.stderr.write(`tcp-pipe: ${pageWords(place)}\n`)
  watch(page.log) // not before: the line has the token
  return closeAtExit(page)
}
