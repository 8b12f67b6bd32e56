/** A generator of numbers that a seed determines (mulberry32). */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A number from 0 to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let value = this.#state
    value = Math.imul(value ^ (value >>> 15), value | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from 0 to one less than the limit. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  upTo(limit: number): number {
    return this.below(limit + 1)
  }

  is(probability: number): boolean {
    return this.next() < probability
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T
  }
}
