/** A network between a sender and a receiver that resets, ends, freezes and flips bits, as its chance has it. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Chance } from './chance.js'

export type Fault = 'reset' | 'end' | 'freeze' | 'flip'

export class Relay {
  /** The port of the receiver; it changes when that is started again. */
  target = 0
  /** The faults that are left. */
  faults: Fault[] = []
  /** The mean number of bytes until a fault. */
  reach = 0
  readonly counts: Record<Fault, number> = { reset: 0, end: 0, freeze: 0, flip: 0 }
  readonly #chance: Chance
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(chance: Chance) {
    this.#chance = chance
    this.#server = createServer({ allowHalfOpen: true }, socket => this.#accept(socket))
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  close(): void {
    this.#server.close()
    this.cut()
  }

  /** Breaks what is open. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #accept(client: Socket): void {
    const server = connect({ port: this.target, host: '127.0.0.1', allowHalfOpen: true })
    const pair = [client, server]
    const destroy = () => {
      for (const socket of pair) socket.destroy()
    }
    for (const socket of pair) {
      this.#sockets.add(socket)
      socket.on('error', destroy).once('close', () => {
        this.#sockets.delete(socket)
        destroy()
      })
    }
    const fault = this.faults.pop()
    const state = { left: fault ? this.#chance.upTo(this.reach * 2) : Number.POSITIVE_INFINITY, isFrozen: false }
    const forward = (from: Socket, to: Socket) => {
      from.on('data', (chunk: Buffer) => {
        if (state.isFrozen) return
        state.left -= chunk.length
        if (fault && state.left < 0) {
          state.left = Number.POSITIVE_INFINITY
          this.counts[fault]++
          if (fault === 'reset') for (const socket of pair) socket.resetAndDestroy()
          else if (fault === 'end') for (const socket of pair) socket.end()
          else if (fault === 'freeze') state.isFrozen = true
          else flip(chunk, this.#chance)
          if (fault !== 'flip') return
        }
        if (!to.write(chunk)) from.pause()
      })
      to.on('drain', () => from.resume())
      from.on('end', () => to.end())
    }
    forward(client, server)
    forward(server, client)
  }
}

function flip(chunk: Buffer, chance: Chance): void {
  const at = chance.below(chunk.length)
  chunk[at] = (chunk[at] as number) ^ (1 << chance.below(8))
}
