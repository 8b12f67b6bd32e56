/** A Duplex that holds a bounded number of bytes until they are due and the reader asks for them. */
import { Duplex } from 'node:stream'
import { traceStage } from '../formats/delivery.js'
import { blockBytes } from '../formats/records.js'
import type { StartingPoint } from './triggered.js'

export interface DelayLineOptions {
  /** The writer waits while this many bytes are held. The last chunk may exceed it. */
  readonly max: number
  /** Returns the milliseconds to hold the chunk, or the end, that has just arrived. */
  delay(): number
  /** Its abort makes everything due. */
  readonly release: AbortSignal
  /** Bytes before it are not delayed. If it never occurs, the end is not delayed either. Default: the first byte. */
  readonly start?: StartingPoint | undefined
}

/** Bytes that leave together, or the end. */
interface Block {
  readonly due: number
  bytes: Buffer | null
  /** Number of bytes in use. */
  length: number
}

/**
 * Keeps the order. Emits each chunk at the next full millisecond after it is due, or at once without a delay. Copies
 * chunks and joins those that are due together, so that single bytes take at most twice their number and one block per
 * millisecond.
 */
export function delayLine(options: DelayLineOptions): Duplex {
  const { release, start } = options
  const line: Line = { options, blocks: [], held: 0, wanted: false, delays: start === undefined }
  const deliver = () => deliverDue(line, stream, onTimer)
  const onTimer = () => {
    line.timer = undefined
    deliver()
  }
  release.addEventListener('abort', () => {
    clearTimeout(line.timer)
    onTimer()
  })
  const stream = new Duplex({
    readableHighWaterMark: 1, // chunks wait in `blocks`, where they are counted and joined
    writableHighWaterMark: blockBytes,
    write(chunk: Buffer, _encoding, callback) {
      if (start) addParts(line, start.split(chunk))
      else add(line, chunk)
      line.writer = callback
      deliver()
    },
    final(callback) {
      start?.over()
      line.blocks.push({ due: dueTime(line), bytes: null, length: 0 })
      deliver()
      callback()
    },
    read() {
      line.wanted = true
      deliver()
    },
    destroy(error, callback) {
      clearTimeout(line.timer)
      line.blocks.length = 0
      start?.over()
      callback(error)
    },
  })
  return traceStage(stream, () => line.blocks.length > 0)
}

interface Line {
  readonly options: DelayLineOptions
  readonly blocks: Block[]
  held: number
  wanted: boolean
  /** Whether new chunks are delayed. */
  delays: boolean
  /** Resumes the writer when less is held. */
  writer?: (() => void) | undefined
  timer?: NodeJS.Timeout | undefined
}

/** Never earlier than the previous block. */
function dueTime({ options, blocks, delays }: Line): number {
  const wait = delays ? options.delay() : 0
  return Math.max(blocks.at(-1)?.due ?? 0, wait > 0 ? Math.ceil(performance.now() + wait) : 0)
}

function add(line: Line, chunk: Buffer): void {
  const due = dueTime(line)
  const last = line.blocks.at(-1)
  if (last?.due === due && last.length + chunk.length <= blockBytes) append(last, chunk)
  else line.blocks.push({ due, bytes: copyOf(chunk, chunk.length), length: chunk.length })
  line.held += chunk.length
}

function addParts(line: Line, [before, after]: [Buffer, Buffer]): void {
  if (before.length > 0) add(line, before)
  if (after.length === 0) return
  line.delays = true
  add(line, after)
}

function take(line: Line): Buffer | null {
  const { bytes, length } = line.blocks.shift() as Block
  line.held -= length
  return bytes?.subarray(0, length) ?? null
}

/** A timer may fire slightly early; then it is set again. */
function deliverDue(line: Line, stream: Duplex, onTimer: () => void): void {
  const { blocks, options } = line
  for (let head = blocks[0]; line.wanted && head; head = blocks[0]) {
    const wait = head.due - performance.now()
    if (wait > 0 && !options.release.aborted) {
      line.timer ??= setTimeout(onTimer, Math.ceil(wait))
      break
    }
    line.wanted = false // before the push, which can call read()
    if (stream.push(take(line))) line.wanted = true
  }
  if (line.writer && line.held < options.max) {
    const resume = line.writer
    line.writer = undefined
    resume()
  }
}

function append(block: Block, chunk: Buffer): void {
  const whole = block.length + chunk.length
  const bytes = block.bytes as Buffer
  if (whole > bytes.length) block.bytes = copyOf(bytes.subarray(0, block.length), Math.min(2 * whole, blockBytes))
  block.bytes?.set(chunk, block.length)
  block.length = whole
}

/** Avoids Node's pool, where one byte would retain 8 KiB. */
function copyOf(bytes: Buffer, size: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(size)
  copy.set(bytes)
  return copy
}
