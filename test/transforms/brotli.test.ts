import { once } from 'node:events'
import { brotliDecompressSync, createBrotliDecompress } from 'node:zlib'
import t from 'tap'
import { brotli } from '../../transforms/brotli.js'
import { needs, noise, output } from '../laws/support.js'
import { cutEvery, run } from '../lib/pipes.js'

const input = Buffer.concat([noise(10_000), Buffer.alloc(100_000, 'text ')])

async function compressed(options: Parameters<typeof brotli>[0], chunks: Buffer[]): Promise<Buffer> {
  return Buffer.concat((await run([brotli(options)], chunks)).chunks)
}

t.test('each quality is undone by zlib', async t => {
  for (const quality of [0, 4, 11]) {
    const result = await compressed({ quality }, cutEvery(1000, input))
    t.ok(brotliDecompressSync(result).equals(input), `quality ${quality}`)
  }
})

t.test('the defaults are quality 4 and a window of 256 KiB', async t => {
  t.ok((await compressed({}, [input])).equals(await compressed({ quality: 4, window: 18 }, [input])))
})

t.test('only what repeats within the window makes it small', async t => {
  const twice = Buffer.concat([noise(200_000), noise(200_000)])
  t.ok((await compressed({}, [twice])).length < 210_000)
  t.ok((await compressed({ window: 16 }, [twice])).length > 390_000)
})

t.test('with flush nothing is held back', async t => {
  const stage = brotli({ flush: true })
  const back = stage.pipe(createBrotliDecompress())
  for (const typed of ['one', 'two']) {
    stage.write(typed)
    t.equal(String((await once(back, 'data'))[0]), typed)
  }
  stage.destroy()
})

t.test('brotli reads it', needs('brotli'), async t => {
  t.ok(output('brotli', ['-d', '-c'], await compressed({}, [input])).equals(input))
})

t.test('quality and window are checked', async t => {
  t.throws(() => brotli({ quality: 12 }), { code: 'ERR_OPTION', message: /from 0 to 11/ })
  t.throws(() => brotli({ window: 25 }), { code: 'ERR_OPTION', message: /from 10 to 24/ })
})
