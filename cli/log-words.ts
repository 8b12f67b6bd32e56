/** What a log line says to a person: its symbol and its words, from the record of an event. */
import { formatBytes } from '../lib/text/quantities.js'
import { withAdvice } from './advice.js'
import { count, size, time } from './amounts.js'
import {
  notReliable,
  receiptTexts,
  refusalWords,
  restartTexts,
  sessionNotes,
  subjectOf,
  wasSkipped,
} from './session-words.js'
import { stageLines } from './stage-words.js'
import { tie } from './wrap.js'

/** A record of the log: its fields, as the JSON form has them. */
export type LogRecord = Readonly<Record<string, unknown>>

/** The words of a line. */
export interface Words {
  readonly symbol: '●' | '✓' | '✗' | '!' | '·'
  /** From the fullest to the shortest: the first that fits into one line is shown, otherwise the last one is wrapped. */
  readonly texts: readonly string[]
  /** A path or an address at the end of each text, in a line of its own if need be. */
  readonly path?: string
  /** What always stands on a line of its own unless all fits into one, such as a digest. */
  readonly below?: string
  /** Lines of their own, below the text. */
  readonly lines?: readonly string[]
  /** Whether the words say it all, so that `-v` adds no fields. */
  readonly isWhole?: boolean
}

/** What only the command knows. */
export interface Speaker {
  /** For `send`. */
  readonly sender?: Sender | undefined
  /** For `pipe`, one way: it moves what it receives. */
  readonly isMover?: boolean | undefined
  /** For a server: why it has no room for a further client, such as `beyond --max-connections`. */
  readonly fullness?: string | undefined
}

/** What only `send` knows of the end of its connection. */
export interface Sender {
  /** Returns how a successful transfer ended, in words: `the peer ended after it`. */
  ending(closedBy: unknown): string
}

/** The words for the events of our own. Undefined if a record is not what it seems: a stage can log anything. */
type Wording = (record: LogRecord, speaker: Speaker) => Words | undefined

const wordings: Record<string, Wording> = {
  listening: ({ address, family, port, pin, to, workers }) => {
    const host = family === 'IPv6' ? `[${address}]` : address
    const where = family === 'IPv4' || family === 'IPv6' ? `${host}:${port}` : `${family}:${address}`
    const notes = `${workers ? `; ${count(workers, 'worker')}` : ''}${pin ? `; pin ${pin}` : ''}`
    return info(`listening on ${where}${to ? ` → ${to}` : ''}${notes}`)
  },
  metrics: ({ address, family, port }) =>
    info(
      family === 'unix'
        ? `metrics on unix:${address}, path /metrics`
        : `metrics on http://${family === 'IPv6' ? `[${address}]` : address}:${port}/metrics`,
    ),
  page: ({ url, token }) => info(pageWords({ url, token })),
  'worker died': ({ worker, signal, code, connections }) => ({
    symbol: '✗',
    texts: [`worker ${worker} died (${signal ?? `exit code ${code}`}) with ${count(connections, 'connection')}`],
  }),
  'control socket': ({ control }) => info(`control socket at ${control}`),
  'connection opened': ({ remote }) => info(`${remote} connected`),
  'connection closed': closedWords,
  'connection failed': failedWords,
  'connections refused': ({ refused, remote, error }, speaker) => {
    const why = error === undefined ? '' : `: ${error}`
    return { symbol: '!', texts: [`refused ${refusals(refused, speaker)}, the last from ${remote}${why}`] }
  },
  'connections refused in total': ({ refused }, speaker) => {
    return { symbol: '!', texts: [`refused in total: ${refusals(refused, speaker)}`] }
  },
  'not connected, trying again': ({ error, wait }) => {
    return { symbol: '!', texts: [`not connected: ${error}; trying again in ${time(wait)}`] }
  },
  'the connection is lost, connecting again': ({ remote, error }) => {
    return { symbol: '!', texts: [`${remote ? `${remote} ` : ''}the connection is lost, connecting again: ${error}`] }
  },
  'connected again': ({ remote }) => info(`${remote ? `${remote} ` : ''}connected again`),
  'not sent': ({ file, error, code }) => ({
    symbol: '✗',
    texts: [`${file} not sent: ${refusalWords(withAdvice(String(error), code))}`],
  }),
  'not all sent': ({ files }) => ({ symbol: '✗', texts: [`${count(files, 'further file')} not sent`] }),
  skipped: ({ file, why }) => ({ symbol: '!', texts: [`${file} skipped: ${why}`] }),
  'no reliable session': ({ remote, error }) => ({ symbol: '!', texts: [notReliable(remote, String(error))] }),
  draining: drainingWords,
  'the file was truncated, reading it from its start': ({ file, at }) => ({
    symbol: '!',
    texts: [`${file} was truncated at ${size(at)}; reading it from its start`],
  }),
  'ending after what was read': ({ signal }) =>
    info(`${signal}: ending after what was read; a second ${again(signal)} resets`),
  'connections reset after the drain timeout': ({ cut }) => {
    const text = `reset ${count(cut, 'connection')} that did not end in time`
    return { symbol: '✗', texts: [withAdvice(text, undefined, 'drain')] }
  },
  'connections reset at a second signal': ({ signal, cut }) =>
    info(`${signal}: reset ${count(cut, 'connection')} that ${cut === 1 ? 'was' : 'were'} still open`),
  digest: ({ algorithm, digest, bytes, ...rest }) => {
    return { symbol: '●', texts: [`${algorithm} of ${bytes}${tie}bytes ${origin(rest)}`], below: String(digest) }
  },
  counter: ({ bytes, chunks, lines, ...rest }) =>
    info(`${origin(rest)} counted ${count(bytes, 'byte')}, ${count(chunks, 'chunk')}, ${count(lines, 'line')}`),
  'what each stage did': ({ remote, directions }) => {
    const lines = stageLines(directions)
    if (!lines) return undefined
    const text = lines.length > 0 ? 'what each stage did:' : 'had no stages'
    return { symbol: '·', texts: [`${remote} ${text}`], lines, isWhole: true }
  },
  chunk: ({ offset, size: length, preview, ...rest }) =>
    info(`${origin(rest)} ${size(length)} at ${offset}${preview === undefined ? '' : `: ${JSON.stringify(preview)}`}`),
}

/** The fields that each event of our own has. A stage that logs the same message without them is another event. */
const fieldsOf: Record<string, readonly string[]> = {
  listening: ['address', 'port'],
  metrics: ['address', 'family', 'port'],
  page: ['url'],
  'worker died': ['worker', 'connections'],
  'control socket': ['control'],
  'connection opened': ['remote'],
  'connection closed': ['remote', 'bytesIn', 'bytesOut', 'duration', 'closedBy'],
  'connection failed': ['remote', 'bytesIn', 'bytesOut', 'duration', 'closedBy', 'error'],
  'connections refused': ['refused', 'remote'],
  'connections refused in total': ['refused'],
  'not connected, trying again': ['error', 'wait'],
  'the connection is lost, connecting again': ['error'],
  'connected again': [],
  'not sent': ['file', 'error'],
  'not all sent': ['files'],
  skipped: ['file', 'why'],
  'no reliable session': ['remote', 'error'],
  draining: ['signal', 'connections'],
  'the file was truncated, reading it from its start': ['file', 'at'],
  'ending after what was read': ['signal'],
  'connections reset after the drain timeout': ['cut'],
  'connections reset at a second signal': ['signal', 'cut'],
  'what each stage did': ['remote', 'directions'],
  digest: ['algorithm', 'digest', 'bytes'],
  counter: ['bytes', 'chunks', 'lines'],
  chunk: ['offset', 'size'],
}

/** Returns the words of one of our own events; undefined for any other record. */
export function wordsOf(record: LogRecord, speaker: Speaker): Words | undefined {
  const { msg } = record
  if (typeof msg !== 'string' || !Object.hasOwn(wordings, msg)) return undefined
  const isOurs = (fieldsOf[msg] as readonly string[]).every(name => record[name] !== undefined)
  return isOurs ? wordings[msg]?.(record, speaker) : undefined
}

/** Where a page is. The URL of one that has no unix socket contains the token. */
export function pageWords({ url, token }: LogRecord): string {
  return `page at ${url}${token === undefined ? '' : `, token ${token}`}`
}

function info(...texts: string[]): Words {
  return { symbol: '●', texts }
}

function closedWords(record: LogRecord, { sender, isMover }: Speaker): Words {
  const { remote, warnings, closedBy } = record
  const receipt = sender && receiptTexts(record)
  if (receipt) return { symbol: warnings ? '!' : '✓', texts: receipt }
  const ending = `${sender ? `; ${sender.ending(closedBy)}` : ''}${oddEnd(record)}`
  const notes = `${sender ? alertOf(record) : ''}${Array.isArray(warnings) ? `; ${warnings.join('; ')}` : ''}`
  const came = isMover ? 'moved' : wasSkipped(record) ? 'skipped' : 'received'
  const done = `${moved(record, sender, [came, 'sent'])} in ${time(record.duration)}`
  const rest = `${sessionNotes(record)}${ending}${faultsOf(record)}${notes}`
  const brief = `${done}${rest}`
  const whole = `${done}${rateOf(record)}${rest}`
  const path = destination(record)
  return {
    symbol: notes ? '!' : '✓',
    texts: [`${remote} ${whole}`, `${remote} ${brief}`, ...(sender ? [brief] : [])],
    ...(path !== undefined && { path }),
  }
}

/** An end that is no failure, because the conversation was over, but that is no ordinary one either. */
function oddEnd({ closedBy, side = 'peer', tls, target }: LogRecord): string {
  if (closedBy === 'reset') return `; then the ${side} reset it`
  const isBare = [tls, (target as { tls?: object } | undefined)?.tls].some(
    facts => (facts as { closeNotify?: boolean } | undefined)?.closeNotify === false,
  )
  return isBare ? ', without close_notify' : ''
}

function failedWords(record: LogRecord, { sender, isMover }: Speaker): Words {
  const { error, code, timeout, stage, at, sink, closedBy, bytesIn, tls, session } = record
  const restart = sender ? undefined : restartTexts(record)
  if (restart) return { symbol: '!', texts: restart }
  const subject = subjectOf(record, sender)
  const so = `after ${moved(record, sender, [isMover ? 'moving' : 'receiving', 'sending'])} in ${time(record.duration)}`
  const { file, bytes } = (sink ?? {}) as { file?: string; bytes?: number }
  const isKept = file?.endsWith('.part') && !(session && bytes === 0)
  const kept = isKept ? `; ${size(bytes)} are kept in ${file}` : ''
  if (String(error).startsWith('interrupted'))
    return {
      symbol: '✗',
      texts: [`${subject} interrupted ${so}${session || isMover ? '' : '; the peer sees a reset'}${kept}`],
    }
  const why = error === 'read ECONNRESET' ? `the peer has reset the connection (${error})` : error
  const where = stage === undefined ? '' : ` in stage ${stage}${at === undefined ? '' : ` (${at})`}`
  const isUnheard = sender && closedBy === 'reset' && bytesIn === 0 && !tls
  const advice = (sender ? alertOf(record) : '') || (isUnheard ? '; if it speaks TLS, use tls://' : '')
  const reason = `${withAdvice(String(why), code, timeout)}${advice}`
  return { symbol: '✗', texts: [`${subject} failed${where} ${so}: ${reason}${faultsOf(record)}${kept}`] }
}

/** What a peer answers that expects TLS. Many only reset the connection. */
function alertOf({ alert }: LogRecord): string {
  return alert ? '; the peer speaks TLS: its reply is a TLS alert; use tls://' : ''
}

function drainingWords({ signal, connections, drainTimeout }: LogRecord): Words {
  const most = drainTimeout === undefined ? '' : ` for at most ${time(drainTimeout)}`
  if (connections === 0) return info(`${signal}: no connection is open; ending`)
  return info(
    `${signal}: waiting for ${count(connections, 'connection')}${most}; a second ${again(signal)} ends at once`,
  )
}

/** How a person sends a signal. */
function again(signal: unknown): unknown {
  return signal === 'SIGINT' ? 'Ctrl-C' : signal
}

/** `received 3 B, sent 5 B`, the main direction first, without a direction in which nothing came. */
function moved({ bytesIn, bytesOut }: LogRecord, sender: unknown, [came, went]: [string, string]): string {
  const parts = [
    { word: came, bytes: Number(bytesIn) },
    { word: went, bytes: Number(bytesOut) },
  ]
  if (sender) parts.reverse()
  const some = parts.filter(({ bytes }) => bytes > 0)
  if (some.length === 0) return `${parts[0]?.word} nothing`
  return some.map(({ word, bytes }) => `${word} ${size(bytes)}`).join(', ')
}

/** A rate of few bytes, or in a moment, would say nothing. */
function rateOf({ bytesIn, bytesOut, duration }: LogRecord): string {
  const bytes = Math.max(Number(bytesIn), Number(bytesOut))
  if (bytes < 65_536 || Number(duration) < 10) return ''
  const perSecond = Math.round((bytes * 1000) / Number(duration))
  const exact = formatBytes(perSecond, 1)
  return ` (${(/^\d\./.test(exact) ? exact : formatBytes(perSecond, 0)).replace(' ', tie)}/s)`
}

/** Where the data went: a file, or another address. */
function destination({ sink, target }: LogRecord): string | undefined {
  const { file, to = (target as { to?: string } | undefined)?.to } = (sink ?? {}) as { file?: string; to?: string }
  return file ?? to
}

function faultsOf({ faults }: LogRecord): string {
  if (!Array.isArray(faults)) return ''
  const each = faults.map(({ fault, offset }) => `${fault} after ${size(offset)}`)
  return `; ${each.slice(0, 3).join(', ')}${each.length > 3 ? ' …' : ''}`
}

function refusals(refused: unknown, { fullness = 'beyond --max-connections' }: Speaker): string {
  const reasons: Record<string, string> = {
    access: 'by --allow or --deny',
    maxConnections: fullness,
    maxPerIp: 'beyond --max-per-ip',
    proxyProtocol: 'by --proxy-protocol',
  }
  const each = Object.entries(refused as object)
  return each.map(([reason, number]) => `${count(number, 'connection')} ${reasons[reason] ?? reason}`).join(', ')
}

/** The connection and, if it is not the usual one, the direction of a line that a stage has logged. */
function origin({ remote, direction }: LogRecord): string {
  return `${remote ?? ''}${direction === 'reply' ? ' (reply)' : ''}`.trim()
}
