import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import zlib from 'node:zlib'
import t from 'tap'
import { unzstd } from '../../transforms/unzstd.js'
import { zstd } from '../../transforms/zstd.js'
import { needs, noise, output, possible } from '../laws/support.js'
import { cutEvery, run } from '../lib/pipes.js'

const { skip } = possible('zstd')
const input = Buffer.concat([noise(10_000), Buffer.alloc(100_000, 'text ')])

async function compressed(options: Parameters<typeof zstd>[0]): Promise<Buffer> {
  return Buffer.concat((await run([zstd(options)], cutEvery(1000, input))).chunks)
}

t.test('a Node without it is refused at once', async t => {
  t.intercept(zlib, 'createZstdCompress' as never, { value: undefined, configurable: true })
  const message = `zstd needs Node 22.15, 23.8 or later; this is ${process.version}`
  t.throws(() => zstd(), { code: 'ERR_OPTION', message })
})

t.test('what Node is asked for', async t => {
  const asked: unknown[] = []
  const value = (options: unknown) => {
    asked.push(options)
    return new PassThrough()
  }
  t.intercept(zlib, 'createZstdCompress' as never, { value, configurable: true })
  for (const options of [{}, { level: 19, flush: true }]) await run([zstd(options)], 'x')
  t.same(asked, [
    { params: { 100: 3, 201: 1 }, flush: 0 },
    { params: { 100: 19, 201: 1 }, flush: 1 },
  ])
})

t.test('each level is undone', { skip }, async t => {
  for (const level of [1, 3, 19]) {
    const { chunks } = await run([unzstd()], await compressed({ level }))
    t.ok(Buffer.concat(chunks).equals(input), `level ${level}`)
  }
})

t.test('with flush nothing is held back', { skip }, async t => {
  const stage = zstd({ flush: true })
  const back = stage.pipe(unzstd())
  for (const typed of ['one', 'two']) {
    stage.write(typed)
    t.equal(String((await once(back, 'data'))[0]), typed)
  }
  stage.destroy()
})

t.test('zstd reads it, checksum and all', { skip: skip || needs('zstd').skip }, async t => {
  const result = await compressed({})
  t.ok(output('zstd', ['-d', '-c'], result).equals(input))
  t.equal(result.readUInt8(4) & 4, 4, 'the flag of the checksum')
})

t.test('the level is checked', async t => {
  t.throws(() => zstd({ level: 20 }), { code: 'ERR_OPTION', message: /from 1 to 19/ })
})
