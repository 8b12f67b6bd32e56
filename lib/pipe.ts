/** pipe: from any end to any other, through transforms; both ways where both ends have two directions. */
import { setMaxListeners } from 'node:events'
import { waitsForEver } from './connection/acknowledge.js'
import { type OpenChain, openChain } from './connection/chain.js'
import { type OpenConnection, openConnection } from './connection/connection.js'
import { leave } from './connection/linger.js'
import { carriedOut } from './connection/work.js'
import { formatAddress } from './endpoints/address.js'
import type { Acks, DialOptions, Leg } from './endpoints/endpoint.js'
import { localLeg } from './endpoints/local-leg.js'
import { loadFor } from './endpoints/open.js'
import { targetContext } from './endpoints/tls/contexts.js'
import { dialOptions, type Input, nameOf, type OpenEnd, openBoth, openInput, openOutput } from './pipe/ends.js'
import { type PipeOptions, type PipePlan, resolvePipe } from './pipe/options.js'
import { type PartOf, Parts } from './pipe/parts.js'
import { withSummary } from './send/send-error.js'
import { placeOf } from './stages/output-file.js'
import type { Stages } from './stages/transforms.js'
import { logObserver } from './stats/log-observer.js'
import { type Observers, observers } from './stats/observer.js'
import type { Summary } from './stats/summary.js'
import { abortError } from './text/errors.js'
import { optionName } from './text/option-name.js'

/**
 * Opens both ends and moves the data. Resolves with the summary when the source has ended and the sink has taken
 * everything; with `rotate`, with that of the last part.
 *
 * Acknowledges the records of a source that stores them, such as a durable consumer, when they are kept: on the disk,
 * stored by a server, or taken by the peer. With transforms, that is when the end is complete.
 *
 * @throws `ERR_OPTION` or `ERR_ADDRESS` before anything is opened; the system error if an end cannot be opened; a
 * `SendError` if the transfer fails
 */
export function pipe<A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P>(
  options: PipeOptions<Stages<A, B, C, D, E, F, G, H>, Stages<I, J, K, L, M, N, O, P>>,
): Promise<Summary>
export async function pipe(options: PipeOptions): Promise<Summary> {
  const plan = await resolvePipe(options)
  const { from, to } = plan
  const { signal, log } = options
  for (const each of [signal, options.stop]) if (each) setMaxListeners(0, each) // any number of pipes may share it
  const dialFrom = dialOptions(options, await targetContext(from, options.tls, 'tls'))
  const dialTo = dialOptions(options, await targetContext(to, options.targetTls))
  await Promise.all([loadFor(from), loadFor(to)])
  if (signal?.aborted) throw abortError(signal)
  const run: Run = {
    ...{ options, plan, dialFrom, dialTo },
    forward: openChain('forward', options.transforms),
    reply: openChain('reply', options.replyTransforms),
    observer: observers([log && logObserver(log), options.observer]),
    number: 0,
  }
  const summary = await (plan.isBothWays ? converse(run) : move(run))
  if (summary.error) throw withSummary(summary.error, summary)
  return summary
}

interface Run {
  readonly options: PipeOptions
  readonly plan: PipePlan
  readonly dialFrom: DialOptions
  readonly dialTo: DialOptions
  readonly forward: OpenChain
  readonly reply: OpenChain
  readonly observer: Observers
  /** The number of connections so far. */
  number: number
}

/** Opens the connection of a leg, and carries out its work. */
async function connect(run: Run, leg: Leg, work: (connection: OpenConnection) => Promise<void>): Promise<Summary> {
  const { options, observer } = run
  const { log, maxRecord, idleTimeout = 0, measure, signal, onConnection } = options
  run.number++
  const connection = openConnection(leg, { log, maxRecord, idleTimeout, measure, observer, number: run.number })
  observer.opened(connection)
  const working = async () => {
    onConnection?.(connection)
    await work(connection)
  }
  const ended = carriedOut(connection, working())
  return until(ended, signal, () => connection.fail(abortError(signal as AbortSignal)))
}

/** Waits, and acts when the signal is aborted meanwhile, or already is. */
async function until<T>(done: Promise<T>, signal: AbortSignal | undefined, act: () => void): Promise<T> {
  if (signal?.aborted) act()
  else signal?.addEventListener('abort', act)
  try {
    return await done
  } finally {
    signal?.removeEventListener('abort', act)
  }
}

/** Both ways. The connection is that of `from`, unless only `to` is one. */
async function converse(run: Run): Promise<Summary> {
  const { plan, forward, reply } = run
  const near = await openBoth(plan.from, run.dialFrom)
  const far = await openBoth(plan.to, run.dialTo).catch(error => {
    near.leg?.reset(error)
    near.source.destroy()
    throw error
  })
  const [own, other] = near.leg ? [near.leg, far.leg] : [far.leg as Leg, undefined]
  const summary = await connect(run, own, async connection => {
    if (other) connection.join(other, formatAddress(plan.to))
    const there = forward.run(connection, between(near, far))
    const back = reply.run(connection, between(far, near))
    stopTyping(near, () => forward.stop(connection), back)
    stopTyping(far, () => reply.stop(connection), there)
    await until(Promise.all([there, back]), run.options.stop, () => {
      for (const chain of [forward, reply]) chain.stop(connection)
    })
  })
  for (const { source, leg } of [near, far]) if (!leg && !source.readableEnded) source.destroy() // a terminal would keep the process alive
  return summary
}

function between(from: OpenEnd, to: OpenEnd) {
  const names = { source: from.name, sink: to.leg ? to.name : 'stdout' }
  return { source: from.source, sourceLeg: from.leg, sink: to.sink, sinkLeg: to.leg, names }
}

/** Nobody need type an end after that of the peer. */
function stopTyping({ source }: OpenEnd, stop: () => void, other: Promise<void>): void {
  if ('isTTY' in source && source.isTTY) other.then(stop, () => {})
}

/** One way. */
async function move(run: Run): Promise<Summary> {
  const input = await openInput(run.plan.from, run.dialFrom)
  const { source, leg } = input
  if (isRotated(run.options) || source.acks) return moveParts(run, input)
  const summary = await connect(run, leg ?? localLeg(source, input.name), async connection => {
    const sink = await openOutput(run.plan.to, connection, run.dialTo, false)
    const done = transfer(run, connection, { ...input, sink })
    await until(done, run.options.stop, () => run.forward.stop(connection))
  })
  if (!leg) source.destroy()
  return summary
}

function transfer(run: Run, connection: OpenConnection, { source, leg, name, sink }: OpenEnd): Promise<void> {
  const names = { source: name, sink: nameOf(run.plan.to, 'stdout') }
  return run.forward.run(connection, { source, sourceLeg: leg, sink, names, lazy: true })
}

/** One way, in parts: each is a connection of its own. Its records are acknowledged when it is complete, or before. */
async function moveParts(run: Run, { source, leg, name }: Input): Promise<Summary> {
  const { rotate, rotateSize, maxRecord = 1024 * 1024, signal, stop } = run.options
  const parts = new Parts(source, { time: rotate, size: rotateSize, longestLine: maxRecord })
  const how = { name, acks: source.acks, isOne: await isOneFile(run), parts }
  const stopped = until(moveEach(run, how), stop, () => parts.stop())
  const close = async (error: Error | undefined) => {
    if (error) leg?.reset(error)
    if (error || !leg) source.destroy(error)
    if (leg) await leave(leg, () => error !== undefined)
  }
  try {
    const last = await until(stopped, signal, () => source.destroy(abortError(signal as AbortSignal)))
    const summary = last ?? (await connect(run, localLeg(source, name), async () => {}))
    await close(summary.error)
    return summary
  } catch (error) {
    await close(error as Error)
    throw error
  }
}

/** Returns the summary of the last part; undefined if there is none. */
async function moveEach(run: Run, how: PartRun): Promise<Summary | undefined> {
  let summary: Summary | undefined
  for (let part = await how.parts.next(); part; part = summary.error ? undefined : await how.parts.next())
    summary = await movePart(run, part, how)
  if (!summary?.error) await how.acks?.settled()
  return summary
}

interface PartRun {
  readonly name: string
  readonly acks: Acks | undefined
  /** Whether no part can follow the first one at the same place. */
  readonly isOne: boolean
  readonly parts: Parts
}

/** A stage that stops early, such as `head`, ends the pipe. What it was given and has not taken comes again. */
async function movePart(run: Run, { source, start }: PartOf, how: PartRun): Promise<Summary> {
  const { name, acks, parts } = how
  const leg = localLeg(source, name)
  let timer: NodeJS.Timeout | undefined
  const summary = await connect(run, leg, async connection => {
    const sink = await openOutput(run.plan.to, connection, run.dialTo, acks !== undefined)
    if (acks && sink.onKept && !run.forward.hasStages(connection)) sink.onKept(bytes => acks.kept(start + bytes))
    else if (acks) timer = completeInTime(run, how, acks, error => connection.fail(error))
    await transfer(run, connection, { source, leg: undefined, name, sink })
  })
  clearTimeout(timer)
  const isWhole = source.readableEnded
  source.destroy() // its sink may not have opened
  if (summary.error) return summary
  if (isWhole) acks?.kept(start + leg.bytes.in)
  else parts.stop()
  return summary
}

/** Milliseconds after which a part is complete whose records are acknowledged then, if others can follow at the same place. */
const shortPart = 5000

/** What is acknowledged when the part is complete must not wait for ever: the source does not end. */
function completeInTime(
  { options }: Run,
  { isOne, parts }: PartRun,
  acks: Acks,
  fail: (error: Error) => void,
): NodeJS.Timeout | undefined {
  const finish = () => parts.finish()
  acks.onFull(isOne ? () => fail(waitsForEver(optionName('rotate'))) : finish)
  return isOne || isRotated(options) ? undefined : setTimeout(finish, shortPart)
}

async function isOneFile({ options, plan: { to } }: Run): Promise<boolean> {
  if (to.scheme !== 'file' || to.append || isRotated(options)) return false
  const { kind } = await placeOf(to.path)
  return kind !== 'device' && kind !== 'fifo'
}

function isRotated({ rotate, rotateSize }: PipeOptions): boolean {
  return rotate !== undefined || rotateSize !== undefined
}
