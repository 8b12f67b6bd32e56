import t, { type Test } from 'tap'
import { send } from '../../lib/send.js'
import { serve } from '../../lib/serve.js'
import { compose } from '../../lib/stages/compose.js'
import { limit } from '../../transforms/limit.js'
import { spec } from '../../transforms/spec.js'
import { noise } from '../laws/support.js'
import { checkCuts, faulty } from '../lib/faults.js'
import { clientOf, collect, endless, memorySink, silent } from '../lib/network.js'
import { cutEvery, textOf } from '../lib/pipes.js'

const letters = 'abcdefghijklmnopqrstuvwxyz'

t.test('what passes', async t => {
  for (const [size, expected] of [
    [0, ''],
    [1, 'a'],
    [4, 'abcd'],
    [6, 'abcdef'],
    [100, 'abcdef'],
  ] as const) {
    for (const every of [1, 2, 3, 100])
      t.equal(await textOf([limit({ size })], cutEvery(every, Buffer.from('abcdef'))), expected, `${size} by ${every}`)
  }
  t.equal(await textOf(spec('limit 5 | hex plain=true')(), noise(1000)), `${noise(5).toString('hex')}\n`)
})

t.test('the end comes with the last byte, or with the first one if there is none to pass', async t => {
  for (const [size, before, last] of [
    [6, 'abc', 'def'],
    [2, 'a', 'bcd'],
    [0, '', 'a'],
  ] as const) {
    const stage = compose(limit({ size }))
    let ended = false
    stage.on('end', () => {
      ended = true
    })
    stage.resume()
    await new Promise(resolve => stage.write(before, resolve))
    t.notOk(ended)
    stage.write(last)
    await new Promise(resolve => stage.once('end', resolve))
    stage.destroy()
  }
})

async function serving(t: Test, text: string) {
  const server = await serve({ port: 0, reply: true, transforms: spec(text) })
  t.teardown(() => server.close({ drain: 0 }))
  return server.address as { port: number }
}

t.test('a client that sends just as many bytes and waits gets them and the end', async t => {
  const address = await serving(t, 'limit 5')
  for (const data of ['hello', 'hello and more']) {
    const client = clientOf(t, address)
    client.write(data)
    t.equal(String(await collect(client)), 'hello')
  }
})

t.test('the same from an endless source, and from one that falls silent', async t => {
  const { port } = await serving(t, 'limit 100000')
  for (const from of [endless(), silent()]) {
    from.push(noise(100_000))
    const output = memorySink()
    const summary = await send({ port, from, output, transforms: spec('limit 100000') })
    t.equal(output.data.length, 100_000)
    t.match(summary, { bytesIn: 100_000, bytesOut: 100_000, closedBy: 'local' })
    t.ok(from.destroyed, 'the source is released')
  }
})

t.test('in the reply of send', async t => {
  const { port } = await serving(t, 'slice 3')
  const output = memorySink()
  await send({ port, from: silentAfter('hello'), output, replyTransforms: spec('limit 4') })
  t.equal(String(output.data), 'hell')
})

function silentAfter(text: string) {
  const source = silent()
  source.push(text)
  source.push(null)
  return source
}

t.test('the size is asked for', async t => {
  t.throws(() => spec('limit'), { code: 'ERR_SPEC', message: /limit needs size/ })
})

t.test('behind a place, wherever the chunks are cut', async t => {
  for (const [options, expected, offsets] of [
    ['limit 3 after=5', 'abcdefgh', [5]],
    ['limit 0 after=5', 'abcde', [5]],
    ['limit 100 after=5', letters, [5]],
    ['limit 3 on=cd', 'abcdefg', [4]],
    ['limit 3 after=25', letters, [25]],
    ['limit 3 connection=1', 'abc', [0]],
    ['limit 3 at=0', 'abc', [0]],
    ['limit 3 probability=1 block=10 after=1', 'abcdefghijklm', [10]],
  ] as const) {
    for (const size of [1, 5, 7, 100]) {
      const ran = await faulty(options, cutEvery(size, Buffer.from(letters)))
      t.match(ran, { text: expected, error: undefined, warnings: [] }, `${options} by ${size}`)
      t.same(ran.offsets, offsets)
    }
  }
})

t.test('any cuts', t => checkCuts(t, 'limit 7'))

t.test('elsewhere everything passes as it is, and one that never comes is a warning', async t => {
  for (const [options, warnings] of [
    ['connection=2', []],
    ['after=26', ['reply: limit after=26 never fired: only 26 bytes arrived']],
    ['on=c nth=2', ['reply: limit on=c nth=2 never fired: 1 of 2 found']],
    ['probability=0', []],
  ] as const) {
    const ran = await faulty(`limit 0 ${options}`, letters)
    t.same(ran, { data: Buffer.from(letters), text: letters, error: undefined, offsets: [], warnings }, options)
  }
})

t.test('what is refused', async t => {
  t.throws(() => spec('limit 5 nth=1'), { code: 'ERR_SPEC', message: /limit nth= needs on=/ })
  t.throws(() => spec('limit 5 at=1s after=3'), { message: /limit takes at= or after=, not both/ })
  t.doesNotThrow(() => spec("limit 5 on='\\r\\n\\r\\n' nth=2 connection=3"))
})
