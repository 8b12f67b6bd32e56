import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { serve } from '../../lib/serve.js'
import { compose } from '../../lib/stages/compose.js'
import { slice } from '../../transforms/slice.js'
import { spec } from '../../transforms/spec.js'
import { noise } from '../laws/support.js'
import { checkCuts, faulty, throughEcho } from '../lib/faults.js'
import { clientOf } from '../lib/network.js'
import { type Input, source } from '../lib/pipes.js'
import { passesAtOnce } from './holding.js'

const letters = 'abcdefghijklmnopqrstuvwxyz'

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

t.test('nothing is held back', t => passesAtOnce(t, compose(slice({ size: 1000 }))))

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

/** The chunks that come out of the stages of a spec for an input, each of which has gone on before the next one is written. */
async function slicesOf(text: string, input: readonly string[]): Promise<string[]> {
  const stage = compose(...spec(text)())
  const seen: string[] = []
  stage.on('data', chunk => seen.push(String(chunk)))
  for (const each of input) await new Promise(resolve => stage.write(each, resolve))
  await new Promise(resolve => stage.once('end', resolve).end())
  return seen
}

t.test('what is before a place stays together', async t => {
  for (const [options, input, expected] of [
    ['slice 2 after=4', ['abcdefg'], ['abcd', 'ef', 'g']],
    ['slice 2 after=4', ['abcd', 'efg'], ['abcd', 'ef', 'g']],
    ['slice 2 after=4', ['abc', 'de', 'fgh'], ['abc', 'd', 'e', 'fg', 'h']],
    ['slice 3 on=cd', ['abc', 'defghi', 'jklm'], ['abc', 'd', 'efg', 'hi', 'jkl', 'm']],
    ['slice 1 connection=1', ['abc'], ['a', 'b', 'c']],
    ['slice 1 connection=2', ['abc', 'de'], ['abc', 'de']],
    ['slice 1 probability=1 block=3 after=1', ['abcde'], ['abc', 'd', 'e']],
  ] as const)
    t.same(await slicesOf(options, input), expected, `${options}: ${input}`)
})

t.test('any cuts', t => checkCuts(t, 'slice 7'))

t.test('elsewhere everything passes as it is, and one that never comes is a warning', async t => {
  for (const [options, warnings] of [
    ['connection=2', []],
    ['after=26', ['reply: slice after=26 never fired: only 26 bytes arrived']],
    ['on=c nth=2', ['reply: slice on=c nth=2 never fired: 1 of 2 found']],
    ['probability=0', []],
  ] as const) {
    const ran = await faulty(`slice 1 ${options}`, letters)
    t.same(ran, { data: Buffer.from(letters), text: letters, error: undefined, offsets: [], warnings }, options)
  }
})

t.test('destroyed before the place it warns, too', async t => {
  const warnings: string[] = []
  const stage = slice({ size: 1, after: 5 }, { warn: message => void warnings.push(message) })
  await new Promise(resolve => stage.write('abc', resolve))
  await new Promise(resolve => stage.once('close', resolve).destroy())
  t.same(warnings, ['slice after=5 never fired: only 3 bytes arrived'])
})

t.test('in a connection the warning is one of its summary', async t => {
  const { outcomes, summaries } = await throughEcho(t, 'slice 1 on=c connection=2', ['abc', 'ab'])
  t.match(outcomes, [{ text: 'abc' }, { text: 'ab' }])
  const missed = 'forward: slice on=c connection=2 never fired: not found'
  t.same(
    summaries.map(({ warnings }) => warnings),
    [[], [missed]],
  )
})

t.test('what is refused', async t => {
  t.throws(() => spec('slice 5 nth=1'), { code: 'ERR_SPEC', message: /slice nth= needs on=/ })
  t.throws(() => spec('slice 5 at=1s after=3'), { message: /slice takes at= or after=, not both/ })
  t.doesNotThrow(() => spec("slice 5 on='\\r\\n\\r\\n' nth=2 connection=3"))
})
