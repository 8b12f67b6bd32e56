/** A file that grows, as a source: what is written to it later follows. Goes on with the next file when the name gets one. */
import { type FSWatcher, watch } from 'node:fs'
import { constants, type FileHandle, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { errorCode, toError } from '../../text/errors.js'
import type { Source } from '../endpoint.js'

/** The size of a read in bytes. */
const blockSize = 64 * 1024

/** Milliseconds between two looks: notices of the system can be missing, as on network file systems. */
const lookTime = 500

/**
 * Returns a source that reads a file from its start and goes on with what is added, until it is destroyed. Waits for a
 * file that does not exist yet.
 *
 * When the name gets another file (a rotation), the rest of the old one is read until it has been quiet for a moment, and
 * then the new one from its start. When the file becomes shorter (a truncation), it is read from its start; `warnings`
 * and the event `warning` tell, because bytes that were written just before may be lost.
 */
export function followSource(path: string): Source {
  return new Follower(path)
}

class Follower extends Readable {
  readonly warnings: string[] = []
  bytesRead = 0
  readonly #path: string
  #file: FileHandle | undefined
  #position = 0
  /** Whether the name was that of another file when the end was last seen. */
  #isReplaced = false
  #watcher: FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #wake: (() => void) | undefined
  #reading: Promise<void> = Promise.resolve()

  constructor(path: string) {
    super({ highWaterMark: blockSize })
    this.#path = path
  }

  override _read(): void {
    this.#reading = this.#next().catch(error => void this.destroy(toError(error)))
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#wake?.()
    const close = () => {
      this.#watcher?.close()
      return this.#file?.close()
    }
    this.#reading.then(close).then(() => callback(error), callback)
  }

  /** Pushes the next block, however long it takes until there is one. */
  async #next(): Promise<void> {
    while (!this.destroyed) {
      this.#file ??= await this.#open()
      const block = this.#file && (await this.#readBlock(this.#file))
      if (block && !this.destroyed) {
        this.bytesRead += block.length
        this.push(block)
        return
      }
      const isChanged = this.#file && (await this.#changed(this.#file))
      if (!isChanged && !this.destroyed) await this.#change()
    }
  }

  async #open(): Promise<FileHandle | undefined> {
    const file = await open(this.#path, constants.O_RDONLY | constants.O_NONBLOCK).catch(error => {
      if (errorCode(error) !== 'ENOENT') throw error
    })
    if (!file) return undefined
    this.#position = 0
    this.#isReplaced = false
    if ((await file.stat()).isFile()) return file
    await file.close()
    throw Object.assign(new Error(`'${this.#path}' is no file, and cannot be followed`), { code: 'EINVAL' })
  }

  async #readBlock(file: FileHandle): Promise<Buffer | undefined> {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(blockSize), 0, blockSize, this.#position)
    this.#position += bytesRead
    if (bytesRead === 0) return undefined
    this.#isReplaced = false // who writes the old file has not found the new one yet
    return buffer.subarray(0, bytesRead)
  }

  /** At the end of the file: whether there is something else to read now. */
  async #changed(file: FileHandle): Promise<boolean> {
    const own = await file.stat()
    if (own.size < this.#position) {
      const [file, at] = [this.#path, this.#position]
      this.warnings.push(`'${file}' was truncated at ${at} bytes; it is read from its start`)
      this.emit('warning', { file, at }, 'the file was truncated, reading it from its start')
      this.#position = 0
      return true
    }
    const named = await stat(this.#path).catch(() => undefined) // between two files there is none
    if (!named || (named.ino === own.ino && named.dev === own.dev)) return false
    if (!this.#isReplaced) {
      this.#isReplaced = true
      return false
    }
    await file.close()
    this.#file = undefined
    return true
  }

  /** Resolves when something may have changed. */
  #change(): Promise<void> {
    this.#watcher ??= this.#watch()
    return new Promise(resolve => {
      this.#wake = () => {
        clearTimeout(this.#timer)
        this.#wake = undefined
        resolve()
      }
      this.#timer = setTimeout(this.#wake, lookTime)
    })
  }

  #watch(): FSWatcher | undefined {
    try {
      return watch(dirname(this.#path), () => this.#isReplaced || this.#wake?.()).on('error', () => {})
    } catch {
      return undefined // without notices, it looks now and then
    }
  }
}
