/** Files as a source: one after the other, in large blocks. */

import { close, constants, fstat, open, read, readSync, type Stats } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { Source } from '../endpoint.js'

/** One read of a file. Smaller blocks cost more calls, larger ones gain nothing. */
const blockSize = 512 * 1024

/** Milliseconds. A read that took longer did not come from the page cache. */
const slowRead = 5

/** So many blocks are read by another thread after a slow one. */
const blocksLater = 64

/** Checks that each file is there, is no directory and may be read; the system's error names the path. */
export async function checkFiles(paths: readonly string[]): Promise<Stats[]> {
  const all: Stats[] = []
  for (const path of paths) {
    const stats = await stat(path)
    if (stats.isDirectory()) throw Object.assign(new Error(`EISDIR: '${path}' is a directory`), { code: 'EISDIR' })
    await access(path, constants.R_OK)
    all.push(stats)
  }
  return all
}

/**
 * A file from where it stands (an open descriptor) or from its start (a path) to its end. A file that is not as long
 * as it was when it was opened is sent as it was read, and `warnings` tells.
 *
 * A regular file is read synchronously for as long as its reads are fast: from the page cache that costs less than
 * handing the read to another thread. After a slow one the event loop is not made to wait for the next blocks.
 */
export function fileSource(file: string | number): Source {
  let descriptor = -1
  let expected = 0
  let bytesRead = 0
  let isRegular = false
  let later = 0 // so many blocks are read by another thread
  let pipe: Socket | undefined
  let reading = false
  let closeNow: (() => void) | undefined
  const warnings: string[] = []

  const source = new Readable({
    highWaterMark: blockSize,
    construct(callback) {
      if (typeof file === 'number') begin(file, callback)
      else open(file, 'r', (error, opened) => (error ? callback(error) : begin(opened, callback)))
    },
    read() {
      if (pipe) pipe.resume()
      else if (isRegular && later === 0) readNow()
      else readLater()
    },
    destroy(error, callback) {
      if (pipe) callback(pipe.destroy() && error)
      else if (descriptor < 0 || typeof file === 'number') callback(error)
      else {
        closeNow = () => close(descriptor, failure => callback(error ?? failure))
        if (!reading) closeNow() // the number may be another file's as soon as it is closed
      }
    },
  })

  function begin(opened: number, callback: (error?: Error | null) => void): void {
    descriptor = opened
    fstat(opened, (error, stats) => {
      isRegular = stats?.isFile() === true
      if (isRegular && typeof file === 'string') expected = stats.size
      if (stats?.isFIFO()) forward(new Socket({ fd: opened, readable: true, writable: false }))
      callback(error)
    })
  }

  /** A FIFO is read as a socket: a thread that waits for its writer could not be let go. */
  function forward(socket: Socket): void {
    pipe = socket.on('data', block => {
      bytesRead += block.length
      if (!source.push(block)) socket.pause()
    })
    pipe.once('end', () => source.push(null)).once('error', error => source.destroy(error))
    pipe.pause()
  }

  function readNow(): void {
    const block = Buffer.allocUnsafeSlow(blockSize)
    const started = performance.now()
    try {
      const size = readSync(descriptor, block, 0, blockSize, null)
      if (performance.now() - started > slowRead) later = blocksLater
      taken(null, size, block)
    } catch (error) {
      source.destroy(error as Error)
    }
  }

  function readLater(): void {
    reading = true
    if (later > 0) later--
    read(descriptor, Buffer.allocUnsafeSlow(blockSize), 0, blockSize, null, (error, size, block) => {
      reading = false
      if (closeNow) closeNow()
      else taken(error, size, block)
    })
  }

  function taken(error: Error | null, size: number, block: Buffer): void {
    if (error) return void source.destroy(error)
    bytesRead += size
    if (size === 0) checkSize()
    source.push(size === 0 ? null : block.subarray(0, size))
  }

  function checkSize(): void {
    if (expected === 0 || bytesRead === expected) return // files of /proc have no size
    warnings.push(`'${file}' changed while it was sent: it had ${expected} bytes, ${bytesRead} were sent`)
  }

  return Object.defineProperty(Object.assign(source, { warnings }), 'bytesRead', { get: () => bytesRead })
}

/** Sources one after the other, as `cat` does. Each is opened when its turn has come. */
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
      whole.destroy(error as Error)
    }
  }

  function follow(source: Source): void {
    current = source
    source.on('data', chunk => whole.push(chunk) || source.pause())
    source.once('error', error => whole.destroy(error))
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
