/** The options of `pipe`, except those that it shares, and what they exclude. */
import { existsSync } from 'node:fs'
import { Option } from 'commander'
import { type Address, addressForms } from '../lib/endpoints/address.js'
import { usesTls } from '../lib/endpoints/tls/contexts.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { frequent, group } from './help.js'
import type { LogOptions } from './log.js'
import { address, addressFor, bytes, count, duration, limit, rawOption, repeatable } from './options.js'
import { dialTlsOptions, type SendTlsOptions } from './tls-options.js'

export interface Options extends LogOptions, SendTlsOptions {
  to?: Address
  output?: string
  append?: boolean
  force?: boolean
  transform?: string[]
  replyTransform?: string[]
  oneWay?: boolean
  follow?: boolean
  rotate?: number
  rotateSize?: number
  connectTimeout?: number
  idleTimeout?: number
  retry?: number
  retryInterval?: number
  progress?: boolean
  raw?: boolean
  maxRecord?: number
}

export function ownOptions(): Option[] {
  return [
    frequent(address('--to <address>', 'where it goes, in the same forms (default: stdout)', 'dial', 'sink')),
    frequent(
      new Option('-o, --output <file>', 'write to a file; {id} {time} {remote} {port} in its name are replaced'),
    ),
    frequent(repeatable('-t, --transform <spec>', "stages joined by '|'; may be repeated")),
    repeatable('-r, --reply-transform <spec>', 'stages from --to back to FROM; may be repeated'),
    frequent(new Option('--one-way', 'nothing goes from --to back to FROM')),
    frequent(new Option('--follow', 'go on with what is added to the file, and with its successor, as tail -F')),
    frequent(limit('--rotate <time>', 'complete the file, or the connection, after this time and begin the next one')),
    bytes('--rotate-size <bytes>', 'the same after so many bytes of FROM', 1),
    ...group('Connecting:', [
      count('--retry <n>', 'retries to connect (default: 0)', 0),
      duration('--retry-interval <time>', 'between attempts to connect (default: growing, from 0.1s to 5s)'),
    ]),
    ...group('Output and progress:', [
      new Option('--append', 'append to an existing output file'),
      new Option('--force', 'replace an existing output file'),
      rawOption(),
      new Option('--progress', 'show progress after a second (default: if stderr is a terminal)'),
      new Option('--no-progress', 'do not show progress'),
    ]),
    ...group('Timeouts (off disables one):', [
      duration('--connect-timeout <time>', 'to connect, per attempt (default: 10s), or for a client of listen:'),
      duration('--handshake-timeout <time>', 'for the whole TLS handshake (default: 10s)'),
      duration('--idle-timeout <time>', 'without a byte either way (default: off)'),
    ]),
    ...dialTlsOptions(),
  ]
}

/** The word FROM. A file is not an address: its mistake is named. */
export function fromAddress(text: string): Address {
  try {
    return addressFor('dial', 'source')(text)
  } catch (error) {
    if (text.startsWith('file:') || !existsSync(text)) throw error
    throw new TcpPipeError('ERR_ADDRESS', `'${text}' is not an address; did you mean file:${text}?`, { cause: error })
  }
}

/** What FROM may be, for the help. */
export const fromForms = addressForms('dial', 'source')

/** Rejects what excludes each other, and what has no effect. Throws `ERR_OPTION`. */
export function check(options: Options, from: Address): void {
  const { to, output, append, force, follow } = options
  if (output === '') fault("--output: '' is not allowed; expected a file name or '-'")
  if (to && output !== undefined) fault('--to and --output exclude each other: the result goes to one place')
  const toFile = output !== undefined && output !== '-'
  if ((append || force) && !toFile) fault(`${append ? '--append' : '--force'} needs --output FILE`)
  if (append && force) fault('--append and --force exclude each other')
  if (follow && from.scheme !== 'file') fault('--follow needs a file: file:PATH')
}

/** The end with TLS, if there is one. */
export function secureEnd(from: Address, to: Address | undefined): Address | undefined {
  return [from, to].find(each => each && usesTls(each))
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
