/** serveUi: a page that shows a server, and the API behind it, by HTTP. */
import { type AddressInput, formatAddress, toAddress } from './endpoints/address.js'
import type { Bound } from './endpoints/endpoint.js'
import type { TransformEntry } from './stages/define.js'
import { isTransform } from './stages/modules.js'
import { describe, TcpPipeError } from './text/errors.js'
import { isToken, tokenRule } from './text/token.js'
import { checkValues } from './text/values.js'
import type { About, ShownProcesses } from './ui/page.js'
import type { RecordOptions } from './ui/record.js'
import type { ShownConnection, ShownServer } from './ui/shown.js'

export type { About, ShownProcesses } from './ui/page.js'
export type { ShownConnection, ShownServer } from './ui/shown.js'

/** The options of `serveUi`. Sizes are bytes. */
export interface UiOptions {
  /** Where to listen. Default: 127.0.0.1:3098. */
  listen?: AddressInput | undefined
  /**
   * The token that changes need, and reads that come over a network: 16 to 200 letters, digits and the characters
   * - . _ ~. Default: a random one.
   */
  token?: string | undefined
  /** The last bytes that are kept of each connection; 0 keeps none. Default: 256 KiB. */
  keep?: number | undefined
  /** The last bytes that are kept in all. Default: 64 MiB. */
  keepTotal?: number | undefined
  /** Also keeps the bytes of connections with TLS. Default: false. */
  keepTls?: boolean | undefined
  /** The transforms that the page offers as faults. Default: none. */
  faults?: readonly TransformEntry[] | undefined
  /** Facts about the program, which the page shows. Default: none. */
  about?: About | undefined
  /** False: the page shows only the lines that `log` adds. Default: true; it shows those that the server would log. */
  ownLog?: boolean | undefined
}

/** A page that is served. Disposing of it (`await using`) closes it. */
export interface Ui extends AsyncDisposable {
  /** The bound address. */
  readonly address: Bound
  /** The URL of the page with the token; for a unix socket its address, without the token. */
  readonly url: string
  readonly token: string
  /** Adds a line to the log that the page shows. `level` is a word, such as `info`, `warn` or `error`. */
  log(level: string, text: string): void
  /** Stops listening, lets go what breakpoints hold, and switches the faults off. */
  close(): Promise<void>
}

type Given = ShownServer | ShownConnection | ShownProcesses

const defaultAddress = '127.0.0.1:3098'

/** Bytes. */
export const defaultKeep = { keep: 256 * 1024, keepTotal: 64 * 1024 ** 2 }

/**
 * Serves a page that shows a server, or the connection of a `send`. Resolves when it listens. If `server` is a promise,
 * requests wait for it. Keeps the bytes of connections that open afterwards: for a `send`, give it a promise of what
 * `onConnect` gets. Closes with the server.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS` before anything is opened; the system error if it cannot listen
 */
export async function serveUi(server: Given | PromiseLike<Given>, options: UiOptions = {}): Promise<Ui> {
  checkServer(server)
  check(options)
  const address = toAddress(options.listen ?? defaultAddress)
  if (address.scheme !== 'tcp' && address.scheme !== 'unix')
    throw new TcpPipeError(
      'ERR_ADDRESS',
      `'${formatAddress(address)}' is not allowed; expected an address of TCP or a unix socket`,
    )
  const { openUi } = await import('./ui/open.js') // the rest of the library needs no HTTP
  const { token, faults = [], about = {}, ownLog = true } = options
  return openUi(server, address, token, { about, faults, ownLog, keep: keepOf(options) })
}

/** The memory for the bytes of connections. */
export function keepOf({ keep, keepTotal, keepTls }: Pick<UiOptions, 'keep' | 'keepTotal' | 'keepTls'>): RecordOptions {
  return { perConnection: keep ?? defaultKeep.keep, total: keepTotal ?? defaultKeep.keepTotal, tls: keepTls ?? false }
}

function check(options: UiOptions): void {
  checkValues(options, { listen: 'address', token: 'text', keepTls: 'flag', ownLog: 'flag', about: 'object' })
  const { token, faults } = options as { token?: string; faults?: unknown }
  for (const name of ['keep', 'keepTotal'] as const) checkSize(name, options[name])
  if (token !== undefined && !isToken(token))
    throw new TcpPipeError('ERR_OPTION', `token is not allowed; expected ${tokenRule}`)
  if (faults !== undefined) checkFaults(faults)
}

function checkFaults(faults: unknown): void {
  if (!Array.isArray(faults))
    throw new TcpPipeError('ERR_OPTION', `faults: ${describe(faults)} is not allowed; expected an array of transforms`)
  const wrong = faults.findIndex(each => !isTransform(each))
  if (wrong >= 0)
    throw new TcpPipeError(
      'ERR_OPTION',
      `faults[${wrong}]: ${describe(faults[wrong])} is not allowed; expected a transform`,
    )
}

/** What a promise gives is known only later. */
function checkServer(server: unknown): void {
  const ways = ['observe', 'desk', 'then']
  if (typeof server === 'object' && server !== null && ways.some(way => way in server)) return
  throw new TcpPipeError('ERR_OPTION', `server: ${describe(server)} is not allowed; expected a server or a connection`)
}

function checkSize(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return
  const given = typeof value === 'number' ? value : describe(value)
  throw new TcpPipeError('ERR_OPTION', `${name}: ${given} is not allowed; expected a number of bytes`)
}
