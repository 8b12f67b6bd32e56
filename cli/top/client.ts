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
  stats(): Promise<Snapshot>
  /** Closes or resets the connection with this number. Rejects with the reason why the server does not. */
  end(method: 'close' | 'reset', connection: number): Promise<void>
  /** Aborts when the server has closed the control socket. Requests that are under way never settle. */
  readonly over: AbortSignal
  close(): void
}

/** Milliseconds to connect, and to wait for the first answer. */
const patience = 5000

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
    else request?.resolve(result ?? {})
  })
  const request = (method: string, more = {}) =>
    new Promise<object>((resolve, reject) => {
      pending.set(++last, { resolve, reject })
      stream.write(`${JSON.stringify({ id: last, method, ...more })}\n`)
    })
  const close = () => void stream.destroy()

  const server = await first(request('stats'), over.signal, time, what).catch(error => {
    close()
    throw error
  })
  return {
    server,
    stats: async () => (await request('stats')) as Snapshot,
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
    return typeof answer === 'object' && answer !== null ? answer : { id: 0 }
  } catch {
    return { id: 0 }
  }
}

/** The first answer shows whether it is a control socket. */
async function first(answer: Promise<object>, over: AbortSignal, time: number, what: string): Promise<Snapshot> {
  const late = AbortSignal.timeout(time)
  const ended = new Promise<never>((_, reject) => {
    over.addEventListener('abort', () => reject(new Error(`${what}: it has closed the connection`)))
    late.addEventListener('abort', () => reject(new Error(`${what}: no answer in ${time / 1000} s`)))
  })
  const stats = (await Promise.race([answer, ended])) as Partial<Snapshot>
  if (!Array.isArray(stats.connections) || typeof stats.age !== 'number')
    throw new Error(`${what}: its answer has no figures`)
  return stats as Snapshot
}
