/** The side of a session that receives: where it begins, what it delivers, and how it goes back when a digest differs. */
import { TcpPipeError, toError } from '../../text/errors.js'
import { Confirmations } from './confirmations.js'
import { Incoming } from './incoming.js'
import type { Keeper } from './keeper.js'

export interface ReceiverOptions {
  /** Compares a SHA-256 of everything. */
  readonly digest: boolean
  /** The number of bytes that the sender keeps until they are confirmed. */
  readonly window: number
  /** The sender can read its source again. */
  readonly isRereadable: boolean
  deliver(bytes: Buffer): void
  /** The number of bytes that wait for a reader. */
  readonly waiting?: () => number
  /** Confirms to the sender what has arrived. */
  confirm(): void
  /** Breaks the link: the sender has to go on from what is right. */
  breakLink(error: Error): void
  fail(error: Error): void
}

/** Digests in a row that differ, before the session fails. */
const mostMismatches = 3

export class Receiver {
  readonly incoming: Incoming
  readonly confirmations: Confirmations
  readonly #options: ReceiverOptions
  readonly #begun: Promise<void>
  #setBegun!: () => void
  #hasBegun = false
  #keeper: Keeper | undefined
  #rewinding: Promise<void> | undefined
  #mismatches = 0

  constructor(options: ReceiverOptions) {
    this.#options = options
    this.incoming = new Incoming(options.digest)
    const { window, isRereadable, waiting, confirm } = options
    this.confirmations = new Confirmations(this.incoming, window, isRereadable, confirm, waiting)
    this.#begun = new Promise(resolve => {
      this.#setBegun = resolve
    })
  }

  /** Whether the sender has to cover all data with checksums: what is delivered cannot be taken back. */
  get needsChecksums(): boolean {
    return this.#keeper === undefined
  }

  begin(keeper?: Keeper): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    if (keeper) {
      this.#keeper = keeper
      this.confirmations.keepWith(keeper)
      if (keeper.resumed) this.incoming.resume(keeper.resumed.offset, keeper.resumed.hash)
    }
    this.#setBegun()
  }

  /** Resolves when it is known where the sender has to go on. */
  async ready(): Promise<void> {
    await this.#begun
    await this.#rewinding
  }

  data(offset: number, bytes: Buffer, isChecked: boolean): void {
    if (!isChecked && !this.#keeper) throw new TcpPipeError('ERR_SESSION', 'the peer sent data without a checksum')
    this.incoming.data(offset, bytes, isChecked)
    this.#options.deliver(bytes)
    this.confirmations.received()
  }

  check(offset: number, sha256: unknown): void {
    if (this.incoming.check(offset, sha256)) this.#right(offset, sha256 as string)
    else this.#mismatch()
  }

  #right(offset: number, sha256: string): void {
    this.#mismatches = 0
    this.confirmations.checked(offset, sha256)
  }

  /** Returns whether everything is right. */
  end(offset: number, sha256: unknown): boolean {
    const isRight = this.incoming.end(offset, sha256)
    if (!isRight) this.#mismatch()
    return isRight
  }

  /** Data that a keeper has written can be taken back: it is sent again. */
  #mismatch(): void {
    const error = new TcpPipeError('ERR_SESSION', `digest mismatch after ${this.incoming.verified} bytes`)
    const keeper = this.#keeper
    if (keeper && ++this.#mismatches < mostMismatches) {
      this.#rewinding = this.#rewind(keeper)
      this.#options.breakLink(error)
    } else this.#options.fail(error)
  }

  async #rewind(keeper: Keeper): Promise<void> {
    const { received, verified } = this.incoming
    try {
      await keeper.written(received)
      await keeper.rewind(verified)
      this.incoming.rewind()
    } catch (error) {
      this.#options.fail(toError(error))
    }
  }

  /** The session is over. */
  over(): void {
    this.confirmations.end()
    this.#setBegun()
    this.#keeper?.over()
  }
}
