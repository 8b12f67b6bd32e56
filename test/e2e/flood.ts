/**
 * A program: `node flood.js PORT RATE SECONDS` opens so many connections a second, whether the earlier ones have been
 * answered or not, and sends a byte on each. When all of them are refused or served, or nothing has happened for 10
 * seconds, it prints one JSON line with what it saw. Those that are served stay until stdin ends.
 */
import { connect, type Socket } from 'node:net'

export interface Seen {
  /** Connections that were begun. */
  begun: number
  /** Those that were reset. */
  reset: number
  /** Those whose byte came back. */
  served: number
  /** Those that ended in another way, by code; they have never reached the server. */
  others: Record<string, number>
  /** Those of which nothing was heard: the kernel has dropped them, and may still deliver them. */
  unanswered: number
  /** How many were begun in a second. */
  rate: number
}

const [port, rate, seconds] = process.argv.slice(2).map(Number) as [number, number, number]
/** Under the limit of descriptors; a flood that has so many open waits, and its rate is lower. */
const mostOpen = 15_000
/** A machine that is busy does not catch up at once with what it has missed: that would leave no time to see the answers. */
const mostAtOnce = 250
const open = new Set<Socket>()
const served = new Set<Socket>()
const seen: Seen = { begun: 0, reset: 0, served: 0, others: {}, unanswered: 0, rate: 0 }
const began = performance.now()
let lastNews = began

function begin(): void {
  seen.begun++
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  open.add(socket)
  socket.once('connect', () => socket.write('x'))
  socket.once('data', () => {
    seen.served++
    served.add(socket)
    settle(socket)
  })
  socket.once('end', () => count('FIN', socket)) // as `close`, of what was never refused by a reset
  socket.once('error', (error: NodeJS.ErrnoException) => count(error.code ?? error.message, socket))
}

/** A reset that is there before the byte is written is told as EPIPE. */
function count(how: string, socket: Socket): void {
  if (!open.has(socket)) return
  if (how === 'ECONNRESET' || how === 'EPIPE') seen.reset++
  else seen.others[how] = (seen.others[how] ?? 0) + 1
  settle(socket)
}

function settle(socket: Socket): void {
  open.delete(socket)
  lastNews = performance.now()
}

const timer = setInterval(() => {
  const passed = (performance.now() - began) / 1000
  if (passed < seconds) {
    const due = Math.min(passed * rate, seen.begun + mostAtOnce)
    while (seen.begun < due && open.size < mostOpen) begin()
    seen.rate = Math.round(seen.begun / passed)
  } else if (open.size === 0 || performance.now() - lastNews > 10_000) finish()
}, 5)

function finish(): void {
  clearInterval(timer)
  seen.unanswered = open.size
  process.stdout.write(`${JSON.stringify(seen)}\n`)
  process.stdin.resume().once('end', () => {
    for (const socket of [...open, ...served]) socket.destroy()
  })
}
