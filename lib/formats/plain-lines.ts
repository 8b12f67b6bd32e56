/** Copies lines of JSON that need no change but the removal of white space. */
import { isUtf8 } from 'node:buffer'

/** The result of a copy: where it ended, and what it has read. */
export interface Copied {
  /** The end of the last plain line. */
  readonly end: number
  /** The plain lines, and how many of them are blank. */
  readonly lines: number
  readonly blank: number
  /** The values, one per line. */
  readonly text: Buffer
}

/** Objects and arrays within each other, and names of open objects. A line with more is not plain. */
const [mostDepth, mostNames] = [32, 256]

/** A number of this many digits at most, without an exponent, is one that a double holds and writes in the same way. */
const mostDigits = 15

/** A smaller number than this has so many zeros that it is written with an exponent. */
const mostZeros = 5

const code = (character: string) => character.charCodeAt(0)
const [LF, SPACE, QUOTE, BACKSLASH, COLON, COMMA] = ['\n', ' ', '"', '\\', ':', ','].map(code) as Codes
const [MINUS, DOT, ZERO, NINE] = ['-', '.', '0', '9'].map(code) as Codes
const [OBJECT, OBJECT_END, ARRAY, ARRAY_END] = ['{', '}', '[', ']'].map(code) as Codes
const words = ['true', 'false', 'null'].map(word => Buffer.from(word))

/** The longest block that is copied. */
export const longestBlock = 64 * 1024

/** All copies write here, since none is interrupted: to make memory for each try would take longer than a line. */
const written = Buffer.allocUnsafeSlow(longestBlock)
const hashes = new Int32Array(mostNames)

type Codes = [number, number, number, number, number, number]

/** What may follow a backslash. `\/` and `\u0041` are written in another way. */
const escaped = new Uint8Array(256)
for (const character of '"\\bfnrt') escaped[code(character)] = 1

/**
 * Copies the plain lines at the start of a block of at most `longestBlock` bytes, up to the first other one. A line is plain if it holds one value, or
 * none, as `JSON.stringify` writes it, apart from white space, and has at most `maxRecord` bytes.
 */
export function copyPlainLines(block: Buffer, maxRecord: number): Copied {
  return new Copier(block).lines(block.lastIndexOf(LF) + 1, maxRecord)
}

/** Its methods copy what they name, and return whether it is plain. Each stops at the LF, so none checks the end. */
class Copier {
  private readonly bytes: Buffer
  private at = 0
  private readonly out = written
  private length = 0
  /** The bits of all bytes in strings. */
  private bits = 0
  /** Hashes of the names in the open objects: the same hash twice in one of them may be the same name. */
  private readonly names = hashes
  private count = 0
  /** Of the last string. */
  private hash = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  lines(end: number, maxRecord: number): Copied {
    let [lines, blank, start, length] = [0, 0, 0, 0]
    while (start < end && this.line() && this.at - start <= maxRecord && this.isText(start)) {
      lines++
      if (this.length === length) blank++
      else this.out[this.length++] = LF
      start = ++this.at
      length = this.length
    }
    return { end: start, lines, blank, text: Buffer.from(this.out.subarray(0, length)) }
  }

  private isText(start: number): boolean {
    return this.bits < 0x80 || isUtf8(this.bytes.subarray(start, this.at))
  }

  private line(): boolean {
    this.bits = 0
    this.count = 0
    return this.skipSpace() === LF || (this.value(0) && this.skipSpace() === LF)
  }

  /** Returns the next byte after white space. */
  private skipSpace(): number {
    const { bytes } = this
    let byte = bytes[this.at] as number
    while (byte === SPACE || byte === 9 || byte === 13) byte = bytes[++this.at] as number
    return byte
  }

  private value(depth: number): boolean {
    const first = this.bytes[this.at] as number
    if (first === QUOTE) return this.string()
    if (first === OBJECT) return this.object(depth)
    if (first === ARRAY) return this.array(depth)
    if (first === MINUS || (first >= ZERO && first <= NINE)) return this.number()
    return words.some(word => this.word(word))
  }

  private object(depth: number): boolean {
    const from = this.count
    this.take()
    let next = this.skipSpace()
    if (depth === mostDepth || (next !== QUOTE && next !== OBJECT_END)) return false
    while (next !== OBJECT_END) {
      if (next !== QUOTE || !this.name(from) || this.skipSpace() !== COLON) return false
      this.take()
      this.skipSpace()
      if (!this.value(depth + 1)) return false
      next = this.skipSpace()
      if (next === COMMA) {
        this.take()
        next = this.skipSpace()
        if (next === OBJECT_END) return false
      } else if (next !== OBJECT_END) return false
    }
    this.count = from
    return this.take()
  }

  /** A name that begins with a digit may be an index, which comes before other names. */
  private name(from: number): boolean {
    const { names, count, bytes, at } = this
    const first = bytes[at + 1] as number
    if ((first >= ZERO && first <= NINE) || count === mostNames || !this.string()) return false
    for (let i = from; i < count; i++) if (names[i] === this.hash) return false
    names[this.count++] = this.hash
    return true
  }

  private array(depth: number): boolean {
    this.take()
    let next = this.skipSpace()
    if (depth === mostDepth) return false
    while (next !== ARRAY_END) {
      if (!this.value(depth + 1)) return false
      next = this.skipSpace()
      if (next === COMMA) {
        this.take()
        next = this.skipSpace()
        if (next === ARRAY_END) return false
      } else if (next !== ARRAY_END) return false
    }
    return this.take()
  }

  private string(): boolean {
    const { bytes, out } = this
    let { at, length, bits } = this
    let hash = 0
    let byte = QUOTE
    while (true) {
      out[length++] = byte
      byte = bytes[++at] as number
      if (byte === QUOTE || byte < SPACE) break
      if (byte === BACKSLASH) {
        out[length++] = byte
        byte = bytes[++at] as number
        if (escaped[byte] === 0) return false
      }
      bits |= byte
      hash = (Math.imul(hash, 31) + byte) | 0
    }
    this.at = at
    this.length = length
    this.bits = bits
    this.hash = hash
    return byte === QUOTE && this.take()
  }

  private number(): boolean {
    const start = this.bytes[this.at] === MINUS ? this.at + 1 : this.at
    const point = this.digitsEnd(start)
    const isFraction = this.bytes[point] === DOT
    const end = isFraction ? this.digitsEnd(point + 1) : point
    const isZero = this.bytes[start] === ZERO
    if (point === start || end - start > mostDigits || (isZero && point > start + 1)) return false
    if (isFraction && (end === point + 1 || this.bytes[end - 1] === ZERO)) return false
    if (isZero && (isFraction ? this.zeros(point + 1) > mostZeros : start > this.at)) return false
    while (this.at < end) this.take()
    return true
  }

  private digitsEnd(from: number): number {
    const { bytes } = this
    let at = from
    while ((bytes[at] as number) >= ZERO && (bytes[at] as number) <= NINE) at++
    return at
  }

  private zeros(from: number): number {
    let at = from
    while (this.bytes[at] === ZERO) at++
    return at - from
  }

  private word(word: Buffer): boolean {
    for (let i = 0; i < word.length; i++) if (this.bytes[this.at + i] !== word[i]) return false
    for (let i = 0; i < word.length; i++) this.take()
    return true
  }

  private take(): true {
    this.out[this.length++] = this.bytes[this.at++] as number
    return true
  }
}
