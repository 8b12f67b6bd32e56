/** Servers of their own that are stopped in the middle of TLS handshakes: each must end at once, and never spin. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import { bounded, dial, type Process, tcpPipe } from '../e2e/support.js'
import { inScope } from '../fuzz/part.js'

/** What a client does before the signal, and at it. A new kind is one more of the list. */
interface Handshake {
  begin?(socket: Socket, hello: Buffer): Promise<unknown> | unknown
  atSignal?(socket: Socket, hello: Buffer): unknown
}

const half = (hello: Buffer) => hello.subarray(0, hello.length >> 1)
const rest = (hello: Buffer) => hello.subarray(hello.length >> 1)
const sendHalf = (socket: Socket, hello: Buffer) => socket.write(half(hello))

/** Sends all, and takes what the server says, which waits for the client's last word then. */
const sendAll = (socket: Socket, hello: Buffer) => {
  socket.write(hello)
  return once(socket, 'data')
}

const handshakes: readonly Handshake[] = [
  {},
  { atSignal: socket => socket.destroy() },
  { atSignal: socket => socket.resetAndDestroy() },
  { atSignal: socket => socket.end() },
  { atSignal: (socket, hello) => socket.write(hello) },
  { begin: sendHalf },
  { begin: sendHalf, atSignal: socket => socket.destroy() },
  { begin: sendHalf, atSignal: socket => socket.resetAndDestroy() },
  { begin: sendHalf, atSignal: (socket, hello) => socket.write(rest(hello)) },
  { begin: sendAll },
  { begin: sendAll, atSignal: socket => socket.destroy() },
  { begin: sendAll, atSignal: socket => socket.resetAndDestroy() },
  { begin: sendAll, atSignal: socket => socket.end() },
  { begin: socket => socket.write('no TLS'), atSignal: socket => socket.destroy() },
]

const commands = [
  ['serve', '0', '--tls', 'auto', '--reply'],
  ['proxy', '0', ':1', '--tls', 'auto'],
] as const

const signals = ['SIGTERM', 'SIGINT'] as const

/** So many stops have each command with each signal, and the clients in another order each time. */
export const kindsOfStops = commands.length * signals.length

/** Milliseconds: less than the drain timeout, and more than a machine that is busy needs. */
const longest = 8000

/**
 * Starts a server and its clients, and stops it. Gives the milliseconds from the signal to its end; rejects if it does
 * not end in time or does not end well, with the processor time that it has taken since.
 */
export function stopInHandshakes(turn: number): Promise<number> {
  return inScope(async test => {
    const words = commands[turn % commands.length] as readonly string[]
    const signal = signals[Math.floor(turn / commands.length) % signals.length] as NodeJS.Signals
    const server = tcpPipe(test, words, { stdio: ['ignore', 'ignore', 'pipe'], faults: null, timeout: 120_000 })
    const { port } = await server.logged('listening')
    const hello = await clientHello()
    const clients = await Promise.all(
      handshakes.map(async handshake => {
        const socket = (await dial(test, Number(port))).on('data', () => {})
        await handshake.begin?.(socket, hello)
        return { handshake, socket }
      }),
    )
    const started = performance.now()
    const before = processorTime(server.pid)
    server.kill(signal)
    for (const i of clients.keys()) {
      const { handshake, socket } = clients[(i + turn) % clients.length] as (typeof clients)[number]
      handshake.atSignal?.(socket, hello)
      if (i === turn % clients.length) await delay(turn % 3) // some of them are seen before the signal, some behind it
    }
    await checkEnd(server, `${words[0]}, ${signal}`, before)
    return performance.now() - started
  })
}

async function checkEnd(server: Process, what: string, before: number): Promise<void> {
  const end = await bounded(server.ended, 'the end', longest).catch(() => undefined)
  if (!end) {
    const used = processorTime(server.pid) - before
    throw new Error(
      `stopped in handshakes: ${what}: still there after ${longest} ms, of which it has worked ${used} ms`,
    )
  }
  if (end.code !== 0) throw new Error(`stopped in handshakes: ${what}: ended with ${end.signal ?? end.code}, not 0`)
}

/** The milliseconds that a process has worked so far; 0 where there is no /proc. */
function processorTime(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ')
    return 10 * (Number(fields[11]) + Number(fields[12])) // in hundredths of a second, on every Linux
  } catch {
    return 0
  }
}

/** What a client says first. */
async function clientHello(): Promise<Buffer> {
  let take: (bytes: Buffer) => void
  const first = new Promise<Buffer>(resolve => {
    take = resolve
  })
  const wire = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      take(chunk)
      done()
    },
  })
  const socket = connect({ socket: wire, rejectUnauthorized: false }).on('error', () => {})
  const hello = await first
  socket.destroy()
  return hello
}
