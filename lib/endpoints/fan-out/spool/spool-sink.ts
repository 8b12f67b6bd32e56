/** A sink that never waits for its target while the disk has room: it stores the data, and a delivery follows. */
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Logger } from '../../../stages/context.js'
import type { LeftSpool } from './folder.js'
import type { Peer } from './peer.js'
import { SpoolFile, type SpoolReader } from './spool-file.js'

type Callback = (error?: Error | null) => void

/** What the spools of an address share. */
export interface SpoolStore {
  readonly peer: Peer
  /** Returns whether there is room for so many bytes. Then they are taken. */
  reserve(bytes: number): boolean
  release(bytes: number): void
  /** Resolves when there may be room, or another way. */
  changed(): Promise<void>
  notify(): void
  /** Takes a spool whose connection has ended, and that is not delivered. */
  add(spool: LeftSpool): void
  /** Notes a delivery, which may go on after its connection, and how to stop it. */
  follow(delivery: Promise<void>, stop: () => void): void
}

export interface SpoolSinkOptions {
  readonly folder: string
  /** The name of the file, without what says its state. */
  readonly name: string
  readonly to: string
  readonly totals?: { spooled: number } | undefined
  readonly log: Logger | undefined
}

/**
 * It finishes when the spool is on the disk, or when the target has taken everything, whichever is earlier. If the disk has
 * no room, it waits until there is some. If it could wait for itself only, because its target has taken all that is stored,
 * it stores no more: it removes the file and sends the rest directly, as a sink that blocks.
 */
export class SpoolSink extends Writable {
  private file!: SpoolFile
  /** Of the connection to the target, while there is one. */
  private reader: SpoolReader | undefined
  private delivery!: Promise<void>
  private sealing: Promise<void> | undefined
  private isSealed = false
  private isDelivered = false
  private isDirect = false
  private wasFull = false
  private taken = 0
  private reserved = 0
  private readonly abort = new AbortController()

  constructor(
    private readonly spool: SpoolStore,
    private readonly options: SpoolSinkOptions,
  ) {
    super()
  }

  override _construct(callback: Callback): void {
    const { folder, name } = this.options
    SpoolFile.create(folder, name).then(file => {
      this.file = file
      this.delivery = this.deliver()
      this.delivery.catch(error => this.destroy(error))
      this.spool.follow(this.delivery, () => this.abort.abort())
      callback()
    }, callback)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.take(chunk).then(() => callback(), callback)
  }

  override _final(callback: Callback): void {
    this.file.end()
    if (!this.isDirect) this.sealing = this.seal()
    Promise.race([this.delivery, this.sealing ?? this.delivery]).then(() => callback(), callback)
  }

  override _destroy(error: Error | null, callback: Callback): void {
    if (!this.isSealed) this.abort.abort(error ?? undefined)
    this.spool.notify()
    callback(error)
  }

  report(): { spooled?: number } {
    return this.isSealed && !this.isDelivered ? { spooled: this.taken } : {}
  }

  private async take(chunk: Buffer): Promise<void> {
    if (!this.isDirect) await this.makeRoom(chunk.length)
    if (this.isDirect)
      await this.reader?.give(Buffer.from(chunk)) // its writer may reuse the memory
    else if (!this.destroyed) await this.store(chunk)
    this.taken += chunk.length
  }

  private async store(chunk: Buffer): Promise<void> {
    await this.file.write(chunk)
    const { totals } = this.options
    if (totals) totals.spooled += chunk.length
  }

  /** Waits until the disk has room, or until nothing has to be stored. */
  private async makeRoom(bytes: number): Promise<void> {
    const { spool } = this
    while (!this.destroyed) {
      if (spool.reserve(bytes)) {
        this.reserved += bytes
        return
      }
      if (!this.wasFull) this.options.log?.warn({ to: this.options.to }, 'a spool is full, the connection waits for it')
      this.wasFull = true
      if (this.reader?.isWaiting) return this.goDirect()
      await spool.changed()
    }
  }

  private async goDirect(): Promise<void> {
    this.isDirect = true
    await this.file.remove()
    this.free()
  }

  private free(): void {
    this.spool.release(this.reserved)
    this.reserved = 0
  }

  /** From now on it is delivered whatever happens. A target that is not connected is left to the backlog. */
  private async seal(): Promise<void> {
    await this.file.seal()
    this.isSealed = true
    if (!this.reader) this.abort.abort()
  }

  /** Delivers it beside the connection and after it. Rejects if it cannot be delivered, and nobody has been promised that. */
  private async deliver(): Promise<void> {
    const { signal } = this.abort
    let failure: unknown
    try {
      await this.spool.peer.retry(() => this.connect(signal), signal)
      this.isDelivered = true
    } catch (error) {
      failure = error
    }
    await this.sealing?.catch(() => {}) // its own callback has the error
    await this.settle()
    if (!this.isDelivered && !this.isSealed) throw failure
  }

  private async connect(signal: AbortSignal): Promise<void> {
    const { spool, file } = this
    const target = await spool.peer.open(signal)
    this.reader = file.read(() => spool.notify())
    try {
      await pipeline(this.reader, target, { signal })
    } catch (error) {
      if (this.isDirect) this.abort.abort(error) // a part of it is not stored
      throw error
    } finally {
      this.reader = undefined
    }
  }

  private async settle(): Promise<void> {
    const { file, spool, isDelivered } = this
    await file.close()
    if (this.isSealed && !isDelivered) return spool.add({ path: file.path, bytes: this.taken })
    if (!this.isDirect) await file.remove()
    this.free()
  }
}
