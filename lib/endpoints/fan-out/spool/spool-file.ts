/** The spool of a connection that runs: a file that grows, and a reader that follows it. */
import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { writeParts } from '../../../stages/output-file.js'
import { sync } from '../../file/sync.js'
import { suffixes, syncFolder } from './folder.js'

const readSize = 64 * 1024

export class SpoolFile {
  written = 0
  isEnded = false
  private name: string
  private reader: SpoolReader | undefined

  static async create(folder: string, id: string): Promise<SpoolFile> {
    const name = join(folder, `${id}${suffixes.open}`)
    return new SpoolFile(name, await open(name, 'wx+', 0o600))
  }

  private constructor(
    name: string,
    readonly handle: FileHandle,
  ) {
    this.name = name
  }

  get path(): string {
    return this.name
  }

  async write(chunk: Uint8Array): Promise<void> {
    for await (const _ of writeParts(this.handle, [chunk], this.written));
    this.written += chunk.length
    this.reader?.wake()
  }

  /** Nothing more is written. */
  end(): void {
    this.isEnded = true
    this.reader?.wake()
  }

  /** Brings it to the disk, under the name of one that must be delivered. */
  async seal(): Promise<void> {
    const sealed = this.name.slice(0, -suffixes.open.length) + suffixes.sealed
    await sync(this.handle)
    await rename(this.name, sealed)
    this.name = sealed
    await syncFolder(dirname(sealed))
  }

  /** A new reader from the start, which replaces the former one. `onCaughtUp` is called when it has read everything so far. */
  read(onCaughtUp: () => void): SpoolReader {
    this.reader = new SpoolReader(this, onCaughtUp)
    return this.reader
  }

  /** Removes the name. What is read still comes. */
  remove(): Promise<void> {
    return unlink(this.name)
  }

  close(): Promise<void> {
    return this.handle.close()
  }
}

/** Reads a spool while it is written. */
export class SpoolReader extends Readable {
  /** Whether it waits for data that is not written yet. */
  isWaiting = false
  private position = 0
  private taken: (() => void) | undefined

  constructor(
    private readonly file: SpoolFile,
    private readonly onCaughtUp: () => void,
  ) {
    super({ highWaterMark: readSize })
  }

  override _read(): void {
    this.taken?.()
    this.taken = undefined
    const { file, position } = this
    if (position < file.written) void this.fill(position)
    else if (file.isEnded) this.push(null)
    else {
      this.isWaiting = true
      this.onCaughtUp()
    }
  }

  wake(): void {
    if (!this.isWaiting) return
    this.isWaiting = false
    this._read()
  }

  /** Passes on a chunk that is not in the file. Resolves when the reader wants more. */
  give(chunk: Uint8Array): Promise<void> {
    this.isWaiting = false
    return new Promise(resolve => {
      this.taken = resolve
      this.push(chunk)
    })
  }

  private async fill(position: number): Promise<void> {
    const length = Math.min(readSize, this.file.written - position)
    try {
      const { bytesRead, buffer } = await this.file.handle.read(Buffer.allocUnsafe(length), 0, length, position)
      this.position += bytesRead
      this.push(buffer.subarray(0, bytesRead))
    } catch (error) {
      this.destroy(error as Error)
    }
  }
}
