import t from 'tap'
import { compose } from '../../lib/stages/compose.js'
import { hex } from '../../transforms/hex.js'
import { needs, noise, output } from '../laws/support.js'
import { cutEvery, run, textOf } from '../lib/pipes.js'

const sizes = [0, 1, 7, 8, 9, 15, 16, 17, 29, 30, 31, 60, 255, 65_535, 65_536, 65_537, 200_000]
const allBytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))

t.test('canonical, byte for byte as hexdump', needs('hexdump'), async t => {
  for (const input of [...sizes.map(size => noise(size)), allBytes]) {
    const expected = output('hexdump', ['-v', '-C'], input).toString()
    t.ok((await textOf([hex()], input)) === expected, `${input.length} bytes`)
    t.ok((await textOf([hex()], cutEvery(1009, input))) === expected, `${input.length} bytes in chunks`)
  }
})

t.test('plain, byte for byte as xxd', needs('xxd'), async t => {
  for (const size of sizes) {
    const expected = output('xxd', ['-p'], noise(size)).toString()
    t.ok((await textOf([hex({ plain: true })], noise(size))) === expected, `${size} bytes`)
  }
  for (let width = 1; width <= 256; width += 5) {
    const expected = output('xxd', ['-p', '-c', String(width)], noise(1000)).toString()
    t.equal(await textOf([hex({ plain: true, width })], noise(1000)), expected, `width ${width}`)
  }
})

t.test('other widths keep the columns', async t => {
  for (const [width, input, expected] of [
    [1, 'ab', '00000000  61  |a|\n00000001  62  |b|\n00000002\n'],
    [4, 'abcde', '00000000  61 62 63 64  |abcd|\n00000004  65           |e|\n00000005\n'],
    [
      8,
      '12345678\t',
      '00000000  31 32 33 34 35 36 37 38  |12345678|\n00000008  09                       |.|\n00000009\n',
    ],
    [
      12,
      '123456789abc1',
      '00000000  31 32 33 34 35 36 37 38  39 61 62 63  |123456789abc|\n' +
        '0000000c  31                                    |1|\n0000000d\n',
    ],
  ] as const) {
    t.equal(await textOf([hex({ width })], input), expected, `width ${width}`)
  }
  const lines = (await textOf([hex({ width: 256 })], noise(300))).split('\n')
  t.equal(lines[0]?.indexOf('|'), lines[1]?.indexOf('|'), 'width 256')
})

t.test('nothing comes of nothing', async t => {
  t.equal(await textOf([hex()], ''), '')
  t.equal(await textOf([hex({ plain: true, offset: 100 })], ''), '')
})

t.test('an offset to begin with, and offsets of more than 8 digits', needs('hexdump'), async t => {
  t.equal(
    await textOf([hex({ offset: 255, width: 2 })], 'abc'),
    '000000ff  61 62  |ab|\n00000101  63     |c|\n00000102\n',
  )
  t.match(
    await textOf([hex({ offset: 2 ** 32 - 8, width: 3 })], 'abcdefghijkl0'),
    new RegExp(
      '^fffffff8 {2}.*\\|abc\\|\nfffffffb {2}.*\\|def\\|\nfffffffe {2}.*\\|ghi\\|\n' +
        '100000001 {2}.*\\|jkl\\|\n100000004 {2}30 {8}\\|0\\|\n100000005\n$',
    ),
  )
  const far = await textOf([hex({ offset: 2 ** 44 })], noise(32))
  t.match(far, /^100000000000 {2}.*\n100000000010 {2}.*\n100000000020\n$/)
  t.equal(far.replaceAll('1000000000', '000000'), output('hexdump', ['-v', '-C'], noise(32)).toString())
})

t.test('a full row is not held back, and a row that is not full is', async t => {
  const stream = compose(hex())
  const chunks: string[] = []
  stream.on('data', chunk => chunks.push(chunk.toString()))
  await new Promise(resolve => stream.write('0123456789abcdef01', resolve))
  t.match(chunks, [/^00000000 .*\|0123456789abcdef\|\n$/])
  stream.end('2')
  await new Promise(resolve => stream.on('close', resolve))
  t.match(chunks.slice(1), [/^00000010 {2}30 31 32 .*\|012\|\n00000013\n$/])
})

t.test('a large chunk is worked in blocks', async t => {
  const { chunks } = await run([compose(chunk => chunk), hex()], [noise(1_000_000)])
  t.ok(Math.max(...chunks.map(chunk => chunk.length)) <= 4096 * 79)
  const expected = await run([hex()], cutEvery(999, noise(1_000_000)))
  t.ok(Buffer.concat(chunks).equals(Buffer.concat(expected.chunks)))
})

t.test('options are checked', async t => {
  t.throws(() => hex({ width: 0 }), { code: 'ERR_OPTION', message: /from 1 to 256/ })
  t.throws(() => hex({ width: 257 }), { code: 'ERR_OPTION' })
})
