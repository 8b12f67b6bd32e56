/** The other end of a FIFO, which comes early, late or never, or leaves. Nothing of it blocks a thread. */
import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCode } from '../../lib/text/errors.js'
import fc from '../fast-check.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK } = constants

/** More bytes than the kernel ever keeps in a FIFO. */
export const fifoRoom = 128 * 1024

export type Peer =
  | { readonly kind: 'early' | 'never' }
  | { readonly kind: 'late'; readonly after: number }
  /** The minimum number of bytes that it takes or gives before it closes. */
  | { readonly kind: 'leaves'; readonly behind: number }

export const peers: fc.Arbitrary<Peer> = fc.oneof(
  fc.constant({ kind: 'early' } as const),
  fc.constant({ kind: 'never' } as const),
  fc.record({ kind: fc.constant('late' as const), after: fc.nat(500) }),
  fc.record({ kind: fc.constant('leaves' as const), behind: fc.integer({ min: 1, max: 100_000 }) }),
)

export function describePeer(peer: Peer): string {
  if (peer.kind === 'late') return `comes after ${peer.after} ms`
  return peer.kind === 'leaves' ? `leaves after ${peer.behind} bytes` : peer.kind
}

export function makeFifos(paths: readonly string[]): void {
  if (paths.length > 0) spawnSync('mkfifo', [...paths])
}

/** Opens it for both sides, so that neither waits for the other. The caller closes it. */
export function openBoth(path: string): number {
  return openSync(path, O_RDWR | O_NONBLOCK)
}

export interface Reader {
  taken(): Buffer
  /** Takes what is still there, and closes. Call it when the writer has gone. */
  finish(): Promise<Buffer>
}

/** The FIFO is opened before this returns, if the reader is early or is to leave. */
export function readFifo(path: string, peer: Peer): Reader {
  const chunks: Buffer[] = []
  let size = 0
  let isFinishing = false
  const block = Buffer.alloc(64 * 1024)
  const open = () => openSync(path, O_RDONLY | O_NONBLOCK)
  const most = peer.kind === 'leaves' ? peer.behind : Number.POSITIVE_INFINITY

  /** Whether there may be more. */
  function take(descriptor: number): boolean {
    const count = orNone(() => readSync(descriptor, block))
    if (count > 0) chunks.push(Buffer.from(block.subarray(0, count)))
    size += count
    return count > 0
  }

  async function work(): Promise<void> {
    if (peer.kind === 'never') return
    let descriptor = peer.kind === 'late' ? -1 : open()
    if (peer.kind === 'late') {
      await delay(peer.after)
      descriptor = open()
    }
    try {
      while (size < most) {
        const isLast = isFinishing
        if (take(descriptor)) continue
        if (isLast) break
        await delay(1)
      }
    } finally {
      closeSync(descriptor)
    }
  }

  const done = work()
  const taken = () => Buffer.concat(chunks)
  return {
    taken,
    finish: async () => {
      isFinishing = true
      await done
      return taken()
    },
  }
}

export interface Writer {
  /** How many bytes it gives, if it comes. */
  readonly gives: number
  /** Gives up, and closes. */
  stop(): Promise<void>
}

/** Writes when there is a reader; one that leaves closes in the middle, which is an end as any other. */
export function writeFifo(path: string, bytes: Buffer, peer: Peer): Writer {
  const gives = peer.kind === 'never' ? 0 : peer.kind === 'leaves' ? Math.min(peer.behind, bytes.length) : bytes.length
  let isStopped = false

  async function work(): Promise<void> {
    if (peer.kind === 'never') return
    if (peer.kind === 'late') await delay(peer.after)
    let descriptor = -1
    for (; descriptor < 0 && !isStopped; await delay(1))
      descriptor = orNone(() => openSync(path, O_WRONLY | O_NONBLOCK), -1)
    if (descriptor < 0) return
    try {
      for (let at = 0; at < gives && !isStopped; ) {
        const count = orNone(() => writeSync(descriptor, bytes, at, Math.min(gives - at, 10_000)))
        at += count
        if (count === 0) await delay(1)
      }
    } finally {
      closeSync(descriptor)
    }
  }

  const done = work()
  return {
    gives,
    stop: () => {
      isStopped = true
      return done
    },
  }
}

/** What is not there yet (no room, no bytes, no reader) comes to nothing; a reader that has left, too. */
function orNone(work: () => number, none = 0): number {
  try {
    return work()
  } catch (error) {
    if (['EAGAIN', 'ENXIO', 'EPIPE'].includes(errorCode(error) ?? '')) return none
    throw error
  }
}
