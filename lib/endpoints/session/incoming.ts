/** The direction of a session that comes in: what has arrived, and what is known to be right. */
import { createHash, type Hash } from 'node:crypto'
import { peerFault } from '../../formats/session-frames.js'

export class Incoming {
  #hash: Hash | undefined
  #verifiedHash: Hash | undefined
  #received = 0
  #verified = 0
  #isEnded = false

  constructor(digest: boolean) {
    if (!digest) return
    this.#hash = createHash('sha256')
    this.#verifiedHash = this.#hash.copy()
  }

  /** The number of bytes that have arrived: the offset of the next one. */
  get received(): number {
    return this.#received
  }

  /** The number of bytes that are known to be right. */
  get verified(): number {
    return this.#verified
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** The SHA-256 of all that has arrived, in hex. */
  get sha256(): string | undefined {
    return this.#hash?.copy().digest('hex')
  }

  /** Continues after bytes of an earlier run. */
  resume(offset: number, hash: Hash): void {
    this.#received = this.#verified = offset
    this.#hash = hash
    this.#verifiedHash = hash.copy()
  }

  /** Takes the next bytes. Throws `ERR_SESSION` if they are not the next ones. */
  data(offset: number, bytes: Buffer, isChecked: boolean): void {
    if (this.#isEnded || offset !== this.#received)
      throw peerFault(`data at ${offset}; expected ${this.#isEnded ? 'none' : this.#received}`)
    this.#hash?.update(bytes)
    this.#received += bytes.length
    if (isChecked) this.#verify()
  }

  #verify(): void {
    this.#verified = this.#received
    this.#verifiedHash = this.#hash?.copy()
  }

  /** Compares the digest of everything. Returns whether it is the same. Throws `ERR_SESSION` for another offset. */
  check(offset: number, sha256: unknown): boolean {
    if (offset !== this.#received) throw peerFault(`a check at ${offset}; expected ${this.#received}`)
    if (this.#hash && sha256 !== this.sha256) return false
    this.#verify()
    return true
  }

  /** Takes the end, if everything before it is right. */
  end(offset: number, sha256: unknown): boolean {
    if (!this.check(offset, sha256)) return false
    this.#isEnded = true
    return true
  }

  /** Goes back to what is known to be right. */
  rewind(): void {
    this.#received = this.#verified
    this.#hash = this.#verifiedHash?.copy()
  }
}
