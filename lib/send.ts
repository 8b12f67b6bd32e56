/** send: source → transforms → socket, and socket → reply transforms → sink. */
import { setMaxListeners } from 'node:events'
import { acknowledgeAll, waitsForEver } from './connection/acknowledge.js'
import { openChain } from './connection/chain.js'
import { type OpenConnection, openConnection } from './connection/connection.js'
import { keptOpen } from './connection/linger.js'
import { type Address, bindAddress, isAddressInput, toAddress } from './endpoints/address.js'
import type { Leg, Sink, Source } from './endpoints/endpoint.js'
import { dial, openSource, sinkTo } from './endpoints/open.js'
import type { DialSession } from './endpoints/session/options.js'
import { toWritable } from './endpoints/sink.js'
import { sharedSink, stdinSource } from './endpoints/stdio.js'
import type { TcpAddress } from './endpoints/tcp.js'
import { targetContext } from './endpoints/tls/contexts.js'
import { checkSendOptions, peerEndPolicy, type SendOptions, waitPolicy } from './send/options.js'
import type { SendReceipt, Transferred } from './send/reliable.js'
import { withSummary } from './send/send-error.js'
import type { Stages } from './stages/transforms.js'
import { logObserver } from './stats/log-observer.js'
import { type Observer, type Observers, observers } from './stats/observer.js'
import type { Summary } from './stats/summary.js'
import { abortError, attempt, errorMessage, timeoutError } from './text/errors.js'
import { formatDuration } from './text/quantities.js'

/**
 * Connects, sends the data and receives the reply. Resolves with the summary when both sides have ended.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS` before anything is opened; the system error or `ERR_TIMEOUT` if it cannot
 * connect; a `SendError` if the connection fails
 */
export function send<A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P>(
  options: SendOptions<Stages<A, B, C, D, E, F, G, H>, Stages<I, J, K, L, M, N, O, P>> & { reliable: true },
): Promise<SendReceipt>
export function send<A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P>(
  options?: SendOptions<Stages<A, B, C, D, E, F, G, H>, Stages<I, J, K, L, M, N, O, P>>,
): Promise<Summary>
export async function send(given: SendOptions = {}): Promise<Summary | SendReceipt> {
  const address = checkSendOptions(given)
  const { signal } = given
  if (signal) setMaxListeners(0, signal) // any number of transfers may share it
  if (address.scheme === 'reliable') return (await import('./send/reliable.js')).sendReliably(given, address, transfer)
  return (await transfer(given, address)).summary
}

/** Connects, and transfers once. */
async function transfer(
  given: SendOptions,
  address: Address,
  session?: DialSession,
  isRepeated: (error: unknown) => boolean = () => false,
): Promise<Transferred> {
  const options = { ...given, from: given.from === undefined ? undefined : openSource(given.from), isRepeated }
  options.from?.on('error', () => {}) // reported after the connection opens, unless connecting fails
  const leg = await dialFor(options, address, session).catch(error => {
    options.from?.destroy()
    throw options.from?.errored ?? error
  })
  const summary = await exchange(leg, options)
  if (summary.error) throw withSummary(summary.error, summary)
  return { summary, leg }
}

/** The options, with the source as a stream. */
interface OpenOptions extends SendOptions {
  from?: Source | undefined
  /** Whether another attempt follows an error. */
  readonly isRepeated: (error: unknown) => boolean
}

async function dialFor(options: OpenOptions, address: Address, session: DialSession | undefined): Promise<Leg> {
  const { connectTimeout, handshakeTimeout, family, bind, retry, retryInterval, signal, log, tls } = options
  const context = await targetContext(address, typeof tls === 'object' ? tls : undefined, 'tls')
  if (signal?.aborted) throw abortError(signal)
  return dial(address, {
    ...{ connectTimeout, handshakeTimeout, family, retry, retryInterval, signal, tls: context, session },
    bind: bind === undefined ? undefined : (bindAddress(bind) as TcpAddress),
    onRetry: (error, wait) => log?.warn({ error: errorMessage(error), wait }, 'not connected, trying again'),
  })
}

/** Opens what belongs to the connection. If that fails, resets the leg. */
function open(leg: Leg, options: OpenOptions): { connection: OpenConnection; from: Source; observer: Observers } {
  const { log, maxRecord, idleTimeout = 0, maxDuration, measure } = options
  const observer = observers([log && unlessRepeated(logObserver(log), options), options.observer])
  let { from } = options
  try {
    from ??= stdinSource()
    return {
      connection: openConnection(leg, { log, maxRecord, idleTimeout, maxDuration, measure, observer }),
      from,
      observer,
    }
  } catch (error) {
    from?.destroy()
    leg.reset(error as Error)
    throw error
  }
}

/** An error that another attempt follows is no failure. */
function unlessRepeated(observer: Observer, { isRepeated }: OpenOptions): Observer {
  const closed = (summary: Summary) => {
    if (!isRepeated(summary.error)) observer.closed?.(summary)
  }
  return { ...observer, closed }
}

async function exchange(leg: Leg, options: OpenOptions): Promise<Summary> {
  const { signal } = options
  const { connection, from, observer } = open(leg, options)
  const forward = openChain('forward', options.transforms)
  const reply = openChain('reply', options.replyTransforms)
  const abort = () => connection.fail(abortError(signal as AbortSignal))
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort()
  observer.opened(connection)
  let timer: NodeJS.Timeout | undefined
  try {
    const ours = Object.assign(connection, { observe: observer.add, forward: forward.chain, reply: reply.chain })
    const called: unknown = options.onConnect?.(ours)
    attempt(
      () => called,
      error => connection.fail(error),
    )
    if (from.errored) connection.fail(from.errored)
    const output = await openOutput(connection, options)
    const names = { source: 'peer', sink: 'output' }
    const back = reply.run(connection, { source: leg.stream, sourceLeg: leg, sink: output, lazy: true, names })
    from.acks?.onFull(() => connection.fail(waitsForEver('pipe')))
    const { sink, ended } = options.onEof === 'keep' ? keptOpen(leg, back) : { sink: leg.stream }
    const there = forward.run(connection, {
      ...{ source: from, sink, sinkLeg: leg, names: { source: 'source', sink: 'peer' } },
    })
    if (stopsAtPeerEnd(options, from))
      back.then(
        () => forward.stop(connection),
        () => {},
      )
    const both = Promise.all([back, there]) // the first failure ends both
    both.catch(() => {})
    await Promise.race([ended ?? there, both])
    timer = boundWait(options, connection)
    await both
  } catch (error) {
    connection.fail(error)
  }
  const summary = await connection.finish()
  try {
    if (!summary.error) await acknowledgeAll(from, summary)
  } finally {
    if (from.acks || !from.readableEnded) from.destroy() // an idle terminal or a consumer would keep the process alive
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
  return summary
}

function openOutput(connection: OpenConnection, { output = process.stdout }: SendOptions): Sink | Promise<Sink> {
  if (isAddressInput(output)) return sinkTo(toAddress(output), connection.info('reply'), {})
  return sharedSink(toWritable(output))
}

function stopsAtPeerEnd(options: SendOptions, from: Source): boolean {
  return peerEndPolicy(options, 'isTTY' in from && from.isTTY === true) === 'stop'
}

function boundWait(options: SendOptions, connection: OpenConnection): NodeJS.Timeout | undefined {
  const wait = waitPolicy(options)
  const error = timeoutError('wait', `the peer did not end within ${formatDuration(wait)}`)
  const late = () => (options.onEof === 'close' ? connection.drop() : connection.fail(error))
  return wait > 0 ? setTimeout(late, wait) : undefined
}
