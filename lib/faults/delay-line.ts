/** A Duplex that holds a bounded number of bytes until they are due and the reader wants them. */
import { Duplex } from 'node:stream'
import { blockBytes } from '../formats/records.js'
import type { StartingPoint } from './triggered.js'

export interface DelayLineOptions {
  /** When so many bytes are held, the writer waits; the chunk with which they are may go beyond. */
  readonly max: number
  /** For how many milliseconds the chunk that has just come is held, or the end. */
  delay(): number
  /** When it is aborted, everything is due. */
  readonly release: AbortSignal
  /** What is before it has no delay, nor has the end if it never comes. Default: everything has one. */
  readonly start?: StartingPoint | undefined
}

/** Bytes that leave together, or the end. */
interface Block {
  readonly due: number
  bytes: Buffer | null
  /** So many of the bytes count. */
  length: number
}

/**
 * Everything leaves in the order in which it came, at the full millisecond behind the time when it is due; without a
 * delay at once. Chunks are copied, and those that are due together are joined: a peer that sends single bytes takes
 * no more than twice their number and a block for each millisecond in which they come.
 */
export function delayLine({ max, delay, release, start }: DelayLineOptions): Duplex {
  const blocks: Block[] = []
  let held = 0
  let wanted = false
  let delays = start === undefined // whether what comes has a delay
  let writer: (() => void) | undefined // waits until less is held
  let timer: NodeJS.Timeout | undefined

  /** Not before what came before it. */
  function dueTime(): number {
    const wait = delays ? delay() : 0
    return Math.max(blocks.at(-1)?.due ?? 0, wait > 0 ? Math.ceil(performance.now() + wait) : 0)
  }

  function add(chunk: Buffer): void {
    const due = dueTime()
    const last = blocks.at(-1)
    if (last?.due === due && last.length + chunk.length <= blockBytes) append(last, chunk)
    else blocks.push({ due, bytes: copyOf(chunk, chunk.length), length: chunk.length })
    held += chunk.length
  }

  function addParts([before, behind]: [Buffer, Buffer]): void {
    if (before.length > 0) add(before)
    if (behind.length === 0) return
    delays = true
    add(behind)
  }

  function take(): Buffer | null {
    const { bytes, length } = blocks.shift() as Block
    held -= length
    return bytes?.subarray(0, length) ?? null
  }

  /** A timer may come a little early: then it is set again. */
  function deliver(): void {
    for (let head = blocks[0]; wanted && head; head = blocks[0]) {
      const wait = head.due - performance.now()
      if (wait > 0 && !release.aborted) {
        timer ??= setTimeout(onTimer, Math.ceil(wait))
        break
      }
      wanted = false // before the push, which can ask for more
      if (stream.push(take())) wanted = true
    }
    if (writer && held < max) {
      const resume = writer
      writer = undefined
      resume()
    }
  }

  function onTimer(): void {
    timer = undefined
    deliver()
  }

  release.addEventListener('abort', () => {
    clearTimeout(timer)
    onTimer()
  })

  const stream = new Duplex({
    readableHighWaterMark: 1, // what waits for the reader waits here, where it is counted and joined
    writableHighWaterMark: blockBytes,
    write(chunk: Buffer, _encoding, callback) {
      if (start) addParts(start.split(chunk))
      else add(chunk)
      writer = callback
      deliver()
    },
    final(callback) {
      start?.over()
      blocks.push({ due: dueTime(), bytes: null, length: 0 })
      deliver()
      callback()
    },
    read() {
      wanted = true
      deliver()
    },
    destroy(error, callback) {
      clearTimeout(timer)
      blocks.length = 0
      start?.over()
      callback(error)
    },
  })
  return stream
}

function append(block: Block, chunk: Buffer): void {
  const whole = block.length + chunk.length
  const bytes = block.bytes as Buffer
  if (whole > bytes.length) block.bytes = copyOf(bytes.subarray(0, block.length), Math.min(2 * whole, blockBytes))
  block.bytes?.set(chunk, block.length)
  block.length = whole
}

/** Not from Node's pool: one byte would keep 8 KiB of it. */
function copyOf(bytes: Buffer, size: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(size)
  copy.set(bytes)
  return copy
}
