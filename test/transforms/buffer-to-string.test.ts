import { once } from 'node:events'
import t from 'tap'
import { compose } from '../../lib/stages/compose.js'
import { bufferToString } from '../../transforms/buffer-to-string.js'
import { hex } from '../../transforms/hex.js'
import { spec } from '../../transforms/spec.js'
import { cutAt, cutEvery, errorOf, fused, run, textOf } from '../lib/pipes.js'

t.test('UTF-8 split at every pair of positions (A-08)', async t => {
  const text = 'aé€😀zß漢🏳' // characters of 1, 2, 3 and 4 bytes
  const bytes = Buffer.from(text)
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      const strings: unknown[] = []
      const note = (string: unknown) => void strings.push(string)
      await textOf([compose(bufferToString(), note)], cutAt([first, second], bytes))
      t.ok(strings.every(string => typeof string === 'string' && !/^\p{Surrogate}|\p{Surrogate}$/u.test(string)))
      t.equal(strings.join(''), text, `${first}, ${second}`)
    }
  }
})

t.test('invalid UTF-8 becomes U+FFFD as the standard specifies, in any chunking (A-08)', async t => {
  for (const [bytes, expected] of [
    ['61ff62', 'a\ufffdb'],
    ['c080', '\ufffd\ufffd'],
    ['e080af', '\ufffd\ufffd\ufffd'],
    ['eda080', '\ufffd\ufffd\ufffd'],
    ['f09f98', '\ufffd'],
    ['f09f9861', '\ufffda'],
    ['e282c3a9', '\ufffdé'],
    ['f4908080', '\ufffd\ufffd\ufffd\ufffd'],
    ['c3', '\ufffd'],
  ] as const) {
    const input = Buffer.from(bytes, 'hex')
    t.equal(await textOf([bufferToString()], input), expected, bytes)
    t.equal(await textOf([bufferToString()], cutEvery(1, input)), expected, `${bytes} byte by byte`)
  }
})

t.test('encodings, each byte by itself', async t => {
  for (const [encoding, bytes, expected] of [
    ['latin1', 'e9800a', 'é€\n'],
    ['windows-1252', '80', '€'],
    ['iso-8859-15', 'a4', '€'],
    ['UTF-16LE', '3dd800de', '😀'],
    ['utf-16be', 'd83dde00', '😀'],
    ['shift_jis', '8abf8e9a', '漢字'],
    ['gb18030', '9439da33', '💩'],
    ['euc-kr', 'c7d1', '한'],
    ['koi8-r', 'c1', 'а'],
  ] as const) {
    t.equal(await textOf([bufferToString({ encoding })], cutEvery(1, Buffer.from(bytes, 'hex'))), expected, encoding)
    t.equal(await textOf([bufferToString({ encoding })], Buffer.from(bytes, 'hex')), expected, encoding)
  }
})

t.test('a byte order mark is kept in UTF-8 and dropped from UTF-16; a second one is text (A-08)', async t => {
  for (const [encoding, bytes, expected] of [
    ['utf-8', 'efbbbf61efbbbf', '\ufeffa\ufeff'],
    ['utf8', 'efbbbf61', '\ufeffa'],
    ['utf-16le', 'fffe6100fffe', 'a\ufeff'],
    ['utf-16be', 'feff0061feff', 'a\ufeff'],
  ] as const) {
    t.equal(await textOf([bufferToString({ encoding })], Buffer.from(bytes, 'hex')), expected, encoding)
    t.equal(await textOf([bufferToString({ encoding })], cutEvery(1, Buffer.from(bytes, 'hex'))), expected, encoding)
  }
})

t.test('fatal fails on what is no text, also on half a character at the end', async t => {
  const message = 'buffer-to-string: The encoded data was not valid for encoding utf-8'
  for (const bytes of ['61ff', '61c3']) {
    const input = Buffer.from(bytes, 'hex')
    t.match(await errorOf([bufferToString({ fatal: true })], input), { code: 'ERR_INPUT', message, cause: TypeError })
  }
  t.equal(await textOf([bufferToString({ fatal: true })], cutEvery(1, Buffer.from('é😀'))), 'é😀')
})

t.test('what stands behind it: functions receive strings, transforms their unit', async t => {
  const lengths: number[] = []
  const stage = compose(bufferToString({ encoding: 'latin1' }), text => {
    lengths.push(text.length)
    return text.toUpperCase()
  })
  t.equal(await textOf([stage], Buffer.from('e9e8', 'hex')), 'ÉÈ')
  t.same(lengths, [2])
  t.equal(await textOf([bufferToString({ encoding: 'latin1' }), hex({ plain: true })], Buffer.from([0xe9])), 'c3a9\n')
})

t.test('wrong bytes of multi-byte encodings, in chunks of any size', async t => {
  const wrong = Buffer.from('9533393620ff8130813081ff41fe', 'hex')
  for (const encoding of ['gbk', 'gb18030', 'big5', 'euc-jp', 'euc-kr', 'shift_jis']) {
    const expected = new TextDecoder(encoding).decode(wrong)
    for (const size of [1, 2, 3, 100])
      t.equal(await textOf([bufferToString({ encoding })], cutEvery(size, wrong)), expected, `${encoding} by ${size}`)
  }
})

t.test('what is whole goes on at once, and what is not holds little', async t => {
  const seen: number[] = []
  const stage = compose(bufferToString({ encoding: 'gbk' }), text => void seen.push(text.length))
  stage.resume()
  for (const [bytes, length] of [
    [Buffer.from('ls'), 2],
    [Buffer.from([0x81]), undefined],
    [Buffer.from([0x40]), undefined],
    [Buffer.from([0x0a]), 2],
    [Buffer.alloc(70_000, '8140', 'hex'), 18_616],
  ] as const) {
    seen.length = 0
    await new Promise(resolve => stage.write(bytes, resolve))
    t.equal(seen[0], length)
  }
  stage.destroy()
})

t.test('the encoding is checked', async t => {
  const expected = { code: 'ERR_OPTION', message: /'nope' is not allowed; expected an encoding of the WHATWG/ }
  t.throws(() => bufferToString({ encoding: 'nope' }), expected)
  t.throws(() => spec('buffer-to-string nope'), { code: 'ERR_SPEC', message: /column 18.*'nope' is not allowed/ })
})

t.test('fatal: the text before what is wrong comes first (G-10)', async t => {
  for (const [encoding, hex, expected] of [
    ['utf-8', '61c39fff62', 'aß'],
    ['utf-8', '61e6bca2e2', 'a漢'],
    ['utf-16le', '61003dd800de620000de6300', 'a😀b'],
    ['shift_jis', '61208abf208abf81ad206161', 'a 漢 '],
    ['shift_jis', '61208abf20628abf41ff412062', 'a 漢 b'],
    ['shift_jis', '61208abf208a', 'a 漢 '],
  ] as const) {
    const bytes = Buffer.from(hex, 'hex')
    for (const size of [1, 2, 3, 5, 100]) {
      const { text, error } = await run([bufferToString({ encoding, fatal: true })], cutEvery(size, bytes))
      t.equal(text, expected, `${encoding} ${hex} by ${size}`)
      t.match(error, { code: 'ERR_INPUT' })
    }
  }
})

t.test('single bytes that are held take time of their number (G-13)', { timeout: 20_000 }, async t => {
  const stage = fused([bufferToString({ encoding: 'gbk' })])
  let length = 0
  stage.on('data', chunk => {
    length += chunk.length
  })
  for (let i = 0; i < 200_000; i++) if (!stage.write(Buffer.of(i % 2 === 0 ? 0xb0 : 0xa1))) await once(stage, 'drain')
  stage.end()
  await once(stage, 'end')
  t.equal(length, 300_000)
})
