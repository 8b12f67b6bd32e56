/** Connections within the process: two legs without a socket, with half-close, backpressure and resets. */
import { Duplex } from 'node:stream'
import { blockBytes } from '../formats/records.js'
import { abortError, TcpPipeError } from '../text/errors.js'
import { type Arrival, defineEndpoint, type Leg } from './endpoint.js'
import { resetError } from './reset.js'
import { retried } from './retry.js'

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
  parse: text => memoryAddress(text.slice('memory:'.length)),
  complete: ({ name }) => memoryAddress(name),
  format: ({ name }) => `memory:${name}`,
  async listen({ name }, arrive) {
    if (listeners.has(name)) throw systemError('listen', 'EADDRINUSE', 'address already in use', name)
    const open = new Set<Duplex>()
    const listener = {
      arrive(leg: Leg) {
        if (listeners.get(name) !== listener) return leg.reset(new Error('the listener was closed'))
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
  dial: ({ name }, options) => retried(async () => connect(name, options.signal), options),
})

const listeners = new Map<string, { arrive(leg: Leg): void }>()

function memoryAddress(name: string): MemoryAddress {
  if (!name) throw new TcpPipeError('ERR_ADDRESS', 'its name is empty')
  return { scheme: 'memory', name }
}

function connect(name: string, signal: AbortSignal | undefined): Leg {
  if (signal?.aborted) throw abortError(signal)
  const listener = listeners.get(name)
  if (!listener) throw systemError('connect', 'ECONNREFUSED', 'connection refused', name)
  const [near, far] = memoryPair()
  setImmediate(listener.arrive, far)
  return near
}

function arrivalOf(leg: Leg): Arrival {
  return { remote: leg.remote, port: leg.port, open: () => leg, refuse: leg.reset }
}

function systemError(syscall: string, code: string, words: string, name: string): Error {
  return Object.assign(new Error(`${syscall} ${code}: ${words} memory:${name}`), { code, syscall })
}

/** Creates the two legs of a connection. */
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
  /** Receives data from the peer, and calls `done` when it accepts more. */
  receive(chunk: Buffer | null, done: () => void): void
  /** Called when the peer fails. */
  fail(): void
  /** Called when the peer is closed. */
  lose(): void
}

function half(): Half {
  const bytes = { in: 0, out: 0 }
  let peer: Half
  let resume: (() => void) | undefined // called when this side accepts more data

  const stream = new Duplex({
    allowHalfOpen: true,
    readableHighWaterMark: blockBytes,
    writableHighWaterMark: blockBytes,
    write(chunk: Buffer, _encoding, callback) {
      const copy = Buffer.from(chunk) // the writer may reuse its buffer after the callback
      setImmediate(() => {
        const { destroyed, errored } = peer.leg.stream
        if (destroyed) return callback(resetError(errored ? 'ECONNRESET' : 'EPIPE', 'write'))
        bytes.out += copy.length
        peer.receive(copy, callback)
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
      if (error || resume)
        peer.fail() // drops the data that the peer has not delivered yet
      else peer.lose()
      resume?.()
      callback(error)
    },
  })
  stream.on('error', () => {}) // users of the leg handle it

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
      setImmediate(() => stream.destroy(resetError('ECONNRESET', 'read')))
    },
    /** Acts as a FIN, unless one was received before. */
    lose() {
      setImmediate(() => stream.readableEnded || stream.destroyed || stream.push(null))
    },
  }
}
