/** The parameters of an address of NATS, after its `?`: their names, values and who takes them. */
import { either } from '../../text/either.js'
import { didYouMean, errorMessage, TcpPipeError } from '../../text/errors.js'
import { exactBytes, exactDuration, inRange, longestTime, parseBytes, parseDuration } from '../../text/quantities.js'

/** How a stream is made if it is missing. What is left out is up to tcp-pipe: one replica, on disk, nothing discarded. */
export interface StreamLimits {
  readonly replicas?: number | undefined
  readonly maxBytes?: number | undefined
  readonly maxMessages?: number | undefined
  /** Milliseconds. */
  readonly maxAge?: number | undefined
  readonly storage?: 'file' | 'memory' | undefined
  /** When the stream is full: `new` refuses new messages, `old` drops the oldest ones. */
  readonly discard?: 'new' | 'old' | undefined
  /** Milliseconds for which the server remembers the ids of messages. */
  readonly duplicates?: number | undefined
}

export const recordFormats = ['lines', 'chunks', 'nul', 'u8', 'u16be', 'u16le', 'u32be', 'u32le', 'varint'] as const
export type RecordFormat = (typeof recordFormats)[number]

export interface Parameters {
  readonly stream?: string | undefined
  /** Names of files. */
  readonly creds?: string | undefined
  readonly nkey?: string | undefined
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** As a sink: makes the stream if it is missing. */
  readonly create?: true | StreamLimits | undefined
  /** As a sink: what a whole record is. Default: lines. */
  readonly records?: RecordFormat | undefined
  /** As a sink: the size of a message in bytes, unless a single record is longer. Default: 64 KiB. */
  readonly maxMessage?: number | undefined
  /** As a sink: the number of messages that wait for their acknowledgement. Default: 200. */
  readonly inFlight?: number | undefined
  /** As a sink: milliseconds for which a message is sent again. Default: three quarters of the duplicate window. */
  readonly giveUpAfter?: number | undefined
  /** As a source: the name of the consumer, which the server keeps. */
  readonly durable?: string | undefined
  /** As a source: what a new consumer begins with. Default: all. */
  readonly deliver?: 'all' | 'new' | undefined
  /** As a source: milliseconds after which a new consumer delivers again what is not acknowledged. Default: 30 s. */
  readonly ackWait?: number | undefined
  /** As a source: the number of messages that may wait for being kept. Default: 1000. */
  readonly maxPending?: number | undefined
  /** As a source: ends when nothing is left. Default: waits for more. */
  readonly until?: 'empty' | undefined
}

/** A value as text, and back. `read` throws an error that says what is allowed. */
interface Kind<T> {
  read(text: string): T
  show(value: T): string
}

/** A name of a stream or a consumer: the server takes no others. */
const name: Kind<string> = {
  read: text => (/^[^\s.*>/\\]+$/.test(text) ? text : refuse(text, 'a name without spaces and . * > / \\')),
  show: value => value,
}

const file: Kind<string> = {
  read: text => (text && !text.includes('\0') ? text : refuse(text, 'the name of a file')),
  show: value => value,
}

const days: Kind<number> = {
  read(text) {
    const [, number] = /^(\d+)d$/i.exec(text) ?? []
    return number === undefined ? parseDuration(text) : parseDuration(`${Number(number) * 24}h`)
  },
  show: exactDuration,
}

function bytes(min: number, max: number): Kind<number> {
  const allowed = `bytes, from ${exactBytes(min)} to ${exactBytes(max)}`
  return {
    read(text) {
      const value = parseBytes(text)
      return inRange(value, { min, max }) ? value : refuse(text, allowed)
    },
    show: exactBytes,
  }
}

function time(min: number): Kind<number> {
  return {
    read(text) {
      const value = days.read(text)
      const allowed = `a time from ${exactDuration(min)} to ${exactDuration(longestTime)}`
      return inRange(value, { min, max: longestTime }) ? value : refuse(text, allowed)
    },
    show: exactDuration,
  }
}

function count(max: number): Kind<number> {
  return {
    read: text =>
      /^\d+$/.test(text) && inRange(Number(text), { min: 1, max })
        ? Number(text)
        : refuse(text, `a whole number from 1 to ${max}`),
    show: String,
  }
}

function oneOf<T extends string>(allowed: readonly T[], hint = ''): Kind<T> {
  return {
    read: text => allowed.find(each => each === text) ?? refuse(text, `${either(allowed)}${hint}`),
    show: value => value,
  }
}

const mostBytes = Number.MAX_SAFE_INTEGER

const limits: Record<string, readonly [keyof StreamLimits, Kind<never>]> = {
  replicas: ['replicas', count(5)],
  'max-bytes': ['maxBytes', bytes(1, mostBytes)],
  'max-messages': ['maxMessages', count(mostBytes)],
  'max-age': ['maxAge', days],
  storage: ['storage', oneOf(['file', 'memory'])],
  discard: ['discard', oneOf(['new', 'old'])],
  duplicates: ['duplicates', days],
} as never

/** `true`, or `replicas:3,max-bytes:10g`. */
const create: Kind<true | StreamLimits> = {
  read(text) {
    if (text === 'true') return true
    const entries = text.split(',').map(part => {
      const [, key = part, value = ''] = /^([^:]*):(.*)$/s.exec(part) ?? []
      const [property, kind] =
        limits[key] ?? refuse(part, `true, or ${either(Object.keys(limits))}, such as max-age:7d`)
      return [property, labelled(key, () => kind.read(value))]
    })
    return Object.fromEntries(entries) as StreamLimits
  },
  show(value) {
    if (value === true) return 'true'
    const parts = Object.entries(limits).flatMap(([key, [property, kind]]) =>
      value[property] === undefined ? [] : `${key}:${kind.show(value[property] as never)}`,
    )
    return parts.join(',')
  },
}

const json = '; JSON is lines, with one value in each'

const both: Record<string, readonly [keyof Parameters, Kind<never>]> = {
  stream: ['stream', name],
  creds: ['creds', file],
  nkey: ['nkey', file],
  ca: ['ca', file],
  cert: ['cert', file],
  key: ['key', file],
} as never

const ofSink: typeof both = {
  create: ['create', create],
  records: ['records', oneOf(recordFormats, json)],
  'max-message': ['maxMessage', bytes(1, 64 * 1024 ** 2)],
  'in-flight': ['inFlight', count(10_000)],
  'give-up-after': ['giveUpAfter', time(1000)],
} as never

const ofSource: typeof both = {
  durable: ['durable', name],
  deliver: ['deliver', oneOf(['all', 'new'])],
  'ack-wait': ['ackWait', time(1000)],
  'max-pending': ['maxPending', count(100_000)],
  until: ['until', oneOf(['empty'])],
} as never

const all = { ...both, ...ofSink, ...ofSource }

/** Parses `name=value&…`. Throws `ERR_ADDRESS`. */
export function parseParameters(text: string): Parameters {
  const values: Record<string, unknown> = {}
  for (const part of text === '' ? [] : text.split('&')) {
    const [, key, value] = /^([^=]*)=(.*)$/s.exec(part) ?? [part, part, '']
    const [property, kind] = all[key as string] ?? unknown(key as string)
    if (property in values) throw fault(`${key}= is given twice; expected once`)
    values[property] = labelled(`${key}=`, () => kind.read(decoded(value as string)))
  }
  return values
}

/** Formats parameters as text that `parseParameters` accepts. Ignores other properties. */
export function formatParameters(values: Parameters): string {
  const parts = Object.entries(all).flatMap(([key, [property, kind]]) => {
    const value = values[property]
    return value === undefined
      ? []
      : `${key}=${encodeURIComponent(kind.show(value as never)).replace(/%(2C|2F|3A)/g, decodeURIComponent)}`
  })
  return parts.join('&')
}

/** The properties that an address can have in code. */
export const properties: readonly string[] = Object.values(all).map(([property]) => property)

/** Refuses a parameter that has no meaning for this use. */
export function checkUse(values: Parameters, use: 'sink' | 'source', refuse: (message: string) => never): void {
  const [other, words] = use === 'sink' ? [ofSource, 'reading, not for writing'] : [ofSink, 'writing, not for reading']
  const wrong = Object.entries(other).find(([, [property]]) => values[property] !== undefined)
  if (wrong) refuse(`${wrong[0]}= is for ${words}`)
}

/** Reverses `encodeURIComponent`. Throws `ERR_ADDRESS`. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw fault("has a '%' that is followed by no two hex digits; a '%' itself is written as %25")
  }
}

export function fault(message: string): TcpPipeError {
  return new TcpPipeError('ERR_ADDRESS', message)
}

function labelled<T>(label: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw fault(`${label}: ${errorMessage(error)}`)
  }
}

function unknown(key: string): never {
  const names = Object.keys(all)
  throw fault(`'${key}' is no parameter${didYouMean(key, names) || `; expected ${either(names)}`}`)
}

function refuse(text: string, allowed: string): never {
  throw fault(`'${text}' is not allowed; expected ${allowed}`)
}
