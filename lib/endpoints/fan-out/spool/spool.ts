/**
 * The spools of one address: what its target does not take in time is on the disk, within a bound, and is delivered later.
 * Each is a connection of its own, and is removed when the target has ended after our end, so has taken everything.
 */
import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { Logger } from '../../../stages/context.js'
import { errorCode, errorMessage } from '../../../text/errors.js'
import type { OpenSink } from '../late-sink.js'
import { type LeftSpool, openSpoolFolder, type SpoolFolder } from './folder.js'
import { Peer } from './peer.js'
import { SpoolSink, type SpoolStore } from './spool-sink.js'

export interface SpoolOptions {
  /** The folder, which several processes may share. */
  readonly folder: string
  /** The maximum number of bytes on the disk, for each address of each process. Default: 1 GiB. */
  readonly size?: number | undefined
}

export const defaultSpoolSize = 1024 ** 3

/** Milliseconds for deliveries that are under way when their owner closes. */
const closeTime = 1000

/** The number of left spools that are delivered at the same time. */
const atOnce = 4

export interface SpoolSettings extends SpoolOptions {
  readonly to: string
  /** Counts what is stored for all connections. */
  readonly totals?: { spooled: number } | undefined
  readonly dial: OpenSink
  readonly log?: Logger | undefined
}

/** Opens the spools of an address, and begins to deliver what dead processes have left. */
export async function openSpool(settings: SpoolSettings): Promise<Spool> {
  const { to, log, folder: root } = settings
  const folder = await openSpoolFolder(root, to)
  const { left, unfinished, others } = folder
  if (unfinished > 0) log?.info({ to, spools: unfinished }, 'spools of unfinished connections removed')
  if (left.length > 0) log?.info({ to, spools: left.length, bytes: bytesOf(left) }, 'spools of an earlier run found')
  if (others.length > 0) log?.warn({ folder: root, others }, 'the spool folder has data for other addresses')
  return new Spool(folder, settings)
}

export class Spool implements SpoolStore {
  readonly peer: Peer
  private used: number
  private readonly backlog: LeftSpool[]
  private readonly running = new Map<Promise<void>, () => void>()
  private waiters: (() => void)[] = []
  private workers = 0

  constructor(
    private readonly folder: SpoolFolder,
    private readonly settings: SpoolSettings,
  ) {
    this.peer = new Peer(settings.to, settings.dial, settings.log)
    this.used = bytesOf(folder.left)
    this.backlog = [...folder.left]
    this.work()
  }

  /** The sink of one connection. */
  sink(id: string, log: Logger | undefined): SpoolSink {
    const name = `${id}-${randomBytes(4).toString('hex')}` // also unique among those of other processes
    const { to, totals } = this.settings
    return new SpoolSink(this, { folder: this.folder.path, name, to, totals, log })
  }

  reserve(bytes: number): boolean {
    const { size = defaultSpoolSize } = this.settings
    if (this.used + bytes > size) return false
    this.used += bytes
    return true
  }

  release(bytes: number): void {
    this.used -= bytes
    this.notify()
  }

  changed(): Promise<void> {
    return new Promise(resolve => this.waiters.push(resolve))
  }

  notify(): void {
    for (const resolve of this.waiters.splice(0)) resolve()
  }

  add(spool: LeftSpool): void {
    this.backlog.push(spool)
    this.work()
  }

  follow(delivery: Promise<void>, stop: () => void): void {
    const over = delivery.catch(() => {})
    this.running.set(over, stop)
    void over.then(() => this.running.delete(over))
  }

  /** What is not delivered stays for the next process. */
  async close(): Promise<void> {
    this.workers = Number.POSITIVE_INFINITY // no further one begins
    const timer = setTimeout(() => {
      for (const stop of this.running.values()) stop()
    }, closeTime)
    await Promise.all(this.running.keys())
    clearTimeout(timer)
    const { to, log, folder } = this.settings
    const { backlog } = this
    if (backlog.length > 0)
      log?.warn({ to, folder, spools: backlog.length, bytes: bytesOf(backlog) }, 'spools wait for the next run')
    await this.folder.close()
  }

  private work(): void {
    while (this.workers < atOnce && this.backlog.length > 0) {
      this.workers++
      const abort = new AbortController()
      const work = this.deliver(this.backlog.shift() as LeftSpool, abort.signal).finally(() => this.workers--)
      this.follow(
        work.then(() => this.work()),
        () => abort.abort(),
      )
    }
  }

  private async deliver(spool: LeftSpool, signal: AbortSignal): Promise<void> {
    const { path, bytes } = spool
    const { to, log } = this.settings
    let file: FileHandle | undefined
    try {
      file = await open(path)
      const fd = file
      const source = () => createReadStream('', { fd, start: 0, autoClose: false })
      await this.peer.retry(async () => pipeline(source(), await this.peer.open(signal), { signal }), signal)
      await unlink(path)
      this.release(bytes)
      log?.info({ to, bytes }, 'a spool was delivered')
    } catch (error) {
      if (signal.aborted) this.backlog.unshift(spool)
      else
        log?.error({ to, path, code: errorCode(error), error: errorMessage(error) }, 'a spool waits for the next run')
    } finally {
      await file?.close()
    }
  }
}

function bytesOf(spools: readonly LeftSpool[]): number {
  return spools.reduce((sum, { bytes }) => sum + bytes, 0)
}
