/** What precedes an error is delivered, and then the error comes: both the same, however the input is cut. */
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { compose } from '../../lib/stages/compose.js'
import { errorCode, errorMessage } from '../../lib/text/errors.js'
import fc from '../fast-check.js'
import { cutAt, cutEvery, cuts, run } from '../lib/pipes.js'
import { definitions, law, make, source } from './law.js'
import { noise, possible, zstdSync } from './support.js'

const text = Buffer.from('one\ntwo\nthree 漢字\n')
const broken = (bytes: Buffer, at: number) =>
  Buffer.from(bytes)
    .fill((bytes.at(at) as number) ^ 1, at)
    .fill(bytes.subarray(at + 1), at + 1)

/** A text in a format, with an error that the reader of the format finds behind it. */
function packed(pack: (bytes: Buffer) => Buffer, trailer: number): [string, Buffer][] {
  const whole = pack(text)
  return [
    ['data after the end', Buffer.concat([whole, Buffer.from('xyz')])],
    ['no end', whole.subarray(0, -1)],
    ['no data', whole.subarray(0, 0)],
    ...(trailer > 0 ? wrongTrailers(whole, trailer) : []),
  ]
}

function wrongTrailers(whole: Buffer, trailer: number): [string, Buffer][] {
  const wrong = broken(whole, whole.length - trailer)
  return [
    ['a wrong checksum', wrong],
    ['a wrong checksum before other data', Buffer.concat([wrong, whole])],
    ['a wrong last byte', broken(whole, whole.length - 1)],
    ['half a trailer', whole.subarray(0, -Math.ceil(trailer / 2))],
    ['no trailer', whole.subarray(0, -trailer)],
  ]
}

/** A member with all fields in its header. */
const adorned = Buffer.concat([
  Buffer.from('1f8b081e01020304000301000961006200334e', 'hex'),
  gzipSync(text).subarray(10),
])

function members(): [string, Buffer][] {
  const whole = gzipSync(text)
  const zeros = Buffer.alloc(5)
  return [
    ['data behind padding', Buffer.concat([whole, zeros, whole])],
    ['no end of a second member', Buffer.concat([whole, whole.subarray(0, -1)])],
    ['no end of a header', Buffer.concat([whole, adorned.subarray(0, 15)])],
    ['a wrong header', Buffer.concat([whole, broken(adorned, 17)])],
    ['a wrong byte behind members', Buffer.concat([whole, adorned, gzipSync(''), Buffer.of(0x1f, 0x8c)])],
  ]
}

/** Each byte wrong, and the input cut short before it. */
function* damaged(whole: Buffer): Generator<Buffer> {
  for (let at = 0; at < whole.length; at++) {
    yield broken(whole, at)
    yield whole.subarray(0, at)
  }
}

const tooLong = Buffer.from(`one\n\n漢字\n${'x'.repeat(101)}\nfour\n`)
const rows = '00000000  48 69 20 74 68 65 72 65  |Hi there|\n00000008  48 69 20 74 68 65 72 65  |Hi there|\n'

/** Inputs with an error, for each transform that can find one. Lines and values have at most 100 bytes. */
const failing: Record<string, [spec: string, inputs: () => [title: string, input: Buffer | string][]][]> = {
  'buffer-to-string': [
    [
      'buffer-to-string fatal=true',
      () => [
        ['a wrong byte', Buffer.from('aß漢\xff😀', 'latin1')],
        ['no end', Buffer.from('61c39fe282', 'hex')],
      ],
    ],
    [
      'buffer-to-string shift_jis fatal=true',
      () => [['a wrong byte', Buffer.from('6120 8abf20 8abf 6161ff 20 8abf'.replaceAll(' ', ''), 'hex')]],
    ],
    ['buffer-to-string utf-16le fatal=true', () => [['half a pair', Buffer.from('61003dd800de620000de6300', 'hex')]]],
  ],
  frame: [
    ["frame delimiter='||'", () => [['the delimiter in a line', 'one\ntwo\nth||ree\nfour\n']]],
    ['frame u8 max=5', () => [['a long line', 'one\n\nlonger\nfour\n']]],
  ],
  grep: [['grep [^q]', () => [['a long line', tooLong]]]],
  gunzip: [
    ['gunzip', () => [...packed(gzipSync, 8), ...members()]],
    ['gunzip max=7', () => [['a limit', gzipSync(text)]]],
    ['gunzip max=70000', () => [['a limit', gzipSync(noise(80_000))]]],
    ['gunzip ratio=1', () => [['a bomb', gzipSync(Buffer.alloc(17 * 2 ** 20))]]],
  ],
  head: [['head 9', () => [['a long line', tooLong]]]],
  inflate: [
    ['inflate', () => packed(deflateSync, 4)],
    ['inflate raw=true', () => packed(deflateRawSync, 0)],
    ['inflate max=7', () => [['a limit', deflateSync(text)]]],
  ],
  json: [
    [
      'json',
      () => [
        ['no JSON', '{"a":1}\nx\n'],
        ['among others', '1 [2]"3"{"a":"4"}5 6,7'],
        ['many lines', `${'{"a":1}\n'.repeat(3000)}{"a" 1}\n1\n`],
        ['many values in a line', `${'{} '.repeat(3000)}]`],
        ['no end', '1\n[2]\n{"a":\n'],
        ['a long value', `1\n"${'x'.repeat(99)}"`],
        ['a long value of other characters', `1\n"${'漢'.repeat(40)}"2`],
        ['a value that is deep, and long before', `1 ${'['.repeat(600)}`],
        ['a member twice', '{"a":1}\n{"a":1,"b":{},"a":2}\n3'],
      ],
    ],
    ['json pretty=true pick=a', () => [['no JSON', '{"a":1,"b":2}\nx\n']]],
  ],
  prefix: [["prefix '{number} '", () => [['a long line', tooLong]]]],
  replace: [['replace o 0', () => [['a long line', tooLong]]]],
  reset: [['reset after=7', () => [['a fault', text]]]],
  sample: [['sample 2', () => [['a long line', tooLong]]]],
  skip: [['skip 1', () => [['a long line', tooLong]]]],
  unbase64: [
    [
      'unbase64',
      () => [
        ['another character', 'SGVs\nbG8*bG8K'],
        ['data after the end', 'SGVsbG8=\nbG8K'],
        ['padding after the end', 'SGVsbA===='],
        ['unused bits', 'SGVsbG9=bG8K'],
        ['no end', 'SGVsb'],
      ],
    ],
  ],
  unbrotli: [
    ['unbrotli', () => packed(brotliCompressSync, 0)],
    ['unbrotli max=7', () => [['a limit', brotliCompressSync(text)]]],
  ],
  unframe: [
    [
      'unframe u8',
      () => [
        ['an LF', '\x02hi\x00\x01a\x02a\n\x01b'],
        ['no end', '\x02hi\x05abc'],
      ],
    ],
    ['unframe u16be max=3 raw=true', () => [['a long frame', '\0\x02hi\0\x03abc\0\x04abcd']]],
    ["unframe delimiter='||' max=3", () => [['a long frame', 'hi||abc||abcd||x']]],
  ],
  unhex: [
    [
      'unhex',
      () => [
        ['no digit', '48 69 0a 4x 48 48 48 48 48 48 48 48 48 48'],
        ['half a byte', '48 69 0a 4 8 48 48 48 48 48 48 48 48 48'],
        ['no end', '48 69 0a 48 69 0a 48 69 0a 48 69 0a 4'],
        ['a row that is missing', `${rows}00000018  48  |H|\n00000019\n`],
        ['a wrong digit in a row', `${rows}00000010  48 4x  |H.|\n00000012\n`],
        ['no last row', rows],
        ['a long row', `${rows}00000010  48 ${' '.repeat(5000)}\n00000011\n`],
      ],
    ],
  ],
  unzstd: [
    ['unzstd', () => packed(zstdSync, 0)],
    ['unzstd max=7', () => [['a limit', zstdSync(text)]]],
  ],
}

/** Transforms that take any bytes. Their own errors are those of a system, or of a program. */
const unfailing =
  'base64 brotli buffer corrupt counter crlf cut deflate delay digest drop dump escape exec gzip hex lf limit logger slice stall tee throttle zstd'

t.test('every transform that can fail is here', async t => {
  const names = definitions().map(({ name }) => name)
  t.same([...Object.keys(failing), ...unfailing.split(' ')].sort(), names.sort())
})

/** What came out, and the error. */
async function outcome(spec: string, chunks: Iterable<Buffer>): Promise<string> {
  const { chunks: given, error } = await run([make(spec).stream], chunks, { maxRecord: 100 })
  const message = error === undefined ? 'no error' : `${errorCode(error)} ${errorMessage(error)}`
  return `${Buffer.concat(given).toString('latin1')} ${message.replace(/: \d+ bytes of input gave .*/, '')}`
}

async function holds(t: Test, bytes: Buffer, outcome: (chunks: Buffer[]) => Promise<string>): Promise<void> {
  const expected = await outcome([bytes])
  t.equal(await outcome(cutEvery(bytes.length > 2000 ? 97 : 1, bytes)), expected, 'small chunks')
  for (let at = 0; bytes.length < 100 && at < bytes.length; at++) {
    const result = await outcome(cutAt([at], bytes))
    if (result !== expected) t.equal(result, expected, `cut at ${at}`)
  }
  const property = fc.asyncProperty(cuts, async places => (await outcome(cutAt(places, bytes))) === expected)
  await fc.assert(property, { numRuns: 20, seed: 1 })
}

for (const [spec, inputs] of Object.values(failing).flat()) {
  t.test(`what precedes an error in its input: ${spec} (G-10)`, possible(spec), async t => {
    for (const [title, input] of inputs()) {
      const bytes = Buffer.from(input as string)
      t.notMatch(await outcome(spec, [bytes]), / no error$/, title)
      await t.test(title, t => holds(t, bytes, chunks => outcome(spec, chunks)))
    }
  })
}

/** What follows an error in the middle may be anything, also no other error; but no cut changes it. */
for (const [spec, whole] of [
  ['gunzip', Buffer.concat([adorned, gzipSync(text, { strategy: constants.Z_HUFFMAN_ONLY }), gzipSync('')])],
  ['inflate', deflateSync(text)],
  ['inflate raw=true', deflateRawSync(Buffer.concat([text, noise(50)]))],
] as const) {
  t.test(`wherever the input is damaged: ${spec} (G-10)`, async t => {
    for (const bytes of damaged(whole)) {
      const expected = await outcome(spec, [bytes])
      const half = bytes.length >> 1
      for (const chunks of [
        cutEvery(1, bytes),
        cutEvery(7, bytes),
        cutAt([half], bytes),
        cutAt([bytes.length - 3], bytes),
      ]) {
        const result = await outcome(spec, chunks)
        if (result !== expected) t.equal(result, expected, `${bytes.toString('hex')} in ${chunks.length} chunks`)
      }
    }
  })
}

/** Passes the given number of bytes, then fails. */
function failAfter(bytes: number) {
  let left = bytes
  return function* fail(chunk: Buffer) {
    yield chunk.subarray(0, left)
    if (chunk.length > left) throw new Error('expected')
    left -= chunk.length
  }
}

law('what precedes an error of the stage before it (G-10)', async (t, { spec, input }) => {
  if (spec.startsWith('exec')) return // nobody knows what a program holds
  const bytes = input(3000, 10)
  const end = Math.floor((2 * bytes.length) / 3)
  await holds(t, bytes, async chunks => {
    const { chunks: given, error } = await run([compose(failAfter(end), make(spec).stream)], chunks)
    return `${Buffer.concat(given).toString('latin1')} ${error === undefined ? 'no error' : errorMessage(error)}`
  })
})

t.test('a sink has written it when the error comes (G-10)', async t => {
  for (const spec of [
    'json',
    'json | hex plain=true width=1',
    'json | slice 3',
    'json | slice 1 | delay 5ms | slice 2',
    'json | buffer 1m',
  ]) {
    for (const highWaterMark of [1, 100_000]) {
      let written = 0
      const sink = new Writable({
        highWaterMark,
        async write(chunk, _encoding, callback) {
          await setImmediate()
          written += chunk.length
          callback()
        },
      })
      const input = Buffer.from(`${'{"a":1}\n'.repeat(500)}x\n`)
      await t.rejects(pipeline(source([input]), make(spec).stream, sink), { code: 'ERR_JSON', message: /^line 501: / })
      t.equal(written, spec.includes('hex') ? 12_000 : 4000, `${spec}, ${highWaterMark}`)
    }
  }
})
