/** The text form of the log: a record as a line, or as few lines as possible, for a person. */
import { escapeLine } from '../lib/text/escape.js'
import { withAdvice } from './advice.js'
import { type LogRecord, type Speaker, type Words, wordsOf } from './log-words.js'
import { type Color, type Look, paint, withSymbols } from './look.js'
import { tie, widthOf, wrap } from './wrap.js'

export interface TextOptions extends Speaker {
  readonly look: Look
  /** Shows every field after the words. Default: false. */
  readonly verbose?: boolean | undefined
}

const colors: Record<Words['symbol'], Color> = { '●': 'cyan', '✓': 'green', '✗': 'red', '!': 'yellow', '·': 'dim' }

/** The columns of the clock and the symbol, before the text. */
const margin = '10:14:02 ● '.length

/** `10:14:02 ● 127.0.0.1:52100 connected`. The lines of a stack follow, indented. Ends with LF. */
export function formatRecord(record: LogRecord, { look, verbose, ...speaker }: TextOptions): string {
  const { time, stack } = record
  const words = wordsFor(record, speaker, verbose)
  const frames = Array.isArray(stack) ? stack : []
  const showsFields = verbose && !words.isWhole
  const fields = showsFields ? fieldsOf(record, ['level', 'time', 'msg', ...(frames.length > 0 ? ['stack'] : [])]) : ''
  const start = `${paint(clockOf(new Date(time as string | number)), 'dim', look)} ${paint(withSymbols(words.symbol, look), colors[words.symbol], look)} `
  const [first, ...more] = [layout(words, fields, look), ...linesBelow(words, look)].join('\n').split('\n')
  const text = [first, ...more.map(line => indent(line, look))].join('\n')
  return `${start}${text}${frames.map(line => `\n    ${escapeLine(String(line))}`).join('')}\n`
}

/** The words of a record in one line, without its time. */
export function textOf(record: LogRecord, speaker: Speaker): string {
  const { texts, path, below } = wordsFor(record, speaker)
  return escapeLine([texts[0], path && `→ ${path}`, below].filter(part => part !== undefined).join(' '))
}

function wordsFor(record: LogRecord, speaker: Speaker, verbose = false): Words {
  const named = speaker.sender || speaker.isMover ? record : withName(record)
  return wordsOf(named, speaker) ?? plainWords(named, verbose)
}

/** Names a client that has no port, such as one of a unix socket, by its id. */
function withName(record: LogRecord): LogRecord {
  const { remote, connection } = record
  const isNamed = typeof remote !== 'string' || connection === undefined || /:\d+$/.test(remote)
  return isNamed ? record : { ...record, remote: `${remote} ${connection}` }
}

/** `10:14:02`, local time. Not by `toLocaleTimeString`, whose first call takes 10 ms. */
function clockOf(time: Date): string {
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map(part => String(part).padStart(2, '0')).join(':')
}

/**
 * Chooses the first text that fits into one line together with its path. If none does, the path gets a line of its own: it
 * is never shortened or broken, so that it can be copied.
 */
function layout({ texts, path = '', below = '' }: Words, fields: string, look: Look): string {
  const columns = look.columns - margin
  const arrow = withSymbols('→', look)
  const lines = texts.map(text => withSymbols(escapeLine(text), look))
  const [place, hash, rest] = [path, below, fields].map(escapeLine) as [string, string, string]
  if (hash !== '') return withBelow(lines[0] as string, hash, rest, columns)
  const target = place && ` ${arrow}${tie}${place}`
  const fits = (more: string) => lines.find(line => widthOf(line + more) <= columns)
  const tail = rest && ` ${rest}`
  const whole = fits(target + tail) ?? (rest && fits(target))
  if (whole) return wrap(whole + target + tail, columns)
  const text = lines.at(-1) as string
  if (place === '') return wrap((fits(tail) ?? text) + tail, columns)
  return [wrap(fits('') ?? text, columns), `${arrow} ${place}`, ...(rest ? [wrap(rest, columns)] : [])].join('\n')
}

/** A path that is wider than the room begins at the left edge, and the terminal wraps it. */
function indent(line: string, { columns }: Look): string {
  return widthOf(line) > columns - margin ? line : ' '.repeat(margin) + line
}

function linesBelow({ lines = [] }: Words, look: Look): string[] {
  const width = look.columns - margin - 2
  return lines.map(line => `  ${wrap(withSymbols(escapeLine(line), look), width).replaceAll('\n', '\n    ')}`)
}

/** `sha256 2cf2… of 5 bytes` in one line, or the hash in a line of its own: at both ends in the same column. */
function withBelow(about: string, hash: string, fields: string, columns: number): string {
  const [name = ''] = about.split(' ', 1)
  const rest = fields && ` ${fields}`
  const line = `${name} ${hash}${about.slice(name.length)}${rest}`
  return widthOf(line) <= columns ? wrap(line, columns) : `${wrap(about + rest, columns)}\n${halve(hash, columns)}`
}

/** Halves a text until its parts fit, so that the same text looks the same wherever it is shown. */
function halve(text: string, columns: number): string {
  if (text.length <= Math.max(8, columns)) return text
  const middle = Math.ceil(text.length / 2)
  return `${halve(text.slice(0, middle), columns)}\n${halve(text.slice(middle), columns)}`
}

const symbols: Record<number, Words['symbol']> = { 10: '·', 20: '·', 40: '!', 50: '✗', 60: '✗' }

/** Returns the words for a record of another origin, such as a stage: its message, error and fields, unless they follow. */
function plainWords(record: LogRecord, fieldsFollow = false): Words {
  const { level, msg, remote, connection, error, code, timeout } = record
  const isOurs = connection === undefined
  const why = typeof error === 'string' ? `: ${withAdvice(error, code, timeout)}` : ''
  const known = ['level', 'time', 'msg', 'connection', 'remote', 'code', 'timeout', 'stack', ...(why ? ['error'] : [])]
  const fields = fieldsFollow ? '' : fieldsOf(record, known)
  const text = `${isOurs ? String(msg ?? '') : quoted(msg)}${why}`
  const parts = [remote, text, fields].filter(part => part !== undefined && part !== '')
  return { symbol: symbols[Number(level)] ?? '●', texts: [parts.join(' ')] }
}

/** Quotes what a stage says: its peer may have chosen it, and it could look like a line of ours. */
function quoted(msg: unknown): string {
  if (msg === undefined) return ''
  return typeof msg === 'string' && /^(\w[\w-]*|what each stage did)$/.test(msg) ? msg : JSON.stringify(msg)
}

function fieldsOf(record: LogRecord, known: readonly string[]): string {
  const fields = Object.entries(record).filter(([name]) => !known.includes(name))
  return fields.map(([name, value]) => `${word(name)}=${word(value)}`).join(' ')
}

/** Quotes a text that could be read as more than one field. */
function word(value: unknown): string {
  return typeof value === 'string' && /^[^\s="]+$/.test(value) ? value : JSON.stringify(value)
}
