/**
 * Names what a chunk begins with: HTTP/1 (RFC 9112), a TLS record (RFC 8446) or RESP, the protocol of Redis. Reads a
 * bounded part of the chunk; bytes of any kind are no error. A name is printable ASCII.
 */

export interface Recognized {
  readonly protocol: 'HTTP' | 'RESP' | 'TLS'
  /** `HTTP GET /path`, `RESP SET 3 args`, `TLS ClientHello example.org`. */
  readonly label: string
}

/**
 * Returns undefined for other bytes. RESP has replies that look like those of other protocols, such as `+OK`, or
 * like commands: they are recognized only if `isReply` says that the other direction sends commands.
 */
export function recognize(chunk: Buffer, isReply: boolean): Recognized | undefined {
  const start = chunk.toString('latin1', 0, longest)
  const [protocol, label] =
    first('HTTP', http(start)) ??
    first('RESP', isReply ? respReply(start) : respCommand(start)) ??
    first('TLS', tls(chunk)) ??
    []
  return protocol && { protocol, label: `${protocol} ${label}` }
}

/** The bytes of a chunk that decide. */
const longest = 1024

/** The characters of a path or a reason that a label shows. */
const mostText = 60

function first<P extends string>(protocol: P, label: string | undefined): [P, string] | undefined {
  return label === undefined ? undefined : [protocol, label]
}

/** A request line that is longer than what decides has no version. */
function http(start: string): string | undefined {
  const [, method, target, version] =
    /^(GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH) ([!-~]+)( HTTP\/1\.\d\r?\n)?/.exec(start) ?? []
  if (target && (version || `${method} ${target}`.length === longest)) return `${method} ${short(target)}`
  const [, code, reason] = /^HTTP\/1\.\d (\d{3})((?: [ -~]*)?)\r?\n/.exec(start) ?? []
  return code && short(`${code}${reason}`.trimEnd())
}

function short(text: string): string {
  return text.length > mostText ? `${text.slice(0, mostText)}...` : text
}

/** A command: an array of bulk strings, the first of which is its name. */
function respCommand(start: string): string | undefined {
  const [, count, length, name] = /^\*([1-9]\d{0,6})\r\n\$(\d{1,2})\r\n([A-Za-z][A-Za-z.]*)\r\n/.exec(start) ?? []
  if (!name || name.length !== Number(length)) return undefined
  return `${name} ${count} ${count === '1' ? 'arg' : 'args'}`
}

/** The types of RESP2 and RESP3 by their first character. */
function respReply(start: string): string | undefined {
  const [, type, text = ''] = /^([-+:$*_#,(!=%~>])([ -~]*)\r\n/.exec(start) ?? []
  if (!type) return undefined
  if (type === '_' || text === '-1') return 'null'
  const kind = aggregates[type]
  return kind ? `${kind} ${short(text)}` : short(`${type === '+' ? '' : type}${text}`)
}

const aggregates: Record<string, string> = {
  $: 'string of',
  '!': 'error of',
  '=': 'string of',
  '*': 'array of',
  '%': 'map of',
  '~': 'set of',
  '>': 'push of',
}

/** The type of a record, and for a handshake that of its first message. */
function tls(chunk: Buffer): string | undefined {
  if (chunk.length < 6 || chunk[1] !== 3 || (chunk[2] as number) > 4) return undefined
  const length = chunk.readUInt16BE(3)
  if (length === 0 || length > 2 ** 14 + 2048) return undefined
  const type = records[chunk[0] as number]
  if (type !== 'handshake') return type
  const message = messages[chunk[5] as number]
  if (message !== 'ClientHello') return message ?? type
  const name = serverName(chunk.subarray(5, Math.min(5 + length, mostHello)))
  return name ? `${message} ${name}` : message
}

const records: Record<number, string> = { 20: 'change of cipher', 21: 'alert', 22: 'handshake', 23: 'application data' }

const messages: Record<number, string> = { 1: 'ClientHello', 2: 'ServerHello', 11: 'Certificate' }

/** The bytes of a ClientHello that are searched for a name. */
const mostHello = 4096

/** The name of the extension server_name (RFC 6066), if it is in these bytes. */
function serverName(hello: Buffer): string | undefined {
  try {
    let at = 4 + 2 + 32 // the header of the message, the version and the random bytes
    at += 1 + hello.readUInt8(at) // the session
    at += 2 + hello.readUInt16BE(at) // the ciphers
    at += 1 + hello.readUInt8(at) // the compression methods
    at += 2 // the length of the extensions
    for (;;) {
      const length = hello.readUInt16BE(at + 2)
      if (hello.readUInt16BE(at) === 0) return nameIn(hello.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
  } catch {
    return undefined // the bytes end before a name
  }
}

function nameIn(extension: Buffer): string | undefined {
  const name = extension.toString('latin1', 5, 5 + extension.readUInt16BE(3))
  return /^[\w.-]{1,255}$/.test(name) ? short(name) : undefined
}
