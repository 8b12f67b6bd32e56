import { once } from 'node:events'
import { createInflate, inflateRawSync, inflateSync } from 'node:zlib'
import t from 'tap'
import { deflate } from '../../transforms/deflate.js'
import { needs, noise, output } from '../laws/support.js'
import { cutEvery, run } from '../lib/pipes.js'

const input = Buffer.concat([noise(10_000), Buffer.alloc(100_000, 'text ')])

async function deflated(options: Parameters<typeof deflate>[0], chunks: Buffer[]): Promise<Buffer> {
  return Buffer.concat((await run([deflate(options)], chunks)).chunks)
}

t.test('each level is undone by zlib, and a higher one is not larger', async t => {
  const sizes: number[] = []
  for (const level of [0, 1, 6, 9]) {
    const result = await deflated({ level }, cutEvery(1000, input))
    t.ok(inflateSync(result).equals(input), `level ${level}`)
    sizes.push(result.length)
  }
  t.same(
    sizes,
    sizes.toSorted((a, b) => b - a),
  )
})

t.test('raw leaves out the header of two bytes and the checksum of four', async t => {
  const raw = await deflated({ raw: true }, [input])
  t.ok(inflateRawSync(raw).equals(input))
  t.ok(raw.equals((await deflated({}, [input])).subarray(2, -4)))
})

t.test('with flush nothing is held back', async t => {
  const stage = deflate({ flush: true })
  const back = stage.pipe(createInflate())
  for (const typed of ['one', 'two']) {
    stage.write(typed)
    t.equal(String((await once(back, 'data'))[0]), typed)
  }
  stage.destroy()
})

t.test('zlib of Python reads it', needs('python3'), async t => {
  const script = 'import sys, zlib; sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read()))'
  t.ok(output('python3', ['-c', script], await deflated({}, [input])).equals(input))
})

t.test('the level is checked', async t => {
  t.throws(() => deflate({ level: 10 }), { code: 'ERR_OPTION', message: /from 0 to 9/ })
})
