import t from 'tap'
import { hex } from '../../transforms/hex.js'
import { unhex } from '../../transforms/unhex.js'
import { needs, noise, output } from '../laws/support.js'
import { cutAt, cutEvery, errorOf, run, textOf } from '../lib/pipes.js'

const canonical = '00000000  48 69 20 7c 0a 41 42 43  |Hi |.ABC|\n00000008  0a  |.|\n00000009\n'

t.test('what is read', async t => {
  for (const [title, input, expected] of [
    ['plain', '48692021', 'Hi !'],
    ['plain in lines, upper and lower case', '4a\n4B4b\n', 'JKK'],
    ['plain with white space of every kind', ' \t48\r\n\n\v69\f 20\n', 'Hi '],
    ['plain, the first line eight digits alone', '30313233\n3435', '012345'],
    ['plain, eight digits and two spaces', '30313233  34353637\n', '01234567'],
    ['plain, longer than any offset', '30'.repeat(100), '0'.repeat(100)],
    ['plain, behind a lot of white space', `${' '.repeat(100)}30`, '0'],
    ['nothing', '', ''],
    ['white space alone', ' \n', ''],
    ['canonical', canonical, 'Hi |\nABC\n'],
    ['canonical, upper case and CRLF', canonical.replaceAll('\n', '\r\n').replace('7c', '7C'), 'Hi |\nABC\n'],
    ['canonical, blank lines', `\n${canonical.replaceAll('\n', '\n \n')}`, 'Hi |\nABC\n'],
    ['canonical, the last line without LF', canonical.trimEnd(), 'Hi |\nABC\n'],
    ['canonical without the text', '00000000  48 69\n00000002', 'Hi'],
    ['canonical, no space between digits', '00000000  48 69\n00000002  2121\n00000004', 'Hi!!'],
  ] as const) {
    t.equal(await textOf([unhex()], input), expected, title)
    t.equal(await textOf([unhex()], cutEvery(1, Buffer.from(input))), expected, `${title}, byte by byte`)
  }
})

t.test('the form can be given', async t => {
  t.equal(await textOf([unhex({ form: 'plain' })], '30313233  34 '), '01234')
  t.equal(await textOf([unhex({ form: 'canonical' })], ''), '')
  t.equal(await textOf([unhex({ form: 'canonical' })], '00000000\n'), '')
  t.match(await errorOf([unhex({ form: 'canonical' })], '3031\n'), {
    message: /line 1: no offset at the beginning/,
  })
  t.equal(await textOf([unhex({ offset: 16 })], '00000010  30 |0|\n00000011\n'), '0')
})

t.test('what is refused, with its line', async t => {
  const row = (offset: string) => `${offset}  30 30 30 30 30 30 30 30  |00000000|\n`
  for (const [input, message] of [
    ['30 3x', /^unhex: line 1: 'x' is not a hex digit$/],
    ['30\n31\n3 2', /^unhex: line 3: odd number of hex digits$/],
    ['30\n313', /^unhex: line 2: odd number/],
    ['\n\n30\x1b', /^unhex: line 3: '\\e' is not a hex digit$/],
    ['30\n*\n30', /^unhex: line 2: '\*' stands for omitted rows; make the dump with 'hexdump -v'$/],
    ['00000000: 4865 6c6c 6f0a', /^unhex: line 1: ':' is not a hex digit$/],
    [`${row('00000000')}*\n00000020\n`, /^unhex: line 2: '\*' stands for omitted rows/],
    [`${row('00000000')}${row('00000010')}`, /^unhex: line 2: offset 00000010 instead of 00000008: rows are missing$/],
    [row('00000010'), /^unhex: line 1: offset 00000010 instead of 00000000/],
    [row('00000000'), /^unhex: line 2: the last offset, 00000008, is missing: the dump is truncated$/],
    [`${row('00000000')}00000008  30`, /^unhex: line 3: the last offset, 00000009, is missing/],
    [`${row('00000000')}0000008\n`, /^unhex: line 2: no offset at the beginning$/],
    [`${row('00000000')}hello\n`, /^unhex: line 2: no offset at the beginning$/],
    [`${row('00000000')}00000008  3x |0|\n`, /^unhex: line 2: 'x' is not a hex digit$/],
    [`${row('00000000')}00000008  x3 |0|\n`, /^unhex: line 2: 'x' is not a hex digit$/],
    [`${row('00000000')}00000008: 30\n`, /^unhex: line 2: ':' is not a hex digit$/],
    [`${row('00000000')}00000008  3 |0|\n`, /^unhex: line 2: odd number of hex digits/],
    [`${row('00000000')}00000008  3\n`, /^unhex: line 2: odd number of hex digits/],
    [`${row('00000000')}00000008  ${'30 '.repeat(2000)}`, /^unhex: line 2: longer than 4096 bytes$/],
  ] as const) {
    t.match(await errorOf([unhex()], input), { code: 'ERR_INPUT', message }, input.slice(-20))
    t.match(await errorOf([unhex()], cutEvery(1, Buffer.from(input))), { code: 'ERR_INPUT', message }, 'byte by byte')
  }
})

t.test('hex and back, each width and form, cut anywhere', async t => {
  const input = noise(1000)
  for (let width = 1; width <= 256; width++) {
    for (const plain of [false, true]) {
      const dump = await run([hex({ width, plain })], input)
      const back = await run([unhex()], cutAt([width, 3 * width, 997 * width], Buffer.from(dump.text)))
      t.ok(Buffer.concat(back.chunks).equals(input), `width ${width}, plain ${plain}`)
    }
  }
})

t.test('large dumps', async t => {
  const input = noise(300_000)
  for (const options of [{}, { plain: true }, { width: 200 }, { offset: 2 ** 32 - 1000 }]) {
    const { chunks } = await run([hex(options), unhex({ offset: options.offset })], input)
    t.ok(Buffer.concat(chunks).equals(input), JSON.stringify(options))
  }
})

t.test('what hexdump -v -C and xxd -p write', needs('hexdump', 'xxd'), async t => {
  for (const size of [1, 16, 17, 100_000]) {
    for (const [program, ...args] of [
      ['hexdump', '-v', '-C'],
      ['xxd', '-p'],
      ['xxd', '-p', '-c', '0'],
    ] as const) {
      const { chunks } = await run([unhex()], cutEvery(777, output(program, args, noise(size))))
      t.ok(Buffer.concat(chunks).equals(noise(size)), `${program} ${size}`)
    }
  }
  const squeezed = output('hexdump', ['-C'], Buffer.alloc(100))
  t.match(await errorOf([unhex()], squeezed), { message: /line 2: '\*' stands for omitted rows/ })
})

t.test('bytes come as soon as their digits are there', async t => {
  const stream = unhex({ form: 'plain' })
  const first = new Promise(resolve => stream.once('data', resolve))
  stream.write('48696')
  t.equal(String(await first), 'Hi')
  stream.end('9')
  t.same(await stream.toArray(), [Buffer.from('i')])
})

t.test('the bytes before an error come first (G-10)', async t => {
  const rows = '00000000  61 62  |ab|\n00000002  63 64  |cd|\n'
  for (const [input, expected] of [
    [`61 62\n${'63'.repeat(20)} 6x`, `ab${'c'.repeat(20)}`],
    [`61 62\n${'63'.repeat(20)} 6 64`, `ab${'c'.repeat(20)}`],
    ['61 62\n6', 'ab'],
    [`${rows}00000005  65  |e|\n`, 'abcd'],
    [`${rows}00000004  65 6x  |e.|\n`, 'abcd'],
    [rows, 'abcd'],
    [rows.slice(0, -1), 'abcd'],
    [`${rows}00000004  65${' '.repeat(5000)}\n00000005\n`, 'abcd'],
  ] as const) {
    for (const size of [1, 7, 10_000]) {
      const { text, error } = await run([unhex()], cutEvery(size, Buffer.from(input)))
      t.equal(text, expected, `${input.slice(0, 100)} by ${size}`)
      t.match(error, { code: 'ERR_INPUT' })
    }
  }
  const long = `${rows}00000004  65${' '.repeat(5000)}\n00000005\n`
  for (const size of [1, 10_000])
    t.match(await errorOf([unhex()], cutEvery(size, Buffer.from(long))), {
      message: 'unhex: line 3: longer than 4096 bytes',
    })
})
