/** A process of clients: so many connections a second, of each behaviour as many as its share. */
import { setTimeout as delay } from 'node:timers/promises'
import { behave, mixed } from './behaviours.js'
import { dial, type Ports } from './servers.js'

export interface Order {
  readonly ports: Ports
  /** Connections a second. */
  readonly rate: number
  /** Which of the processes this is: each has source addresses of its own. */
  readonly index: number
}

export interface Report {
  /** Connections that have ended since the report before, by behaviour. */
  readonly ended: Readonly<Record<string, number>>
  /** Connections begun since then. */
  readonly begun: number
  /** Milliseconds from connecting to the first byte of the answer. */
  readonly latencies: readonly number[]
  /** What has not ended as planned. */
  readonly failures: readonly string[]
  /** All that were begun have ended, and no more will be. */
  readonly done: boolean
}

/** Milliseconds between two looks at the clock. */
const tick = 10

/** Seconds that a connection of this mix is open, on average. */
const meanOpen = 0.1

/**
 * Connections of a process that may be open besides those that the rate makes. More are not begun: then the rate is what
 * the servers can do. Together they fit into the queue of a listening socket (511); over that the kernel answers with
 * cookies, and lets connections begin with bytes that are missing.
 */
const mostWaiting = 200

/** Source addresses of a process. A port rests for a minute behind its connection, and each address has 28,000. */
const sources = 20

let begun = 0
let open = 0
let number = 0
let ended: Record<string, number> = {}
let latencies: number[] = []
let failures: string[] = []
let stopped = false

const next = mixed()

async function begin({ ports, index }: Order): Promise<void> {
  const { behaviour, server } = next.next().value
  number++
  begun++
  open++
  try {
    const latency = await behave(behaviour, dial(ports, server, `127.0.${index + 1}.${(number % sources) + 1}`))
    if (typeof latency === 'number') latencies.push(latency)
  } catch (error) {
    failures.push(`${(error as Error).message} (${server})`)
  }
  open--
  ended[behaviour.name] = (ended[behaviour.name] ?? 0) + 1
}

function report(): void {
  process.send?.({ ended, begun, latencies, failures, done: stopped && open === 0 } satisfies Report)
  ended = {}
  latencies = []
  failures = []
  begun = 0
}

/** What could not be begun in time is begun later, but no more than what a second has. */
async function work(order: Order): Promise<void> {
  let owed = 0
  const mostOpen = mostWaiting + order.rate * meanOpen
  let before = performance.now()
  stopped = false
  const reports = setInterval(report, 1000)
  while (!stopped) {
    const now = performance.now()
    owed = Math.min(order.rate, owed + ((now - before) * order.rate) / 1000)
    before = now
    for (; owed >= 1 && open < mostOpen; owed--) void begin(order)
    await delay(tick)
  }
  while (open > 0) await delay(tick)
  clearInterval(reports)
  report()
}

process.once('disconnect', () => process.exit()) // whoever has started it is gone
process.on('message', (order: Order | 'stop') => {
  if (order === 'stop') stopped = true
  else void work(order)
})
