import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { compose } from '../../lib/compose.js'
import { serve } from '../../lib/serve.js'
import { slice } from '../../transforms/slice.js'
import { spec } from '../../transforms/spec.js'
import { noise } from '../laws/support.js'
import { clientOf } from '../lib/network.js'
import { type Input, source } from '../lib/pipes.js'

/** What is written to a sink, by write; a slow one lets chunks pile up in front of it. */
async function written(size: number, input: Input, { slowly = false } = {}): Promise<Buffer[]> {
  const chunks: Buffer[] = []
  const sink = new Writable({
    async write(chunk, _encoding, callback) {
      chunks.push(chunk)
      if (slowly) await setImmediate()
      callback()
    },
  })
  await pipeline(source(input), slice({ size }), sink)
  return chunks
}

t.test('where the chunks are cut', async t => {
  for (const [size, input, expected] of [
    [3, ['abcdefgh'], ['abc', 'def', 'gh']],
    [3, ['abc'], ['abc']],
    [3, ['a', 'bcd', 'efghi'], ['a', 'bcd', 'efg', 'hi']],
    [1, ['ab', 'c'], ['a', 'b', 'c']],
    [100, ['ab', 'c'], ['ab', 'c']],
    [3, [], []],
  ] as const) {
    for (const slowly of [false, true])
      t.same((await written(size, input, { slowly })).map(String), expected, `${input} by ${size}`)
  }
})

t.test('a large chunk by single bytes', async t => {
  const chunks = await written(1, [noise(200_000)])
  t.equal(chunks.length, 200_000)
  t.ok(Buffer.concat(chunks).equals(noise(200_000)))
})

t.test('nothing is held back', async t => {
  const stage = compose(slice({ size: 1000 }))
  const seen: string[] = []
  stage.on('data', chunk => seen.push(String(chunk)))
  for (const text of ['a', 'bc']) {
    await new Promise(resolve => stage.write(text, resolve))
    t.equal(seen.at(-1), text)
  }
  stage.destroy()
})

t.test('the next stage sees the borders', async t => {
  const sizes: number[] = []
  const note = (chunk: Buffer) => {
    sizes.push(chunk.length)
    return chunk
  }
  await compose(slice({ size: 300 }), note)
    .end(noise(1000))
    .resume()
    .toArray()
  t.same(sizes, [300, 300, 300, 100])
})

t.test('over a connection', async t => {
  const sizes: number[] = []
  const to = new Writable({
    write(chunk, _encoding, callback) {
      sizes.push(chunk.length)
      callback()
    },
  })
  await using server = await serve({ port: 0, to, transforms: spec('slice 100') })
  const client = clientOf(t, server.address as { port: number })
  await new Promise(resolve => client.resume().end(noise(1000)).once('end', resolve))
  t.ok(sizes.every(size => size <= 100))
  t.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    1000,
  )
})

t.test('the size is asked for', async t => {
  t.throws(() => spec('slice'), { code: 'ERR_SPEC', message: /slice needs size/ })
  t.throws(() => spec('slice 0'), { code: 'ERR_SPEC', message: /slice size: '0' is not allowed; .* at least 1/ })
})
