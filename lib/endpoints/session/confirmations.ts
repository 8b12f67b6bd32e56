/** Decides when the receiver of a direction confirms what it has: not too often, and never before it is true. */
import type { Incoming } from './incoming.js'
import type { Keeper } from './keeper.js'

/** Milliseconds until bytes are confirmed that do not fill a quarter of the window. */
const patience = 100

/** For a sender that can read again, the disk has to follow only so often: bytes, milliseconds. */
const saveEach = { bytes: 64 * 1024 * 1024, time: 500 } as const

export class Confirmations {
  readonly #incoming: Incoming
  /** The number of bytes that the sender keeps until they are confirmed. */
  window: number
  readonly #isRereadable: boolean
  readonly #waiting: () => number
  readonly #send: () => void
  #keeper: Keeper | undefined
  #durable = 0
  #taken = 0
  #told = 0
  #noted = 0
  #timer: NodeJS.Timeout | undefined
  #isSaving = false
  #lastSave = performance.now()
  #isOver = false

  /** `send` confirms `durable` and `taken` to the peer. `waiting` returns the number of bytes that wait for a reader. */
  constructor(
    incoming: Incoming,
    window: number,
    isRereadable: boolean,
    send: () => void,
    waiting: () => number = () => 0,
  ) {
    this.#incoming = incoming
    this.window = window
    this.#isRereadable = isRereadable
    this.#send = send
    this.#waiting = waiting
  }

  /** The number of bytes on the disk, or, without a keeper, that the reader has taken. */
  get durable(): number {
    return this.#durable
  }

  /** The number of bytes that are written. */
  get taken(): number {
    return this.#taken
  }

  keepWith(keeper: Keeper): void {
    this.#keeper = keeper
    this.#durable = this.#taken = this.#noted = keeper.resumed?.offset ?? 0
  }

  /** Something has arrived, or the reader has taken something. */
  received(): void {
    if (this.#keeper || this.#isOver) return
    const { verified, received } = this.#incoming
    this.#durable = this.#taken = Math.min(verified, received - this.#waiting())
    if (this.#taken - this.#told >= this.window / 4) this.tell()
    else if (this.#taken > this.#told) this.#timer ??= setTimeout(() => this.tell(), patience)
  }

  /** A check was right: it has arrived. */
  checked(offset: number, sha256: string): void {
    const keeper = this.#keeper
    if (!keeper || offset <= this.#noted) return // a check that may have been lost comes again
    this.#noted = offset
    keeper.note(offset, sha256)
    keeper.written(offset).then(
      () => this.#written(offset, keeper),
      () => {}, // it fails its stream
    )
  }

  #written(offset: number, keeper: Keeper): void {
    this.#taken = Math.max(this.#taken, offset)
    if (this.#isRereadable) this.tell()
    if (this.#isSaveDue() && !this.#isSaving) void this.#save(keeper)
  }

  #isSaveDue(): boolean {
    if (!this.#isRereadable) return true
    return this.#taken - this.#durable >= saveEach.bytes || performance.now() - this.#lastSave >= saveEach.time
  }

  /** One after the other: what arrives meanwhile is saved together. */
  async #save(keeper: Keeper): Promise<void> {
    this.#isSaving = true
    try {
      do {
        const offset = this.#taken
        await keeper.saved(offset)
        this.#durable = Math.max(this.#durable, offset)
        this.#lastSave = performance.now()
        this.tell()
      } while (this.#taken > this.#durable && this.#isSaveDue())
      this.#isSaving = false
    } catch {
      // it fails its stream
    }
  }

  tell(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#isOver) return
    this.#told = this.#taken
    this.#send()
  }

  end(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
  }
}
