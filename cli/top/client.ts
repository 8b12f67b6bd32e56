/** A client of a control socket: requests, and the answers to them. */
import { createInterface } from 'node:readline'
import { formatAddress } from '../../lib/endpoints/address.js'
import { dial } from '../../lib/endpoints/open.js'
import type { UnixAddress } from '../../lib/endpoints/unix.js'
import type { ServerStats } from '../../lib/index.js'

/** The answer to `stats`. */
export interface Snapshot extends ServerStats {
  readonly name: string
  readonly pid: number
  readonly address: string
  readonly command: string
}

export interface ControlClient {
  /** The server, as it has answered first. */
  readonly server: Snapshot
  /** Rejects if the answer has no figures, or, if `time` is given, if it takes longer. */
  stats(time?: number): Promise<Snapshot>
  /** Closes or resets the connection with this number. Rejects with the reason why the server does not. */
  end(method: 'close' | 'reset', connection: number): Promise<void>
  /** Aborts when the server has closed the control socket. Requests that are under way never settle. */
  readonly over: AbortSignal
  close(): void
}

/** Milliseconds to connect, and to wait for an answer. */
export const patience = 5000

interface Pending {
  resolve(result: object): void
  reject(error: Error): void
}

/** Connects. Rejects if it is not the control socket of a live server. */
export async function attach(address: UnixAddress, time = patience): Promise<ControlClient> {
  const { stream } = await dial(address, { connectTimeout: time })
  const pending = new Map<number, Pending>()
  const over = new AbortController()
  const what = `${formatAddress(address)} is not the control socket of a server`
  let last = 0

  const end = () => over.abort()
  stream.on('error', end).on('close', end).on('end', end)
  createInterface({ input: stream }).on('line', line => {
    const { id, result, error } = answerOf(line)
    const request = pending.get(id)
    pending.delete(id)
    if (error) request?.reject(new Error(error.message))
    else request?.resolve(isObject(result) ? result : {})
  })
  const request = (method: string, more = {}) =>
    new Promise<object>((resolve, reject) => {
      pending.set(++last, { resolve, reject })
      stream.write(`${JSON.stringify({ id: last, method, ...more })}\n`)
    })
  const close = () => void stream.destroy()

  const stats = async (limit?: number) => {
    const answer = request('stats')
    return figuresIn(await (limit === undefined ? answer : within(limit, answer, what)), what)
  }
  const server = await unlessOver(stats(time), over.signal, what).catch(error => {
    close()
    throw error
  })
  return {
    server,
    stats,
    end: async (method, connection) => void (await request(method, { connection })),
    over: over.signal,
    close,
  }
}

interface Answer {
  readonly id: number
  readonly result?: object
  readonly error?: { readonly message: string }
}

/** A line that is no answer answers no request. */
function answerOf(line: string): Answer {
  try {
    const answer = JSON.parse(line)
    return isObject(answer) ? (answer as Answer) : { id: 0 }
  } catch {
    return { id: 0 }
  }
}

function unlessOver<T>(work: Promise<T>, over: AbortSignal, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = () => reject(new Error(`${what}: it has closed the connection`))
    over.addEventListener('abort', end)
    work.then(resolve, reject).finally(() => over.removeEventListener('abort', end))
  })
}

function within<T>(time: number, work: Promise<T>, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`${what}: no answer in ${time / 1000} s`))
    const timer = setTimeout(late, time).unref()
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** The answer shows whether it is a control socket. */
function figuresIn(answer: object, what: string): Snapshot {
  const stats = answer as Snapshot
  const isRight =
    [stats.name, stats.address, stats.command].every(each => typeof each === 'string') &&
    [stats.pid, stats.age, stats.accepted, stats.failed, stats.bytesIn, stats.bytesOut].every(Number.isFinite) &&
    isObject(stats.refused) &&
    Object.values(stats.refused).every(Number.isFinite) &&
    Array.isArray(stats.connections) &&
    stats.connections.every(each => Array.isArray(each?.directions))
  if (!isRight) throw new Error(`${what}: its answer has no figures`)
  return stats
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
