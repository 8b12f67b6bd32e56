/** A client: sends its records in many connections, and those of a connection again until that is acknowledged. */
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Chance } from '../torture/chance.js'
import type { Program } from './program.js'
import { recordsOf } from './records.js'

/** How a client sends: the largest number of records in a connection, bytes at once, and milliseconds between them. */
interface Pace {
  readonly records: number
  readonly bytes: number
  readonly pause: number
}

const slow: Pace = { records: 400, bytes: 800, pause: 60 }
const fast: Pace = { records: 2000, bytes: 20_000, pause: 0 }

export interface Ingest {
  readonly port: number
  readonly program: Program
}

export class Client {
  /** The name of each acknowledged connection → the number of its records. */
  readonly acknowledged = new Map<string, number>()
  connections = 0
  /** Clean ends of a process that had been killed: its kernel ends what it has read. They count as a reset. */
  falseEnds = 0
  left: number
  readonly #number: number
  readonly #ingests: readonly Ingest[]
  readonly #chance: Chance

  constructor(number: number, records: number, ingests: readonly Ingest[], chance: Chance) {
    this.#number = number
    this.left = records
    this.#ingests = ingests
    this.#chance = chance
  }

  async run(): Promise<void> {
    while (this.left > 0) {
      const pace = this.#chance.is(0.9) ? slow : fast
      const count = Math.min(this.left, 1 + this.#chance.below(pace.records))
      while (!(await this.#send(count, pace))) await delay(50 + this.#chance.below(200))
      this.left -= count
    }
  }

  /** Whether the server has acknowledged it. */
  async #send(count: number, { bytes, pause }: Pace): Promise<boolean> {
    const connection = this.connections++
    const { port, program } = this.#chance.of(this.#ingests)
    const { runs } = program
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const end = endOf(socket)
    const pieces = piecesOf(recordsOf(this.#number, connection, count).join(''), bytes, this.#chance)
    for (const piece of pieces) {
      if (socket.destroyed) break
      if (!socket.write(piece)) await Promise.race([drained(socket), end])
      if (pause) await delay(this.#chance.below(pause))
    }
    socket.end()
    const isClean = await end
    const isAlive = program.isUp && program.runs === runs
    if (isClean && isAlive) this.acknowledged.set(`${this.#number} ${connection}`, count)
    else if (isClean) this.falseEnds++
    socket.destroy()
    return isClean && isAlive
  }
}

/** Pieces of any size, which need not end with a line. */
function piecesOf(text: string, most: number, chance: Chance): string[] {
  const pieces: string[] = []
  for (let at = 0; at < text.length; ) {
    const size = 1 + chance.below(most)
    pieces.push(text.slice(at, at + size))
    at += size
  }
  return pieces
}

function drained(socket: Socket): Promise<unknown> {
  return new Promise(resolve => socket.once('drain', resolve))
}

/** Resolves with whether the server has ended cleanly, after our own end. */
function endOf(socket: Socket): Promise<boolean> {
  return new Promise(resolve => {
    socket
      .resume()
      .once('error', () => resolve(false))
      .once('end', () => resolve(socket.writableFinished))
      .once('close', () => resolve(false))
  })
}
