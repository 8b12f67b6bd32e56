import t from 'tap'
import { base64 } from '../../transforms/base64.js'
import { unbase64 } from '../../transforms/unbase64.js'
import fc from '../fast-check.js'
import { needs, noise, output } from '../laws/support.js'
import { cutEvery, errorOf, run, textOf } from '../lib/pipes.js'

const sizes = [1, 2, 3, 5, 100]

t.test('what is read, cut anywhere', async t => {
  for (const [title, input, expected] of [
    ['nothing', '', ''],
    ['white space alone', ' \r\n\t\v\f', ''],
    ['two characters of padding', 'Zg==', 'f'],
    ['one', 'Zm8=', 'fo'],
    ['none is needed', 'Zm9v', 'foo'],
    ['padding left out', 'Zm9vYg', 'foob'],
    ['one left out', 'Zm9vYmE', 'fooba'],
    ['lines', 'Zm9v\nYmFy\n', 'foobar'],
    ['lines that end with CR LF, within groups', 'Zm\r\n9vY\r\nmFy\r\n', 'foobar'],
    ['white space between all', ' Z m\t9 v\nY\vg\f=\r\n= \n', 'foob'],
    ['white space behind the padding', 'Zg==\n \n', 'f'],
  ] as const) {
    for (const size of sizes)
      t.equal(await textOf([unbase64()], cutEvery(size, Buffer.from(input))), expected, `${title} by ${size}`)
  }
})

t.test('both alphabets, even mixed', async t => {
  for (const input of ['+/+//g==', '-_-__g==', '-_-__g', '+_-_/g']) {
    const { chunks } = await run([unbase64()], input)
    t.same(Buffer.concat(chunks), Buffer.of(0xfb, 0xff, 0xbf, 0xfe), input)
  }
})

t.test('what is refused, with its line, cut anywhere', async t => {
  for (const [input, message] of [
    ['Zm9v!', /^unbase64: line 1: '!' is not a base64 character$/],
    ['Zm9v\nYm*y\nYmFy', /^unbase64: line 2: '\*' is not a base64 character$/],
    ['Zm9v\r\n\r\nYmFyYmFyYmFy\x1b', /^unbase64: line 3: '\\e' is not a base64 character$/],
    ['Zm9v\n\nZ', /^unbase64: line 3: 'Z' is incomplete: the text is truncated$/],
    ['Zm9vZ\n', /^unbase64: line 2: 'Z' is incomplete/],
    ['=', /^unbase64: line 1: unexpected '='$/],
    ['Zm9v=', /^unbase64: line 1: unexpected '='$/],
    ['Z===', /^unbase64: line 1: unexpected '='$/],
    ['Zg===', /^unbase64: line 1: unexpected '='$/],
    ['Zm8==', /^unbase64: line 1: unexpected '='$/],
    ['Zg=', /^unbase64: line 1: missing '=' at the end$/],
    ['Zg==\nZg==', /^unbase64: line 2: unexpected 'Z' after the final '='$/],
    ['Zg=g', /^unbase64: line 1: unexpected 'g' after the final '='$/],
    ['Zh==', /^unbase64: line 1: unused bits in 'h': the text is truncated or changed$/],
    ['Zh', /^unbase64: line 1: unused bits in 'h': the text is truncated or changed$/],
    ['Zm9', /^unbase64: line 1: unused bits in '9': the text is truncated or changed$/],
  ] as const) {
    for (const size of sizes)
      t.match(
        await errorOf([unbase64()], cutEvery(size, Buffer.from(input))),
        { code: 'ERR_INPUT', message },
        `${JSON.stringify(input)} by ${size}`,
      )
  }
})

t.test('every byte that is no character of it is refused, wherever it stands', async t => {
  const allowed = /[\w+/=\s-]/
  for (let byte = 0; byte < 256; byte++) {
    if (byte < 128 && allowed.test(String.fromCharCode(byte))) continue
    for (const at of [0, 3, 4, 41])
      t.match(await errorOf([unbase64()], Buffer.alloc(64, 'Zm9v').fill(byte, at, at + 1)), { code: 'ERR_INPUT' })
  }
})

t.test('what Node writes, in lines of any width', async () => {
  const property = fc.asyncProperty(
    fc.uint8Array({ maxLength: 500 }),
    fc.integer({ min: 1, max: 100 }),
    fc.boolean(),
    async (array, width, url) => {
      const text = Buffer.from(array).toString(url ? 'base64url' : 'base64')
      const { chunks, error } = await run([unbase64()], text.replace(RegExp(`.{${width}}`, 'g'), '$&\n'))
      return error === undefined && Buffer.concat(chunks).equals(array)
    },
  )
  await fc.assert(property, { seed: 1 })
})

t.test('large texts, and what base64 writes', needs('base64'), async t => {
  const input = noise(300_000)
  for (const args of [
    ['-w', '0'],
    ['-w', '76'],
    ['-w', '1'],
  ]) {
    const { chunks } = await run([unbase64()], output('base64', args, input))
    t.ok(Buffer.concat(chunks).equals(input), args.join(' '))
  }
  t.equal(await textOf([base64({ width: 76 }), unbase64()], 'there and back'), 'there and back')
})

t.test('bytes come as soon as their group is there', async t => {
  const stream = unbase64()
  for (const [typed, expected] of [
    ['Zm9vY', 'foo'],
    ['g==', 'b'],
  ] as const) {
    const next = new Promise(resolve => stream.once('data', resolve))
    stream.write(typed)
    t.equal(String(await next), expected)
  }
  stream.destroy()
})

t.test('the bytes before an error come first (G-10)', async t => {
  for (const [input, expected] of [
    ['Zm9v\nYm9v!Zm9v', 'fooboo'],
    ['Zm9vYm8=\nZm9v', 'foobo'],
    ['Zm9vZg===', 'foof'],
    ['Zm9vZh==', 'foo'],
    ['Zm9vZ', 'foo'],
  ] as const) {
    for (const size of sizes) {
      const { text, error } = await run([unbase64()], cutEvery(size, Buffer.from(input)))
      t.equal(text, expected, `${input} by ${size}`)
      t.match(error, { code: 'ERR_INPUT' })
    }
  }
})
