import { PassThrough } from 'node:stream'
import zlib from 'node:zlib'
import t, { type Test } from 'tap'
import { createZstdCompress, createZstdDecompress, frameCutter, lacksZstd } from '../../../lib/formats/zstd.js'
import { cutAt, cutEvery } from '../pipes.js'

t.test('what is missing, in words', async t => {
  t.intercept(zlib, 'createZstdCompress' as never, { value: undefined, configurable: true })
  t.equal(lacksZstd('v22.14.0'), 'needs Node 22.15, 23.8 or later; this is v22.14.0')
})

t.test('where Node has it nothing is missing, and it is called', async t => {
  const stream = new PassThrough()
  for (const [name, create] of [
    ['createZstdCompress', createZstdCompress],
    ['createZstdDecompress', createZstdDecompress],
  ] as const) {
    const called: unknown[] = []
    const value = (options: unknown) => {
      called.push(options)
      return stream
    }
    t.intercept(zlib, name as never, { value, configurable: true })
    t.equal(create({ params: { 100: 3 } }), stream as never)
    t.same(called, [{ params: { 100: 3 } }])
  }
  t.equal(lacksZstd('v24.0.0'), undefined)
})

const magic = [0x28, 0xb5, 0x2f, 0xfd]

/** Descriptor and header, blocks, checksum. */
function frame(...bytes: number[]): Buffer {
  return Buffer.of(...magic, ...bytes)
}

/** So many bytes of content that says nothing. */
function content(size: number): number[] {
  return Array.from({ length: size }, () => 0x28)
}

/** The header of a block of type 0 raw, 1 repeated, 2 compressed. */
function block(type: number, size: number, last = 0): number[] {
  const header = last | (type << 1) | (size << 3)
  return [header & 0xff, (header >> 8) & 0xff, header >> 16]
}

const frames = [
  ['no content', frame(0x20, 0, ...block(0, 0, 1))],
  ['a raw block', frame(0x20, 5, ...block(0, 5, 1), ...content(5))],
  ['a window', frame(0x00, 0x58, ...block(0, 5, 1), ...content(5))],
  ['repeated bytes, which are one', frame(0x00, 0x58, ...block(1, 70_000, 1), 0x28)],
  ['three blocks', frame(0, 0, ...block(2, 9), ...content(9), ...block(0, 0), ...block(2, 300, 1), ...content(300))],
  ['the largest header', frame(0xc3, ...content(13), ...block(0, 0, 1))],
  ['a dictionary of two bytes, a content size of two', frame(0x62, ...content(4), ...block(0, 0, 1))],
  ['a dictionary of one byte, a content size of four', frame(0xa1, ...content(5), ...block(0, 0, 1))],
  ['a skippable one', Buffer.of(0x5f, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, ...magic)],
  ['a skippable one of no size', Buffer.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0)],
] as const

/** The pieces of chunks. */
function cut(chunks: Buffer[]): Buffer[] {
  const cutter = frameCutter()
  return [...chunks.flatMap(chunk => [...cutter(chunk)]), ...cutter()]
}

/** Not the first frame, they are not passed on. */
function isSkippable(bytes: Buffer): boolean {
  return bytes[1] === 0x2a
}

t.test('a piece ends where a frame ends', async t => {
  for (const [title, one] of frames) {
    t.same(cut([one]), [one], title)
    for (const [next, two] of frames) {
      const expected = isSkippable(two) ? [one] : [one, two]
      t.same(cut([Buffer.concat([one, two])]), expected, `${title}, ${next}`)
    }
  }
  const all = frames.map(([, bytes]) => bytes)
  t.same(
    cut([Buffer.concat(all)]),
    all.filter(bytes => !isSkippable(bytes)),
  )
})

t.test('a checksum is a piece of its own (G-10)', async t => {
  const [content0, checksum] = [frame(0x24, 0, ...block(0, 0, 1)), Buffer.of(1, 2, 3, 4)]
  const one = Buffer.concat([content0, checksum])
  t.same(cut([Buffer.concat([one, one])]), [content0, checksum, content0, checksum])
  for (let at = 0; at < one.length; at++) {
    const pieces = cut(cutAt([at], one))
    t.ok(Buffer.concat(pieces).equals(one))
    t.ok(pieces.some((_, i) => Buffer.concat(pieces.slice(0, i)).length === content0.length))
  }
})

t.test(
  'skippable frames take time of their length alone, and zstd gets the first one at most (G-13)',
  { timeout: 10_000 },
  async t => {
    const skippable = Buffer.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0)
    const many = Buffer.alloc(8 * 2 ** 20, skippable)
    t.same(cut([many]), [skippable])
    t.same(cut(cutEvery(65_537, many)), [skippable])
    const large = Buffer.concat([Buffer.of(0x5f, 0x2a, 0x4d, 0x18, 0x40, 0x42, 0x0f, 0), Buffer.alloc(1_000_000)])
    const one = frame(0x20, 5, ...block(0, 5, 1), ...content(5))
    t.same(
      cut(cutEvery(65_537, Buffer.concat([one, large, one]))).reduce((size, { length }) => size + length, 0),
      2 * one.length,
    )
    t.throws(() => cut([one, large.subarray(0, -1)]), { message: 'unzstd: unexpected end of file' })
  },
)

t.test('wherever chunks are cut, and nothing is lost', async t => {
  const passed = frames.map(([, bytes]) => bytes).filter(bytes => !isSkippable(bytes))
  const ends = passed.map((_, i) => Buffer.concat(passed.slice(0, i + 1)).length)
  const bytes = Buffer.concat(passed)
  for (let at = 0; at <= bytes.length; at++) check(t, bytes, ends, cutAt([at], bytes))
  for (const size of [1, 2, 3, 5, 7]) check(t, bytes, ends, cutEvery(size, bytes))
})

function check(t: Test, bytes: Buffer, ends: number[], chunks: Buffer[]): void {
  const pieces = cut(chunks)
  const found = new Set(pieces.map((_, i) => Buffer.concat(pieces.slice(0, i + 1)).length))
  t.ok(Buffer.concat(pieces).equals(bytes))
  t.same(
    ends.filter(end => !found.has(end)),
    [],
  )
}

t.test('what is refused, and zstd gets none of it', async t => {
  const whole = frame(0x20, 5, ...block(0, 5, 1), ...content(5))
  for (const [input, message] of [
    [Buffer.alloc(0), 'unzstd: unexpected end of file'],
    [Buffer.from('PK'), 'unzstd: unexpected end of file'],
    [Buffer.from('text'), 'unzstd: not zstd data'],
    [Buffer.concat([whole, Buffer.from('text')]), 'unzstd: unexpected data after the end'],
    [Buffer.concat([whole, Buffer.of(0)]), 'unzstd: unexpected end of file'],
    ...Array.from({ length: whole.length - 1 }, (_, i) => [whole.subarray(0, i + 1), 'unzstd: unexpected end of file']),
  ] as [Buffer, string][]) {
    for (const size of [1, 3, 100]) t.throws(() => cut(cutEvery(size, input)), { code: 'ERR_INPUT', message })
  }
  t.same([...frameCutter()(Buffer.from('tex'))], [])
})
