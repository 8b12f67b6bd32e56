/** A relay between the two sides of a session, which breaks their connections. */
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import { listener, portOf } from '../../network.js'

/** A connection through the relay. */
export interface Relayed {
  readonly client: Socket
  readonly target: Socket
  /** Resets both sides. */
  cut(): void
  /** Passes on nothing more, and keeps both sides open. */
  freeze(): void
}

export interface Relay {
  readonly port: number
  /** In order of arrival. */
  readonly links: Relayed[]
  /** Whether it resets those who come. */
  isDown: boolean
  /** The port of the target. */
  target: number
}

/** Called with the bytes that pass in a direction, and how many have passed before. Returns those that pass on. */
type Tamper = (link: Relayed, direction: 'up' | 'down', bytes: Buffer, before: number, index: number) => Buffer

export async function relay(
  t: Test,
  target: number,
  tamper: Tamper = (_link, _direction, bytes) => bytes,
): Promise<Relay> {
  const links: Relayed[] = []
  const state = { links, isDown: false, target, port: 0 }
  const server = await listener(t, client => {
    if (state.isDown) return void client.resetAndDestroy()
    const far = connect({ port: state.target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    t.teardown(() => far.destroy())
    links.push(relayed(client, far, tamper, links.length))
  })
  state.port = portOf(server)
  return state
}

function relayed(client: Socket, target: Socket, tamper: Tamper, index: number): Relayed {
  let isFrozen = false
  const link: Relayed = {
    client,
    target,
    cut() {
      client.resetAndDestroy()
      target.resetAndDestroy()
    },
    freeze() {
      isFrozen = true
    },
  }
  const pass = (from: Socket, to: Socket, direction: 'up' | 'down') => {
    let passed = 0
    from.on('data', bytes => {
      if (isFrozen) return
      const kept = tamper(link, direction, bytes, passed, index)
      passed += bytes.length
      if (!isFrozen && !to.destroyed && !to.write(kept)) {
        from.pause()
        to.once('drain', () => from.resume())
      }
    })
    from.on('end', () => void (isFrozen || to.end()))
    from.on('error', () => to.resetAndDestroy())
  }
  pass(client, target, 'up')
  pass(target, client, 'down')
  return link
}

/** Cuts a connection after so many bytes in a direction. The last ones arrive. */
export function cutAfter(direction: 'up' | 'down', bytes: number, times = 1): Tamper {
  return (link, way, chunk, before, index) => {
    if (way !== direction || index >= times || before + chunk.length < bytes) return chunk
    setImmediate(() => setImmediate(link.cut))
    link.freeze()
    const kept = chunk.subarray(0, bytes - before)
    const to = way === 'up' ? link.target : link.client
    if (kept.length > 0) to.write(kept)
    return kept
  }
}
