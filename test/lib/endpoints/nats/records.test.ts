import fc from 'fast-check'
import t from 'tap'
import type { RecordFormat } from '../../../../lib/endpoints/nats/parameters.js'
import { Gatherer, type Message } from '../../../../lib/endpoints/nats/records.js'

const numRuns = 300

/** The messages of some chunks. With `pause`, what is whole is taken after each chunk. */
function messagesOf(records: RecordFormat, maxMessage: number, chunks: Iterable<Buffer>, pause = false): Message[] {
  const gatherer = new Gatherer({ records, maxMessage, maxRecord: 1000 })
  const all: Message[] = []
  for (const chunk of chunks) {
    all.push(...gatherer.write(chunk))
    if (pause) all.push(...gatherer.take())
    chunk.fill(255) // the writer uses it again
  }
  return [...all, ...gatherer.end()]
}

function textsOf(records: RecordFormat, maxMessage: number, ...chunks: string[]): string[] {
  const bytes = chunks.map(chunk => Buffer.from(chunk, 'latin1'))
  return messagesOf(records, maxMessage, bytes).map(({ data }) => data.toString('latin1'))
}

/** Cuts bytes at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const all = [0, ...places.map(place => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return all.slice(1).map((end, i) => Buffer.from(bytes.subarray(all[i], end)))
}

t.test('as many whole lines as a message has room for', async t => {
  t.same(textsOf('lines', 8, 'one\ntwo\nthree\nfour\n'), ['one\ntwo\n', 'three\n', 'four\n'])
  t.same(textsOf('lines', 100, 'one\ntw', 'o\nthr', 'ee'), ['one\ntwo\nthree'])
  t.same(textsOf('lines', 8, 'a\nlonger than eight\nb\n'), ['a\n', 'longer than eight\n', 'b\n'])
  t.same(textsOf('lines', 8, 'a\nlonger ', 'than', ' eight'), ['a\n', 'longer than eight'])
  t.same(textsOf('lines', 8, 'onetw', '\nthree\n'), ['onetw\n', 'three\n'])
  t.same(textsOf('lines', 8), [])
})

t.test('other records: NUL, chunks, frames', async t => {
  t.same(textsOf('nul', 8, 'one\0two\0thr', 'ee\0'), ['one\0two\0', 'three\0'])
  t.same(textsOf('chunks', 4, 'abcdef', 'gh'), ['abcd', 'efgh'])
  t.same(textsOf('u8', 8, '\x03one\x03t', 'wo\x05three'), ['\x03one\x03two', '\x05three'])
  t.same(textsOf('u8', 4, '\x01a\x08long', 'long\x01b'), ['\x01a', '\x08longlong', '\x01b'])
  t.same(textsOf('varint', 4, '\x80\x00\x01', 'x\x81\x00y'), ['\x80\x00\x01x', '\x81\x00y'])
  t.throws(() => textsOf('u8', 8, '\x03on'), { code: 'ERR_INPUT' })
})

t.test('a record that is too long fails, also before its end has come', async t => {
  for (const chunks of [['x'.repeat(1001)], ['x'.repeat(600), 'x'.repeat(600)], [`${'x'.repeat(1000)}\n`]])
    t.throws(() => textsOf('lines', 64, ...chunks), { code: 'ERR_RECORD_TOO_LONG', message: /1000 bytes.*max_payload/ })
  t.throws(() => textsOf('u16be', 64, '\x7f\xff'), { code: 'ERR_RECORD_TOO_LONG' })
  t.equal(textsOf('lines', 64, `${'x'.repeat(999)}\n`).length, 1)
})

t.test('however the data is cut: every byte once, at its offset, in whole records', async t => {
  const kinds = [
    ['lines', (text: string) => Buffer.from(`${text.replaceAll('\n', '')}\n`)],
    ['nul', (text: string) => Buffer.from(`${text.replaceAll('\0', '')}\0`)],
    ['u8', (text: string) => Buffer.from([text.length, ...Buffer.from(text, 'latin1')])],
    ['u32le', (text: string) => Buffer.concat([Buffer.from([text.length, 0, 0, 0]), Buffer.from(text, 'latin1')])],
  ] as const
  for (const [records, encode] of kinds) {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 40 })),
        fc.array(fc.nat()),
        fc.integer({ min: 1, max: 100 }),
        fc.boolean(),
        (texts, places, maxMessage, pause) => {
          const encoded = texts.map(encode)
          const bytes = Buffer.concat(encoded)
          let end = 0
          const ends = new Set(encoded.map(each => (end += each.length)))
          let offset = 0
          const messages = messagesOf(records, maxMessage, cut(bytes, places), pause)
          for (const { data, offset: start } of messages) {
            t.equal(start, offset)
            offset += data.length
            if (!ends.has(offset)) t.fail(`a message of ${records} ends at ${offset}`)
            const inside = [...ends].filter(each => each > start && each < offset)
            if (data.length > maxMessage && inside.length > 0) t.fail(`${data.length} bytes in several records`)
          }
          if (!Buffer.concat(messages.map(({ data }) => data)).equals(bytes)) t.fail('other bytes')
        },
      ),
      { numRuns },
    )
  }
})
