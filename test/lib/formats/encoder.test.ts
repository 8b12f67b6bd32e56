import t from 'tap'
import { areLines, encoder } from '../../../lib/formats/encoder.js'
import { type Batch, toBuffer } from '../../../lib/formats/records.js'
import { TcpPipeError } from '../../../lib/text/errors.js'

t.test('what is written', async t => {
  const object = { a: [1, null], toString: undefined }
  for (const [title, batch, text] of [
    ['nothing', [], ''],
    ['strings are lines', ['a', '', 'b'], 'a\n\nb\n'],
    ['other values are lines of JSON', [1, null, true, -0, [2], object], '1\nnull\ntrue\n0\n[2]\n{"a":[1,null]}\n'],
    ['bytes are written as they are', [Buffer.from('x'), new Uint8Array([121])], 'xy'],
    ['bytes among lines', ['a', Buffer.from('x'), 'b', 2, Buffer.from('y')], 'a\nxb\n2\ny'],
    ['lone surrogates become U+FFFD', ['\ud800a'], '\ufffda\n'],
  ] as const) {
    const chunks = encoder({ unterminated: false })([...batch]) as Batch
    t.equal(Buffer.concat(chunks.map(toBuffer)).toString(), text, title)
  }
})

t.test('neighbouring lines are one chunk', async t => {
  t.equal((encoder({ unterminated: false })(['a', 'b', 'c']) as Batch).length, 1)
})

t.test('behind an input whose last line had no LF, each LF comes with the next record', async t => {
  const ending = { unterminated: false }
  const encode = encoder(ending)
  const written: Buffer[] = []
  const write = (...batch: Batch) => written.push(...(encode(batch) as Batch).map(toBuffer))
  write('a')
  ending.unterminated = true
  write('b')
  write('c', 'd')
  write(Buffer.from('bytes'), 'e')
  write(1)
  t.equal(Buffer.concat(written).toString(), 'a\nb\nc\nd\nbytese\n1')
})

t.test('a value that is no JSON is refused in words', async t => {
  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  for (const [value, message] of [
    [() => {}, 'a function cannot be written as JSON'],
    [Symbol('x'), 'a symbol cannot be written as JSON'],
    [1n, /^a value cannot be written as JSON: .*BigInt/],
    [cyclic, /^a value cannot be written as JSON: .*circular/],
  ] as const) {
    t.throws(() => [...encoder({ unterminated: false })([value])], { code: 'ERR_STAGE_RESULT', message })
  }
})

t.test('a value that is nested 1e5 deep is written, or refused where the engine cannot', async t => {
  let deep: unknown[] = []
  for (let i = 0; i < 1e5; i++) deep = [deep]
  try {
    const [chunk] = [...encoder({ unterminated: false })([deep])]
    t.equal((chunk as Buffer).length, 2 * 1e5 + 3)
  } catch (error) {
    t.match(error, { code: 'ERR_STAGE_RESULT', message: /^a value cannot be written as JSON: .*call stack/ })
  }
})

t.test('an encoder with an `encode` of its own', async t => {
  const quote = encoder({ unterminated: false }, value => JSON.stringify(value, null, 1))
  t.equal(
    Buffer.concat((quote(['a', [1], Buffer.from('raw')]) as Batch).map(toBuffer)).toString(),
    '"a"\n[\n 1\n]\nraw',
  )
  const none = encoder({ unterminated: false }, () => undefined as never)
  t.throws(() => [...none([1])], { code: 'ERR_STAGE_RESULT', message: 'a number cannot be written as JSON' })
  const refusal = new TcpPipeError('ERR_RECORD_TOO_LONG', 'its own words')
  const refusing = encoder({ unterminated: false }, () => {
    throw refusal
  })
  t.throws(() => [...refusing([1])], refusal)
})

t.test('lines are strings', async t => {
  t.ok(areLines(['a', '']))
  t.notOk(areLines(['a', 1]))
})

t.test('the records before one that cannot be written come first (G-10)', async t => {
  for (const [batch, expected] of [
    [['a', 'b', 1n, 'c'], 'a\nb\n'],
    [['a', Buffer.from('raw'), 'b', () => {}], 'a\nrawb\n'],
    [[Buffer.from('raw'), 1n], 'raw'],
    [[1n], ''],
  ] as const) {
    const chunks: unknown[] = []
    t.throws(
      () => {
        for (const given of encoder({ unterminated: false })([...batch])) chunks.push(...(given as Batch))
      },
      { code: 'ERR_STAGE_RESULT' },
    )
    t.equal(Buffer.concat(chunks.map(toBuffer)).toString(), expected)
  }
})
