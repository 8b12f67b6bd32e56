/** Files as a source: one after another, in large blocks. */

import { close, constants, fstat, fstatSync, open, promises, read, readSync, type Stats, stat } from 'node:fs'
import { Socket } from 'node:net'
import { Readable, type Writable } from 'node:stream'
import { afterDelivery } from '../../formats/delivery.js'
import { Blocks, type Passing } from '../blocks.js'
import type { Source } from '../endpoint.js'

/** The size of a read in bytes. Smaller blocks cost more calls, and larger blocks gain nothing. */
const blockSize = 512 * 1024

/** Milliseconds. A slower read did not come from the page cache. */
const slowRead = 5

/** The number of blocks that another thread reads after a slow read. */
const blocksLater = 64

/** Checks that each file exists, is not a directory and is readable. Throws the system error, which names the path. */
export async function checkFiles(paths: readonly string[]): Promise<Stats[]> {
  const all: Stats[] = []
  for (const path of paths) {
    const stats = await promises.stat(path)
    if (stats.isDirectory()) throw Object.assign(new Error(`EISDIR: '${path}' is a directory`), { code: 'EISDIR' })
    await promises.access(path, constants.R_OK)
    all.push(stats)
  }
  return all
}

/** The state of a file during reading. */
interface OpenFile {
  readonly file: string | number
  descriptor: number
  /** The size of the file when it opened; 0 if unknown. */
  expected: number
  bytesRead: number
  isRegular: boolean
  /** The number of blocks that another thread still reads. */
  later: number
  pipe?: Socket
  reading: boolean
  /** Set on destroy. The descriptor closes when no read is pending. */
  closeNow?: () => void
  readonly warnings: string[]
  /** The blocks to read into, while what was given is released. */
  blocks?: Blocks | undefined
}

/**
 * Returns a source that reads a file to its end: a path from its start, an open descriptor from its position. If the
 * length of the file changes meanwhile, `warnings` reports it. The source fails with the system error if a read fails.
 *
 * Reads a regular file synchronously while reads are fast: from the page cache, this costs less than another thread.
 * After a slow read, another thread reads the next blocks, so that the event loop does not block.
 *
 * A FIFO without a writer holds no thread, and the source can be destroyed while it waits.
 */
export function fileSource(file: string | number): Source {
  const counts = { expected: 0, bytesRead: 0, later: 0 }
  const state: OpenFile = { file, descriptor: -1, ...counts, isRegular: false, reading: false, warnings: [] }
  const source = new Readable({
    highWaterMark: blockSize,
    construct(callback) {
      if (typeof file === 'number') begin(state, source, file, callback)
      else openFile(file, (error, opened) => (error ? callback(error) : begin(state, source, opened, callback)))
    },
    read() {
      if (state.pipe) state.pipe.resume()
      else if (state.isRegular && state.later === 0) readNow(state, source)
      else readLater(state, source)
    },
    destroy(error, callback) {
      const { pipe, descriptor } = state
      if (pipe) callback(pipe.destroy() && error)
      else if (descriptor < 0 || typeof file === 'number') callback(error)
      else {
        state.closeNow = () => close(descriptor, failure => callback(error ?? failure))
        if (!state.reading) state.closeNow() // another file may reuse the descriptor after close
      }
    },
  })
  const { warnings } = state
  const lend = (sink: Writable | undefined, through?: readonly Passing[]) => {
    state.blocks?.end()
    state.blocks = sink && new Blocks(source, sink, through)
  }
  return Object.defineProperty(Object.assign(source, { warnings, lend }), 'bytesRead', { get: () => state.bytesRead })
}

/** The `open` of a FIFO without a writer would block a thread that cannot be released. */
function openFile(path: string, callback: (error: Error | null, opened: number) => void): void {
  stat(path, (error, stats) => {
    if (error) callback(error, -1)
    else open(path, constants.O_RDONLY | (stats.isFIFO() ? constants.O_NONBLOCK : 0), callback)
  })
}

function begin(state: OpenFile, source: Readable, opened: number, callback: (error?: Error | null) => void): void {
  state.descriptor = opened
  fstat(opened, (error, stats) => {
    state.isRegular = stats?.isFile() === true
    if (state.isRegular && typeof state.file === 'string') state.expected = stats.size
    if (stats?.isFIFO()) forward(state, source, new Socket({ fd: opened, readable: true, writable: false }))
    callback(error)
  })
}

/** Reads a FIFO as a socket: a thread that waits for the writer could not be released. */
function forward(state: OpenFile, source: Readable, pipe: Socket): void {
  state.pipe = pipe
  pipe.on('data', block => {
    state.bytesRead += block.length
    if (!source.push(block)) pipe.pause()
  })
  pipe.once('end', () => source.push(null)).once('error', error => fail(source, error))
  pipe.pause()
}

function readNow(state: OpenFile, source: Readable): void {
  attempt(source, () => {
    const block = nextBlock(state)
    const started = performance.now()
    const size = readSync(state.descriptor, block, 0, block.length, null)
    if (performance.now() - started > slowRead) state.later = blocksLater
    taken(state, source, size, block)
  })
}

function readLater(state: OpenFile, source: Readable): void {
  state.reading = true
  if (state.later > 0) state.later--
  const into = nextBlock(state)
  read(state.descriptor, into, 0, into.length, null, (error, size, block) => {
    state.reading = false
    if (state.closeNow) state.closeNow()
    else if (error) fail(source, error)
    else attempt(source, () => taken(state, source, size, block))
  })
}

function attempt(source: Readable, work: () => void): void {
  try {
    work()
  } catch (error) {
    fail(source, error)
  }
}

/** What was read before is delivered first. */
function fail(source: Readable, error: unknown): void {
  afterDelivery(source, () => source.destroy(error as Error))
}

function nextBlock({ blocks }: OpenFile): Buffer {
  return blocks?.next() ?? Buffer.allocUnsafeSlow(blockSize)
}

function taken(state: OpenFile, source: Readable, size: number, block: Buffer): void {
  state.bytesRead += size
  if (size === 0) checkSize(state)
  state.blocks?.give(size, block)
  source.push(size === 0 ? null : block.subarray(0, size))
}

/** Files in /proc report no size, and files in /sys one that they do not have, but that does not change. */
function checkSize({ file, descriptor, expected, bytesRead, warnings }: OpenFile): void {
  if (expected === 0 || bytesRead === expected || fstatSync(descriptor).size === expected) return
  warnings.push(`'${file}' changed while it was sent: it had ${expected} bytes, ${bytesRead} were sent`)
}

/** Returns a source that reads several sources one after another, as `cat` does. Opens each one when it is needed. */
export function concatenate(sources: readonly (() => Source)[]): Source {
  const waiting = [...sources]
  const warnings: string[] = []
  let current: Source | undefined
  let finished = 0

  function next(): void {
    const open = waiting.shift()
    current = undefined
    if (!open) return void whole.push(null)
    try {
      follow(open())
    } catch (error) {
      fail(whole, error)
    }
  }

  function follow(source: Source): void {
    current = source
    source.on('data', chunk => whole.push(chunk) || source.pause())
    source.once('error', error => fail(whole, error))
    source.once('end', () => {
      finished += source.bytesRead ?? 0
      warnings.push(...(source.warnings ?? []))
      next()
    })
  }

  const whole = new Readable({
    highWaterMark: blockSize,
    read() {
      if (current) current.resume()
      else next()
    },
    destroy(error, callback) {
      current?.destroy()
      callback(error)
    },
  })
  return Object.defineProperties(Object.assign(whole, { warnings }), {
    bytesRead: { get: () => finished + (current?.bytesRead ?? 0) },
    isTTY: { get: () => (current as { isTTY?: boolean } | undefined)?.isTTY },
  })
}
