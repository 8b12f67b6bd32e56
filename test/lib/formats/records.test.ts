import { none } from 'stream-chain/defs.js'
import t from 'tap'
import { encoder } from '../../../lib/formats/encoder.js'
import {
  type Batch,
  type BatchFunction,
  batchRecords,
  blockBytes,
  decoder,
  toBuffer,
} from '../../../lib/formats/records.js'
import fc from '../../fast-check.js'
import { cutAt, cutEvery, cuts, memoryInUse } from '../pipes.js'

/** Chunks → records → chunks, by the codecs alone. */
function throughCodecs(chunks: Buffer[], unit: 'line' | 'json' = 'line', maxRecord = 2 ** 20): Buffer {
  const ending = { unterminated: false }
  const decode = decoder(unit, maxRecord, ending)
  const encode = encoder(ending)
  return Buffer.concat([...batches(decode, chunks)].flatMap(batch => (encode(batch) as Batch).map(toBuffer)))
}

/** What a decoder gives for each chunk and at the end. */
function* batches(decode: BatchFunction, chunks: Iterable<Buffer>): Generator<Batch> {
  for (const chunk of chunks) yield* flat(decode([chunk]))
  yield* flat((decode as (end: unknown) => unknown)(none))
}

/** The batches of a result, which is one of them, several, or `none`. */
function* flat(result: unknown): Generator<Batch> {
  if (Array.isArray(result)) yield result
  else if (result !== none) for (const each of result as Iterable<unknown>) yield* flat(each)
}

function lines(chunks: Iterable<Buffer>, maxRecord = 2 ** 20): unknown[] {
  return [...batches(decoder('line', maxRecord, { unterminated: false }), chunks)].flat()
}

t.test('lines come back as they were', async t => {
  for (const [title, text] of [
    ['nothing', ''],
    ['one line', 'a\n'],
    ['no LF on the last line', 'a\nb'],
    ['one line without LF', 'a'],
    ['an empty line', '\n'],
    ['empty lines', '\n\n\na\n\n'],
    ['a CR stays in the line', 'a\r\nb\r\n\r\nc\r'],
    ['a byte order mark', '\ufeffa\n\ufeffb\n'],
    ['NUL and control characters', '\0\x1b[2J\n\x7f\n'],
    ['characters of 1, 2, 3 and 4 bytes', 'aé日😀\n😀日éa'],
  ] as const) {
    const bytes = Buffer.from(text)
    t.equal(throughCodecs([bytes]).toString(), text, title)
    t.equal(throughCodecs(cutEvery(1, bytes)).toString(), text, `${title}, byte by byte`)
  }
})

t.test('a line is a string without its LF', async t => {
  t.strictSame(lines([Buffer.from('a\r\n\nb')]), ['a\r', '', 'b'])
  t.strictSame(lines([Buffer.from('a'), Buffer.from('b\nc'), Buffer.from('\n')]), ['ab', 'c'])
  t.strictSame(lines([]), [])
})

t.test('any text, however it is cut, comes back as it was', async t => {
  const texts = fc
    .array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\n', '\r\n', '\ufeff')))
    .map(parts => parts.join(''))
  const isSame = (text: string, positions: number[]) =>
    throughCodecs(cutAt(positions, Buffer.from(text))).equals(Buffer.from(text))
  t.doesNotThrow(() => fc.assert(fc.property(texts, cuts, isSame), { numRuns: 500 }))
})

t.test('characters split at every pair of positions (A-08)', async t => {
  const bytes = Buffer.from('aé日😀\nb\u0301é😀')
  for (let i = 0; i <= bytes.length; i++) {
    for (let j = i; j <= bytes.length; j++) {
      if (!throughCodecs(cutAt([i, j], bytes)).equals(bytes)) t.fail(`cut at ${i} and ${j}`)
    }
  }
})

t.test('invalid bytes become U+FFFD as the Encoding Standard specifies, in any chunking (A-08)', async t => {
  const standard = new TextDecoder('utf-8', { ignoreBOM: true })
  const isStandard = (bytes: Buffer, positions: number[]) =>
    throughCodecs(cutAt(positions, bytes)).toString() === standard.decode(bytes)
  for (const hex of ['ff', 'c3', 'c328', 'e2820a', 'f09f98', 'f09f980a', 'eda080', 'c0af', 'f4908080', 'efbbbf80']) {
    t.ok(isStandard(Buffer.from(hex, 'hex'), []), hex)
  }
  const byte = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0x0a, 0xc3, 0xe2, 0x82, 0xf0, 0x9f, 0xed, 0xa0, 0xef, 0xbb, 0xbf),
  )
  const arbitrary = fc.array(byte).map(values => Buffer.from(values))
  t.doesNotThrow(() => fc.assert(fc.property(arbitrary, cuts, isStandard), { numRuns: 500 }))
})

t.test('a line of maxRecord bytes is allowed, a longer one is not (E-04)', async t => {
  for (const maxRecord of [1, 100, blockBytes, 3 * blockBytes + 17]) {
    for (const [title, size] of [
      ['in one chunk', Infinity],
      ['in chunks of 7 bytes', 7],
      ['in chunks of a batch', blockBytes],
    ] as const) {
      for (const [before, behind] of [
        ['', ''],
        ['', '\n'],
        ['x\n', '\ny'],
      ] as const) {
        const input = (length: number) => {
          const bytes = Buffer.from(`${before}${'a'.repeat(length)}${behind}`)
          return size === Infinity ? [bytes] : cutEvery(size, bytes)
        }
        const name = `${maxRecord} bytes ${title}, between '${before.trim()}' and '${behind.trim()}'`
        t.doesNotThrow(() => lines(input(maxRecord - 1), maxRecord), `one less: ${name}`)
        t.doesNotThrow(() => lines(input(maxRecord), maxRecord), name)
        const error = {
          code: 'ERR_RECORD_TOO_LONG',
          message: `a line is longer than maxRecord, ${maxRecord} bytes`,
        }
        t.throws(() => lines(input(maxRecord + 1), maxRecord), error, `one more: ${name}`)
      }
    }
  }
})

t.test('the length of a line is that of its bytes', async t => {
  t.strictSame(lines([Buffer.from('日\n日日')], 6), ['日', '日日'])
  t.throws(() => lines([Buffer.from('日日')], 5), { code: 'ERR_RECORD_TOO_LONG' })
  t.strictSame(lines([Buffer.from('ffff', 'hex')], 2), ['\ufffd\ufffd'], 'before invalid ones are replaced')
})

t.test('a long line in single bytes takes no more memory than its length (E-04)', async t => {
  const decode = decoder('line', 2 ** 20, { unterminated: false })
  const before = memoryInUse()
  for (let i = 0; i < 2 ** 20; i++) if (decode([Buffer.from('a')]) !== none) t.fail('a line has ended')
  const taken = memoryInUse() - before
  t.ok(taken < 48 * 2 ** 20, `${taken} bytes`)
  t.throws(() => [...flat(decode([Buffer.from('a')]))], { code: 'ERR_RECORD_TOO_LONG' })
})

t.test('a long line leaves nothing behind', async t => {
  const long = 'x'.repeat(3 * blockBytes)
  t.strictSame(lines(cutEvery(1000, Buffer.from(`${long}\nshort\n${long}\n\nend`))), [long, 'short', long, '', 'end'])
})

t.test('a batch has at most 1,024 records and comes from at most 64 KiB', async t => {
  const decode = () => decoder('line', 2 ** 20, { unterminated: false })
  const empty = [...batches(decode(), [Buffer.alloc(1e6, '\n')])]
  t.equal(empty.flat().length, 1e6)
  t.equal(Math.max(...empty.map(batch => batch.length)), batchRecords)
  const filled = [...batches(decode(), [Buffer.alloc(1e6, `${'a'.repeat(99)}\n`)])]
  t.equal(filled.flat().length, 1e4)
  t.ok(filled.every(batch => batch.join('\n').length <= blockBytes + 100))
  const values = [...batches(decoder('json', 2 ** 20, { unterminated: false }), [Buffer.from('1 '.repeat(5000))])]
  t.strictSame(
    values.map(batch => batch.length),
    [1024, 1024, 1024, 1024, 904],
  )
})

t.test('a million empty lines pass unchanged (E-04)', async t => {
  const bytes = Buffer.alloc(1e6, '\n')
  t.ok(throughCodecs([bytes]).equals(bytes))
})

t.test('toBuffer takes what a stage of bytes may give', async t => {
  const view = new Uint8Array([0, 97, 98, 0]).subarray(1, 3)
  const buffer = Buffer.from('ab')
  t.strictSame(toBuffer('é'), Buffer.from('é'))
  t.strictSame(toBuffer(view), buffer)
  t.equal(toBuffer(view).buffer, view.buffer, 'without a copy')
  t.equal(toBuffer(buffer), buffer)
})

t.test('json: values come back, one on each line', async t => {
  const text = ' {"a":"日😀\\n"}\n[1, 2]3 null "s"\n-1.5e3 '
  for (const chunks of [[Buffer.from(text)], cutEvery(1, Buffer.from(text))]) {
    t.equal(throughCodecs(chunks, 'json').toString(), '{"a":"日😀\\n"}\n[1,2]\n3\nnull\ns\n-1500\n')
  }
  t.equal(throughCodecs([Buffer.from('\ufeff{}')], 'json').toString(), '{}\n', 'a byte order mark is no value')
  t.equal(throughCodecs([Buffer.from('"\xff"', 'latin1')], 'json').toString(), '\ufffd\n', 'invalid bytes')
})

t.test('json: lines that need no parsing come as they are', async t => {
  const counts: number[] = []
  const decode = decoder('json', 100, { unterminated: false }, { copied: values => void counts.push(values) })
  const records = [...batches(decode, [Buffer.from('1\n{"a": 2}\n3\n4 5')])].flat()
  t.same(records, [1, Buffer.from('{"a":2}\n3\n'), 4, 5])
  t.same(counts, [2])
})

t.test('lines without a literal are skipped and counted', async t => {
  const input = 'a\nxa\n\nb\nax\n'
  const filtered = (text: string, chunks: Buffer[] = [Buffer.from(text)], maxRecord = 100) => {
    let skipped = 0
    const skip = (lines: number) => {
      skipped += lines
    }
    const decode = decoder('line', maxRecord, { unterminated: false }, { filter: { literal: 'x', skip } })
    return { kept: [...batches(decode, chunks)].flat(), skipped: () => skipped }
  }
  const { kept, skipped } = filtered(input)
  t.same(kept, ['xa', 'ax'])
  t.equal(skipped(), 3)
  t.same(filtered('\n\n').kept, [])
  t.same(filtered('xx').kept, ['xx'], 'no LF at all')
  const many = Array<Buffer>(100).fill(Buffer.from('a\nx\n'))
  const dense = filtered('', many)
  t.ok(dense.kept.length < 200, 'where many lines have it, the rest is not searched for a while')
  t.equal(dense.kept.filter(line => line === 'x').length, 100)
  t.equal(dense.kept.length + dense.skipped(), 200)
  t.throws(() => filtered(`x\n${'a'.repeat(101)}\n`), { code: 'ERR_RECORD_TOO_LONG' }, 'a line that would be skipped')
  for (const size of [1, 2, 3]) {
    const cut = filtered(input, cutEvery(size, Buffer.from(input)))
    t.same(
      cut.kept.filter(line => String(line).includes('x')),
      ['xa', 'ax'],
      'others may come, too',
    )
    t.equal(cut.kept.length + cut.skipped(), 5)
  }
})

t.test('the beginning of a character is left over if that is wanted', async t => {
  for (const [input, line, left] of [
    ['a', 'a', ''],
    ['', undefined, ''],
    ['a\xc3', 'a', '\xc3'],
    ['a\xc3\xa9', 'aé', ''],
    ['\xe2\x82', undefined, '\xe2\x82'],
    ['b\xf0\x9d\x84', 'b', '\xf0\x9d\x84'],
    ['\xf0\x9d\x84\x9e', '𝄞', ''],
    ['\x80\x80\x80\x80', '\ufffd\ufffd\ufffd\ufffd', ''],
  ] as const) {
    const rest = { wanted: true, bytes: Buffer.alloc(0) }
    const decode = decoder('line', 2 ** 20, { unterminated: false }, { rest })
    const given = [...batches(decode, [Buffer.from(input, 'latin1')])].flat()
    t.same(given, line === undefined ? [] : [line], JSON.stringify(input))
    t.equal(rest.bytes.toString('latin1'), left)
  }
})

t.test('what precedes an error is given first, however the input is cut (G-10)', async t => {
  for (const [unit, text, given] of [
    ['line', `one\n\n${'x'.repeat(11)}\nfour\n`, ['one', '']],
    ['line', `one\ntwo\n${'x'.repeat(11)}`, ['one', 'two']],
    ['line', `${'x'.repeat(11)}\none\n`, []],
    ['json', '1 [2]\n{"a" 1}\n4\n', [1, [2]]],
    ['json', '1\n"a', [1]],
  ] as const) {
    for (const size of [1, 2, 3, 5, 8, 100]) {
      const decode = decoder(unit, 10, { unterminated: false })
      const found: unknown[] = []
      t.throws(() => {
        for (const batch of batches(decode, cutEvery(size, Buffer.from(text)))) found.push(...batch)
      })
      t.strictSame(found, given, `${text}, by ${size}`)
    }
  }
  const decode = decoder('line', 10, { unterminated: false })
  const found: unknown[] = []
  const chunks = [Buffer.from('be'), Buffer.from(`gun\n${'x\n'.repeat(50_000)}${'x'.repeat(11)}\n`)]
  t.throws(() => {
    for (const batch of batches(decode, chunks)) found.push(...batch)
  })
  t.equal(found.length, 50_001)
})
