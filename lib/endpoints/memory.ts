/** Connections within the process: two legs without a socket, with half-close, backpressure and resets. */
import { Duplex } from 'node:stream'
import { blockBytes } from '../formats/records.js'
import { TcpPipeError } from '../text/errors.js'
import { type Arrival, defineEndpoint, type Leg } from './endpoint.js'

export interface MemoryAddress {
  readonly scheme: 'memory'
  readonly name: string
}

export const memory = defineEndpoint<MemoryAddress>({
  scheme: 'memory',
  syntax: ['memory:name'],
  summary: 'a connection within the process, without a socket; for code and tests',
  inProcess: true,
  accepts: text => text.startsWith('memory:'),
  parse(text) {
    const name = text.slice('memory:'.length)
    if (name === '') throw new TcpPipeError('ERR_ADDRESS', 'its name is empty')
    return { scheme: 'memory', name }
  },
  format: ({ name }) => `memory:${name}`,
  async listen({ name }, arrive) {
    if (listeners.has(name)) throw systemError('listen', 'EADDRINUSE', 'address already in use', name)
    const open = new Set<Duplex>()
    const listener = {
      arrive(leg: Leg) {
        open.add(leg.stream)
        leg.stream.once('close', () => open.delete(leg.stream))
        arrive(arrivalOf(leg))
      },
    }
    listeners.set(name, listener)
    return {
      bound: { address: name, family: 'memory', port: 0 },
      async close() {
        if (listeners.get(name) === listener) listeners.delete(name)
        await Promise.all([...open].map(stream => new Promise(resolve => stream.once('close', resolve))))
      },
    }
  },
  async dial({ name }, { signal }) {
    signal?.throwIfAborted()
    const listener = listeners.get(name)
    if (!listener) throw systemError('connect', 'ECONNREFUSED', 'connection refused', name)
    const [near, far] = memoryPair()
    setImmediate(listener.arrive, far)
    return near
  },
})

const listeners = new Map<string, { arrive(leg: Leg): void }>()

function arrivalOf(leg: Leg): Arrival {
  return { remote: leg.remote, port: leg.port, open: () => leg, refuse: leg.reset }
}

function systemError(syscall: string, code: string, words: string, name: string): Error {
  return Object.assign(new Error(`${syscall} ${code}: ${words} memory:${name}`), { code, syscall })
}

/** The two legs of a connection. */
export function memoryPair(): [Leg, Leg] {
  const near = half()
  const far = half()
  near.join(far)
  far.join(near)
  return [near.leg, far.leg]
}

interface Half {
  leg: Leg
  join(peer: Half): void
  /** Takes what the peer has written; `done` is called when there is room for more. */
  receive(chunk: Buffer | null, done: () => void): void
  /** The peer has failed. */
  fail(): void
  /** The peer is gone: what is written now reaches nobody. */
  lose(): void
}

function half(): Half {
  const bytes = { in: 0, out: 0 }
  let peer: Half
  let resume: (() => void) | undefined // the peer waits for room here
  let lost = false

  const stream = new Duplex({
    allowHalfOpen: true,
    readableHighWaterMark: blockBytes,
    writableHighWaterMark: blockBytes,
    write(chunk: Buffer, _encoding, callback) {
      if (lost) return callback(resetError('write EPIPE', 'EPIPE'))
      setImmediate(() => {
        bytes.out += chunk.length
        peer.receive(chunk, callback)
      })
    },
    final(callback) {
      setImmediate(() => {
        peer.receive(null, () => {})
        callback()
      })
    },
    read() {
      const callback = resume
      resume = undefined
      callback?.()
    },
    destroy(error, callback) {
      resume?.()
      if (error) peer.fail()
      else peer.lose()
      callback(error)
    },
  })

  return {
    leg: { stream, remote: 'memory', port: undefined, facts: {}, bytes, reset: error => void stream.destroy(error) },
    join(other) {
      peer = other
    },
    receive(chunk, done) {
      if (stream.destroyed) return done()
      bytes.in += chunk?.length ?? 0
      if (stream.push(chunk)) done()
      else resume = done
    },
    fail() {
      setImmediate(() => stream.destroy(resetError('read ECONNRESET', 'ECONNRESET')))
    },
    /** As a FIN, unless that has come before. */
    lose() {
      lost = true
      setImmediate(() => stream.readableEnded || stream.destroyed || stream.push(null))
    },
  }
}

function resetError(message: string, code: string): Error {
  return Object.assign(new Error(message), { code })
}
