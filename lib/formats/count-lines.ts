const LF = 10

/** Counts the LFs. */
export function countLines(data: string | Buffer): number {
  const next = (from: number) => (typeof data === 'string' ? data.indexOf('\n', from) : data.indexOf(LF, from))
  let lines = 0
  for (let at = next(0); at !== -1; at = next(at + 1)) {
    lines++
    if (lines === sample && at < sample * shortLine && typeof data !== 'string') return lines + countDense(data, at + 1)
  }
  return lines
}

/** A search per line takes as long as to look at all bytes where the first lines are about this short. */
const [sample, shortLine] = [64, 56]

const LFS = 0x0a0a0a0a
const lowBits = 0x7f7f7f7f
const ones = 0x01010101
const none = new Int32Array(0)

/** Counts in words of four bytes: each byte of `sums` counts for one of them. */
function countDense(data: Buffer, from: number): number {
  let lines = 0
  let at = from
  for (; at < data.length && (data.byteOffset + at) % 4 !== 0; at++) if (data[at] === LF) lines++
  const count = (data.length - at) >> 2
  const words = count > 0 ? new Int32Array(data.buffer, data.byteOffset + at, count) : none // which would have to be aligned
  for (let i = 0; i < words.length; ) {
    let sums = 0
    for (const end = Math.min(words.length, i + 255); i < end; i++) {
      const bits = (words[i] as number) ^ LFS // a byte of zeros for each LF
      sums += (~(((bits & lowBits) + lowBits) | bits) >>> 7) & ones
    }
    lines += (sums & 0xff) + ((sums >>> 8) & 0xff) + ((sums >>> 16) & 0xff) + (sums >>> 24)
  }
  for (at += 4 * words.length; at < data.length; at++) if (data[at] === LF) lines++
  return lines
}
