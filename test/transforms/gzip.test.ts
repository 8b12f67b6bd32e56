import { once } from 'node:events'
import { createGunzip, gunzipSync } from 'node:zlib'
import t from 'tap'
import { gzip } from '../../transforms/gzip.js'
import { needs, noise, output } from '../laws/support.js'
import { cutEvery, run } from '../lib/pipes.js'

const input = Buffer.concat([noise(10_000), Buffer.alloc(100_000, 'text ')])

async function gzipped(options: Parameters<typeof gzip>[0], chunks: Buffer[]): Promise<Buffer> {
  return Buffer.concat((await run([gzip(options)], chunks)).chunks)
}

t.test('each level is undone by zlib, and a higher one is not larger', async t => {
  const sizes: number[] = []
  for (const level of [0, 1, 6, 9]) {
    const result = await gzipped({ level }, cutEvery(1000, input))
    t.ok(gunzipSync(result).equals(input), `level ${level}`)
    sizes.push(result.length)
  }
  t.same(
    sizes,
    sizes.toSorted((a, b) => b - a),
  )
})

t.test('the default is level 6', async t => {
  t.ok((await gzipped({}, [input])).equals(await gzipped({ level: 6 }, [input])))
})

t.test('of nothing an empty member is made', async t => {
  t.equal(gunzipSync(await gzipped({}, [])).length, 0)
})

t.test('gzip reads it', needs('gzip'), async t => {
  t.ok(output('gzip', ['-d', '-c'], await gzipped({}, [input])).equals(input))
})

t.test('with flush nothing is held back', async t => {
  const stage = gzip({ flush: true })
  const back = stage.pipe(createGunzip())
  for (const typed of ['one', 'two']) {
    stage.write(typed)
    t.equal(String((await once(back, 'data'))[0]), typed)
  }
  stage.destroy()
})

t.test('the level is checked', async t => {
  t.throws(() => gzip({ level: 10 }), { code: 'ERR_OPTION', message: /from 0 to 9/ })
})
