/** The options of `pipe`, and their checks. */
import type { Connection } from '../connection/connection.js'
import { type Address, type AddressInput, can, endpointFor, formatAddress, toAddress } from '../endpoints/address.js'
import { checkOutput, checkSink } from '../endpoints/open.js'
import type { ClientTls } from '../endpoints/tls/secure-context.js'
import { checkMisplaced } from '../server/listen-options.js'
import type { Logger } from '../stages/context.js'
import type { Stage } from '../stages/stage.js'
import { checkFunction, type Transforms } from '../stages/transforms.js'
import type { Observer } from '../stats/observer.js'
import { TcpPipeError } from '../text/errors.js'
import { optionName } from '../text/option-name.js'
import { isTemplate } from '../text/template.js'
import { checkValues, type ValueKind } from '../text/values.js'

/** The options of `pipe`. Times are milliseconds (a bare number of the command line is seconds). */
export interface PipeOptions<S = readonly Stage[], R = readonly Stage[]> {
  /** Where the data comes from. Required. */
  from: AddressInput
  /** Where it goes. Default: stdout. */
  to?: AddressInput | undefined
  /** The transforms from `from` to `to`. Default: none. */
  transforms?: Transforms<S> | undefined
  /** The transforms from `to` to `from`, if both ends have two directions. Default: none. */
  replyTransforms?: Transforms<R> | undefined
  /** Nothing goes from `to` to `from`. Default: false, if both ends are given and have two directions. */
  oneWay?: boolean | undefined
  /** Milliseconds after which `to` is complete and a new file, or a new connection, begins. Default: never. */
  rotate?: number | undefined
  /** Bytes of `from` after which `to` is complete and a new file, or a new connection, begins. Default: never. */
  rotateSize?: number | undefined
  /** The TLS options of an address `from` with TLS. Default: verifies it with the authorities of Node.js. */
  tls?: ClientTls | undefined
  /** The TLS options of an address `to` with TLS. Default: verifies it with the authorities of Node.js. */
  targetTls?: ClientTls | undefined
  /** Milliseconds to wait for each attempt to connect, and for the client of `listen:`; 0 is no limit. Default: 10 seconds; no limit for `listen:`. */
  connectTimeout?: number | undefined
  /** Milliseconds to wait for a TLS handshake; 0 is no limit. Default: 10 seconds. */
  handshakeTimeout?: number | undefined
  /** Milliseconds without a byte in either direction; 0 is no limit. Default: 0. */
  idleTimeout?: number | undefined
  /** The number of retries after the first attempt to connect, with jittered backoff. Default: 0. */
  retry?: number | undefined
  /** Milliseconds between attempts to connect. Default: a growing time from 0.1 to 5 seconds, with jitter. */
  retryInterval?: number | undefined
  /** The maximum length of a line or a JSON value in bytes; a longer one fails the pipe. Default: 1 MiB. */
  maxRecord?: number | undefined
  /** Aborting it resets what runs; `pipe` then rejects with an AbortError. */
  signal?: AbortSignal | undefined
  /** Aborting it ends the pipe as if `from` had ended: what was read is delivered, and `to` is complete. */
  stop?: AbortSignal | undefined
  /** Also measures the source and the sink of each direction, so that `verdict` can tell which part is slow. Default: false. */
  measure?: boolean | undefined
  /** A pino logger. Default: no log. */
  log?: Logger | undefined
  /** Receives the events of each connection; with `rotate`, one for each part. */
  observer?: Pick<Observer, 'opened' | 'passed' | 'faulted' | 'closed'> | undefined
  /** Called for each connection; with `rotate`, one for each part. */
  onConnection?: ((connection: Connection) => void) | undefined
}

const kinds: Partial<Record<keyof PipeOptions, ValueKind>> = {
  ...{ from: 'address', to: 'address', oneWay: 'flag', rotate: 'time', rotateSize: 'count' },
  ...{ tls: 'clientTls', targetTls: 'clientTls', connectTimeout: 'time', handshakeTimeout: 'time' },
  ...{ idleTimeout: 'time', retry: 'count', retryInterval: 'time', maxRecord: 'count' },
  ...{ signal: 'signal', stop: 'signal', measure: 'flag', log: 'logger', observer: 'observer' },
  ...{ onConnection: 'function' },
}

/** What a pipe does with its options. */
export interface PipePlan {
  readonly from: Address
  readonly to: Address
  /** Whether `to` also sends to `from`. */
  readonly isBothWays: boolean
}

/**
 * Checks the options and resolves them, as `pipe` does. Opens nothing.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS`
 */
export async function resolvePipe(options: PipeOptions): Promise<PipePlan> {
  checkValues(options, kinds)
  checkMisplaced(options, 'tls or targetTls')
  const { transforms, replyTransforms, oneWay = false, rotate, rotateSize } = options
  for (const [name, value] of Object.entries({ transforms, replyTransforms })) checkFunction(name, value)
  if (options.from === undefined) throw new TcpPipeError('ERR_ADDRESS', 'pipe needs from: where the data comes from')
  const from = dialled(toAddress(options.from))
  const to = dialled(options.to === undefined ? { scheme: 'stdio' } : toAddress(options.to))
  endpointFor(can('dial', from) ? 'dial' : 'source', from).checkSource?.(from)
  checkSink(to)
  const isOpen = options.to !== undefined && (can('dial', from) || can('dial', to))
  const isBothWays = isOpen && !oneWay && hasTwoWays(from) && hasTwoWays(to)
  if (replyTransforms && !isBothWays)
    fault(`${optionName('replyTransforms')} needs two ends with two directions: it transforms what comes back`)
  if (rotate !== undefined || rotateSize !== undefined) checkRotation(to, isBothWays)
  await checkOutput(to)
  return { from, to, isBothWays }
}

/** Each part has its own file. */
function checkRotation(to: Address, isBothWays: boolean): void {
  const name = optionName('rotate')
  if (isBothWays) fault(`${name} needs one direction: it ends what goes to an end, not a conversation`)
  if (to.scheme === 'file' && !to.append && !isTemplate(to.path))
    fault(`${name}: '${to.path}' is one file; several need a placeholder, such as {time} or {id}, in the name`)
}

/** A connection, and stdin with stdout. */
function hasTwoWays(address: Address): boolean {
  return can('dial', address) || address.scheme === 'stdio'
}

function dialled(address: Address): Address {
  if (!('port' in address) || address.port > 0) return address
  const text = formatAddress(address)
  throw new TcpPipeError('ERR_ADDRESS', `'${text}': port 0 cannot be dialled; expected a port from 1 to 65535`)
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
