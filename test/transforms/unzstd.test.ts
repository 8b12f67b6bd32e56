import { once } from 'node:events'
import zlib, { createGunzip } from 'node:zlib'
import t from 'tap'
import { unzstd } from '../../transforms/unzstd.js'
import { zstd } from '../../transforms/zstd.js'
import { needs, noise, output, possible, zstdSync } from '../laws/support.js'
import { bomb, explode } from '../lib/bombs.js'
import { cutEvery, errorOf, run, textOf } from '../lib/pipes.js'

const { skip } = possible('unzstd')
const sizes = [1, 2, 3, 7, 16, 1000]

t.test('a Node without it is refused at once', async t => {
  t.intercept(zlib, 'createZstdCompress' as never, { value: undefined, configurable: true })
  const message = `unzstd needs Node 22.15, 23.8 or later; this is ${process.version}`
  t.throws(() => unzstd(), { code: 'ERR_OPTION', message })
})

t.test('what Node is asked for, and what is seen before it gets anything', async t => {
  const asked: unknown[] = []
  const value = (options: unknown) => {
    asked.push(options)
    return createGunzip()
  }
  for (const name of ['createZstdCompress', 'createZstdDecompress'])
    t.intercept(zlib, name as never, { value, configurable: true })
  for (const options of [{}, { window: 27 }])
    t.match(await errorOf([unzstd(options)], 'text'), { code: 'ERR_INPUT', message: /^unzstd: not zstd data$/ })
  t.same(asked, [
    { chunkSize: 65_536, readableHighWaterMark: 1, params: { 100: 23 } },
    { chunkSize: 65_536, readableHighWaterMark: 1, params: { 100: 27 } },
  ])
})

t.test('frames, cut anywhere', { skip }, async t => {
  const [hello, you] = [zstdSync('hello'), zstdSync(' you')]
  const skippable = Buffer.from('\x5a\x2a\x4d\x18\x04\0\0\0abcd', 'latin1')
  for (const [title, parts, expected] of [
    ['one frame', [hello], 'hello'],
    ['two frames', [hello, you], 'hello you'],
    ['an empty frame', [zstdSync(''), hello], 'hello'],
    ['skippable frames', [skippable, hello, skippable, skippable, you, skippable], 'hello you'],
    ['a skippable frame alone', [skippable], ''],
  ] as const) {
    for (const size of sizes)
      t.equal(await textOf([unzstd()], cutEvery(size, Buffer.concat(parts))), expected, `${title} by ${size}`)
  }
})

t.test('what is no zstd, ends early, goes on or is damaged', { skip }, async t => {
  const hello = zstdSync('hello')
  const damaged = Buffer.from(hello).fill(0xff, 6, 9)
  for (const [title, input, message] of [
    ['nothing', Buffer.alloc(0), /^unzstd: unexpected end of file$/],
    ['text', Buffer.from('hello, hello'), /^unzstd: not zstd data$/],
    ['cut short', hello.subarray(0, -1), /^unzstd: unexpected end of file$/],
    ['the second frame cut short', Buffer.concat([hello, hello.subarray(0, 5)]), /^unzstd: unexpected end of file$/],
    ['text behind it', Buffer.concat([hello, Buffer.from('garbage')]), /^unzstd: unexpected data after the end/],
    ['damaged', damaged, /^unzstd: ./],
  ] as const) {
    for (const size of sizes)
      t.match(await errorOf([unzstd()], cutEvery(size, input)), { code: 'ERR_INPUT', message }, `${title} by ${size}`)
  }
})

t.test('max and ratio', { skip }, async t => {
  t.match(await errorOf([unzstd({ max: 4 })], zstdSync('hello')), { code: 'ERR_OUTPUT_LIMIT', message: /max=4 bytes/ })
  const { error, size } = await explode(unzstd(), bomb(zstd(), 300))
  t.match(error, { code: 'ERR_OUTPUT_LIMIT', message: /the output exceeds ratio=1000: / })
  t.ok(size <= 16 * 2 ** 20)
})

t.test('a frame gets no more memory than the window allows', { skip }, async t => {
  const announced = Buffer.from('28b52ffd0088', 'hex') // a window of 128 MiB
  t.match(await errorOf([unzstd()], announced), { code: 'ERR_INPUT', message: /too much memory/ })
  t.match(await errorOf([unzstd({ window: 27 })], announced), { message: /unexpected end of file/ })
})

t.test('what comes is given on before the frame ends', { skip }, async t => {
  const stage = unzstd()
  const typing = zstd({ flush: true })
  typing.pipe(stage)
  typing.write('one')
  t.equal(String((await once(stage, 'data'))[0]), 'one')
  typing.destroy()
  stage.destroy()
})

t.test('what zstd writes', { skip: skip || needs('zstd').skip }, async t => {
  for (const args of [['-1'], ['-19'], ['--no-check'], ['-3', '--long=23']]) {
    const { chunks } = await run([unzstd()], cutEvery(1000, output('zstd', [...args, '-c'], noise(200_000))))
    t.ok(Buffer.concat(chunks).equals(noise(200_000)), args.join(' '))
  }
})
