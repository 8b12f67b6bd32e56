/** What clients do to a server, each with how it must end. A new behaviour is one more of the list. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import { resetOnDestroy } from '../../lib/endpoints/reset.js'
import { errorCode } from '../../lib/text/errors.js'
import { bounded, closed, pattern } from '../e2e/support.js'
import type { ServerName } from './servers.js'

export interface Behaviour {
  readonly name: string
  /** How many of a hundred connections. */
  readonly share: number
  /** In turn. */
  readonly servers: readonly ServerName[]
  /** Rejects if it ends otherwise than planned. An ordinary one gives the milliseconds to the first byte of the answer. */
  run(socket: Socket): Promise<number | void>
}

/** What goes there and back whole. */
const echoes: readonly ServerName[] = ['serve', 'proxy']

/** The same by TLS. */
const secureEchoes: readonly ServerName[] = ['tls', 'tls proxy']

const line = Buffer.from('a line that comes back\n')
const part = pattern(64 * 1024)
const whole = pattern(1024 * 1024)

/** Milliseconds that anything may take: more than a machine that is busy needs. */
const longest = 60_000

export const behaviours: readonly Behaviour[] = [
  { name: 'short exchange', share: 54, servers: echoes, run: socket => exchange(socket, line) },
  {
    name: 'half-close with late answer',
    share: 8,
    servers: ['late'],
    async run(socket) {
      await exchange(socket, line)
    },
  },
  {
    name: 'reset in mid-transfer',
    share: 8,
    servers: echoes,
    async run(socket) {
      socket.write(part)
      await once(socket, 'data')
      socket.resetAndDestroy()
      await closed(socket)
    },
  },
  {
    name: 'connect and vanish',
    share: 8,
    servers: echoes,
    async run(socket) {
      await once(socket, 'connect')
      socket.destroy()
      await closed(socket)
    },
  },
  {
    name: 'slow writer',
    share: 5,
    servers: echoes,
    async run(socket) {
      const received = answer(socket, line)
      for (const byte of line) {
        socket.write(Buffer.of(byte))
        await delay(20)
      }
      socket.end()
      await received
    },
  },
  {
    name: 'big transfer',
    share: 1,
    servers: echoes,
    async run(socket) {
      await exchange(socket, whole)
    },
  },
  {
    name: 'TLS exchange',
    share: 4,
    servers: secureEchoes,
    async run(raw) {
      await exchange(await secured(raw), line)
    },
  },
  {
    name: 'TLS, reset in mid-transfer',
    share: 1,
    servers: secureEchoes,
    async run(raw) {
      const socket = await secured(raw)
      socket.write(part)
      await once(socket, 'data')
      resetOnDestroy(raw)
      socket.destroy()
      await closed(raw)
    },
  },
  {
    name: 'TLS, left in its handshake',
    share: 1,
    servers: secureEchoes,
    async run(raw) {
      const socket = begin(raw)
      await once(raw, 'connect')
      socket.destroy()
      await closed(raw)
    },
  },
  {
    name: 'TLS, other bytes',
    share: 1,
    servers: secureEchoes,
    async run(raw) {
      raw.end(line)
      await untilReset(raw.resume())
    },
  },
  { name: 'idle until the timeout', share: 4, servers: ['impatient'], run: socket => untilReset(socket.resume()) },
  { name: 'over the limit', share: 5, servers: ['full'], run: socket => untilReset(socket.resume()) },
]

/** Connections without end: each behaviour as often as its share, spread evenly, with its servers in turn. */
export function* mixed(): Generator<{ behaviour: Behaviour; server: ServerName }, never> {
  const hundred = behaviours
    .flatMap(behaviour =>
      Array.from({ length: behaviour.share }, (_, i) => ({ behaviour, at: (i + 0.5) / behaviour.share })),
    )
    .sort((a, b) => a.at - b.at)
  const turns = new Map<Behaviour, number>()
  for (;;) {
    for (const { behaviour } of hundred) {
      const turn = turns.get(behaviour) ?? 0
      turns.set(behaviour, turn + 1)
      yield { behaviour, server: behaviour.servers[turn % behaviour.servers.length] as ServerName }
    }
  }
}

/** Runs one; rejects with its name if it does not end as planned, or not at all. */
export async function behave({ name, run }: Behaviour, socket: Socket): Promise<number | void> {
  try {
    return await bounded(run(socket), 'its end', longest)
  } catch (error) {
    throw new Error(`${name}: ${errorCode(error) ?? (error as Error).message}`)
  } finally {
    socket.on('error', () => {}).destroy()
  }
}

/** When its handshake has been made. In that very turn Node would end without close_notify. */
async function secured(raw: Socket): Promise<TLSSocket> {
  const socket = begin(raw)
  await once(socket, 'secureConnect')
  await turn()
  return socket
}

/** A handshake. Its errors are for whoever waits; without a listener they would end the process. */
function begin(raw: Socket): TLSSocket {
  return connect({ socket: raw, rejectUnauthorized: false }).on('error', () => {})
}

async function exchange(socket: Socket, data: Buffer): Promise<number> {
  const received = answer(socket, data)
  socket.end(data)
  return received
}

/** Resolves at a clean end behind the very bytes that were sent. */
function answer(socket: Socket, data: Buffer): Promise<number> {
  const started = performance.now()
  let first = 0
  let at = 0
  return new Promise((resolve, reject) => {
    socket.on('data', chunk => {
      if (at === 0) first = performance.now() - started
      if (!data.subarray(at, at + chunk.length).equals(chunk)) reject(new Error(`other bytes came back at ${at}`))
      at += chunk.length
    })
    socket.on('end', () => {
      if (at === data.length) resolve(first)
      else reject(new Error(`${at} of ${data.length} bytes came back`))
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed without an end')))
  })
}

async function untilReset(socket: Socket): Promise<void> {
  const error = await new Promise<Error | undefined>(resolve => {
    socket.on('error', resolve)
    socket.on('close', () => resolve(undefined))
  })
  if (errorCode(error) !== 'ECONNRESET') throw error ?? new Error('it was not reset')
}
