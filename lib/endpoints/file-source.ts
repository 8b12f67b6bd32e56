/** Files as a source: one after the other, in large blocks. */
import { close, constants, fstat, open, read, type Stats } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { Source } from '../connection.js'

/** One read of a file. Smaller blocks cost more calls than they save memory. */
const blockSize = 1024 * 1024

/** Checks that each file is there, is no directory and may be read; the system's error names the path. */
export async function checkFiles(paths: readonly string[]): Promise<Stats[]> {
  const stats: Stats[] = []
  for (const path of paths) {
    const stats1 = await stat(path)
    if (stats1.isDirectory()) throw Object.assign(new Error(`EISDIR: '${path}' is a directory`), { code: 'EISDIR' })
    await access(path, constants.R_OK)
    stats.push(stats1)
  }
  return stats
}

/**
 * A file from where it stands (an open descriptor) or from its start (a path) to its end. A file that is not as long
 * as it was when it was opened is sent as it was read, and `warnings` tells.
 */
export function fileSource(file: string | number): Source {
  let descriptor = -1
  let expected = 0
  let bytesRead = 0
  const warnings: string[] = []

  const source = new Readable({
    highWaterMark: blockSize,
    construct(callback) {
      if (typeof file === 'number') {
        descriptor = file
        callback()
        return
      }
      open(file, 'r', (error, opened) => {
        if (error) return callback(error)
        descriptor = opened
        fstat(opened, (failure, stats) => {
          expected = stats?.isFile() ? stats.size : 0
          callback(failure)
        })
      })
    },
    read() {
      const block = Buffer.allocUnsafeSlow(blockSize)
      read(descriptor, block, 0, blockSize, null, (error, size) => {
        if (error) return void this.destroy(error)
        bytesRead += size
        if (size === 0) checkSize()
        this.push(size === 0 ? null : block.subarray(0, size))
      })
    },
    destroy(error, callback) {
      if (descriptor < 0 || typeof file === 'number') callback(error)
      else close(descriptor, failure => callback(error ?? failure))
    },
  })

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
    current = open?.()
    if (!current) return void whole.push(null)
    const source = current
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
  return Object.defineProperty(Object.assign(whole, { warnings }), 'bytesRead', {
    get: () => finished + (current?.readableEnded ? 0 : (current?.bytesRead ?? 0)),
  })
}
