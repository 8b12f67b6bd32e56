/** The bytes of a session that its peer has not confirmed yet, in order. */

/** Smaller chunks are copied, so that the memory of the window stays in proportion to its bytes. */
const smallest = 4096

/** The size of a block for copies. */
const blockSize = 16 * 1024

interface Block {
  readonly offset: number
  bytes: Buffer
}

export class Window {
  /** The offset of the first byte, and the offset after the last one. */
  start = 0
  end = 0
  #blocks: Block[] = []
  /** Memory for copies. */
  #room = Buffer.alloc(0)

  get length(): number {
    return this.end - this.start
  }

  /** Keeps a chunk, which must not change. */
  append(bytes: Buffer): void {
    if (bytes.length < smallest) this.#copy(bytes)
    else this.#blocks.push({ offset: this.end, bytes })
    this.end += bytes.length
  }

  #copy(bytes: Buffer): void {
    if (this.#room.length < bytes.length) this.#room = Buffer.allocUnsafeSlow(blockSize)
    const copy = this.#room.subarray(0, bytes.copy(this.#room))
    this.#room = this.#room.subarray(copy.length)
    const last = this.#blocks.at(-1)
    if (last && isFollowedBy(last.bytes, copy))
      last.bytes = Buffer.from(copy.buffer, last.bytes.byteOffset, last.bytes.length + copy.length)
    else this.#blocks.push({ offset: this.end, bytes: copy })
  }

  /** Drops the bytes before an offset. */
  release(offset: number): void {
    if (offset <= this.start) return
    this.start = offset
    const kept = this.#blocks.findIndex(block => block.offset + block.bytes.length > offset)
    this.#blocks.splice(0, kept < 0 ? this.#blocks.length : kept)
  }

  /** Drops everything; the next byte has this offset. */
  moveTo(offset: number): void {
    this.#blocks = []
    this.start = this.end = offset
  }

  /** Returns the bytes from one offset to another one, both within the window. */
  slice(from: number, to: number): Buffer[] {
    const parts: Buffer[] = []
    for (let i = this.#find(from); i < this.#blocks.length; i++) {
      const { offset, bytes } = this.#blocks[i] as Block
      if (offset >= to) break
      parts.push(bytes.subarray(Math.max(0, from - offset), to - offset))
    }
    return parts
  }

  /** The last block that begins at the offset or before it. */
  #find(offset: number): number {
    let [low, high] = [0, this.#blocks.length - 1]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#blocks[middle] as Block).offset <= offset) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** Whether the copy stands behind the bytes in memory, too. */
function isFollowedBy(bytes: Buffer, copy: Buffer): boolean {
  return bytes.buffer === copy.buffer && bytes.byteOffset + bytes.length === copy.byteOffset
}
