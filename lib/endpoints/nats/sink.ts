/** NATS JetStream as a sink: what has arrived is kept when the stream has acknowledged it. */
import { randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import { abortError, toError } from '../../text/errors.js'
import { exactDuration } from '../../text/quantities.js'
import type { Sink, SinkContext } from '../endpoint.js'
import { checkSinkAddress, formatNats, type NatsAddress } from './address.js'
import { connectTo, type Link, payloadOf } from './connection.js'
import { failure, natsError } from './faults.js'
import { Publisher } from './publisher.js'
import { Gatherer, type Message } from './records.js'
import { openStream, type Stream } from './stream.js'

/** The ids of connections begin with it: they are unique in a process only. */
const processId = randomBytes(9).toString('base64url')

/** Bytes of a message that its headers may take. */
const headerRoom = 1024

/** The number of messages in flight from which the next one waits until it is full: that makes few, large messages. */
const busy = 4

/** Rejects with `ERR_NATS` if nothing can be stored at an address now. Makes the stream if it is asked to. */
export async function checkTarget(address: NatsAddress): Promise<void> {
  checkSinkAddress(address)
  const link = await connectTo(address)
  try {
    timesOf(address, await openStream(link.manager, address))
  } finally {
    await link.release()
  }
}

/** Returns the sink of a connection. It finishes when everything is stored, and fails when something cannot be. */
export async function natsSink(address: NatsAddress, connection: SinkContext, signal?: AbortSignal): Promise<Sink> {
  checkSinkAddress(address)
  const link = await connectTo(address)
  try {
    const stream = await openStream(link.manager, address)
    const giveUpAfter = timesOf(address, stream)
    if (signal?.aborted) throw abortError(signal)
    return sinkOver({ address, link, stream, giveUpAfter }, connection)
  } catch (error) {
    await link.release()
    throw error
  }
}

interface Target {
  readonly address: NatsAddress
  readonly link: Link
  readonly stream: Stream
  readonly giveUpAfter: number
}

function sinkOver(target: Target, { id, session }: SinkContext): Sink {
  const { address, link } = target
  const connection = `${processId}-${id}`
  const publisher = new Publisher({
    ...target,
    connection,
    session: session?.hello.id,
    inFlight: address.inFlight ?? 200,
  })
  const gatherer = gathererFor(address, link)
  const keptCallbacks: ((bytes: number) => void)[] = []
  let waiting: (() => void) | undefined
  let finishing: (() => void) | undefined
  let turn: NodeJS.Immediate | undefined

  function send(messages: Iterable<Message>): void {
    for (const message of messages) publisher.send(message)
  }

  /** The writer pauses: what has arrived need not wait for more. */
  function pause(): void {
    turn = undefined
    if (publisher.length < busy) send(gatherer.take())
  }

  /** Calls back when everything is stored. */
  function finish(callback: () => void): void {
    if (publisher.length === 0) callback()
    else finishing = callback
  }

  /** What precedes an error is stored. */
  function refuse(error: Error, callback: (error: Error) => void): void {
    send(gatherer.take())
    finish(() => callback(error))
  }

  publisher.onStored = () => {
    for (const callback of keptCallbacks) callback(publisher.kept)
    const next = publisher.isFull ? undefined : waiting
    if (next) waiting = undefined
    next?.()
    if (!finishing) turn ??= setImmediate(pause)
    else if (publisher.length === 0) finishing()
  }
  publisher.onFailed = error => sink.destroy(error)

  const sink: Sink = new Writable({
    highWaterMark: 256 * 1024,
    write(chunk: Buffer, _encoding, callback) {
      if (
        !attempt(
          () => send(gatherer.write(chunk)),
          error => refuse(error, callback),
        )
      )
        return
      turn ??= setImmediate(pause)
      if (publisher.isFull) waiting = callback
      else callback()
    },
    final(callback) {
      if (
        attempt(
          () => send(gatherer.end()),
          error => refuse(error, callback),
        )
      )
        finish(callback)
    },
    destroy(error, callback) {
      clearImmediate(turn)
      publisher.stop()
      link.release().then(() => callback(error), callback)
    },
  })
  link.onLost(error => sink.destroy(failure(address, 'the connection to the server has ended', error)))
  return Object.assign(sink, {
    onKept: (callback: (bytes: number) => void) => void keptCallbacks.push(callback),
    report: () => reportOf(target, publisher),
  })
}

function reportOf({ address, stream }: Target, { messages, kept, duplicates, retries }: Publisher): object {
  const { name, warning } = stream
  const figures = { messages, bytes: kept, duplicates, retries }
  const to = formatNats(address)
  return { to, stream: name, subject: address.subject, ...figures, ...(warning !== undefined && { warning }) }
}

function gathererFor(address: NatsAddress, { connection }: Link): Gatherer {
  const { records = 'lines', maxMessage = 64 * 1024 } = address
  const maxRecord = Math.max(1, payloadOf(connection) - headerRoom)
  return new Gatherer({ records, maxMessage: Math.min(maxMessage, maxRecord), maxRecord })
}

/** Returns how long a message is sent again: the server recognizes it for the time of the duplicate window only. */
function timesOf(address: NatsAddress, { name, window }: Stream): number {
  const longest = Math.floor((window * 3) / 4)
  const { giveUpAfter = longest } = address
  if (giveUpAfter <= longest) return giveUpAfter
  const most = `at most ${exactDuration(longest)}, three quarters of the duplicate window of stream ${name}`
  throw natsError(address, `give-up-after=${exactDuration(giveUpAfter)} is too long; expected ${most}`)
}

/** Returns whether the work was done. Calls back with what it has thrown. */
function attempt(work: () => void, failed: (error: Error) => void): boolean {
  try {
    work()
    return true
  } catch (error) {
    failed(toError(error))
    return false
  }
}
