/** `top` after its words are parsed: attaches to a server, and draws or prints until one of both ends. */
import type { UnixAddress } from '../../lib/endpoints/unix.js'
import { escapeJson, escapeLine } from '../../lib/text/escape.js'
import { lookOf } from '../look.js'
import { freshLine } from '../terminal.js'
import { attach, type ControlClient, patience, type Snapshot } from './client.js'
import { figuresOf } from './figures.js'
import { textOf } from './frame.js'
import { snapshots } from './snapshots.js'
import { onlySocket } from './sockets.js'
import { firstView } from './view.js'

export interface TopOptions {
  interval?: number
  once?: boolean
  json?: boolean
}

/** Milliseconds between two drawings. */
const second = 1000

/** The columns of a frame that no terminal shows. */
const plainColumns = 100

export async function runTop(given: UnixAddress | undefined, options: TopOptions): Promise<void> {
  const { interval = second, once, json } = options
  const client = await attach(given ?? (await onlySocket()))
  try {
    if (json) await printJson(client, interval, once)
    else if (once) await printOnce(client, interval)
    else await (await import('./draw.js')).draw(client, interval)
    if (client.over.aborted) sayEnded(client)
  } finally {
    client.close()
  }
}

function sayEnded({ server }: ControlClient): void {
  process.stderr.write(`${freshLine()}tcp-pipe: ${escapeLine(`${server.name} ${server.address}`)} has ended\n`)
}

async function printJson(client: ControlClient, interval: number, once: boolean | undefined): Promise<void> {
  const end = new AbortController()
  const print = (stats: Snapshot) => void process.stdout.write(`${escapeJson(JSON.stringify(stats))}\n`)
  process.stdout.on('error', () => end.abort()) // main sets the exit code
  if (once) return print(client.server)
  for await (const stats of snapshots(client, interval, end, patience)) print(stats)
}

/** Rates need two snapshots. If the server ends before the second, they are those since its start. */
async function printOnce(client: ControlClient, interval: number): Promise<void> {
  const taken: Snapshot[] = []
  for await (const stats of snapshots(client, interval, new AbortController(), patience))
    if (taken.push(stats) === 2) break
  const [first = client.server, second] = taken
  const figures = second ? figuresOf(second, first) : figuresOf(first)
  const place = { look: lookOf(process.stdout), columns: process.stdout.columns || plainColumns }
  process.stdout.write(textOf(figures, firstView, place))
}
