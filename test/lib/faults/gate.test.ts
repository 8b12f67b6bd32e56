import { getEventListeners, once } from 'node:events'
import type { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { type Gate, gate } from '../../../lib/faults/gate.js'
import { grace } from '../../../lib/formats/delivery.js'
import { noise } from '../../laws/support.js'
import { closed, collect, endless } from '../network.js'
import { cutEvery, run, settled, source } from '../pipes.js'

interface Made {
  stream: Duplex
  strikes: number[]
  overs: () => number
}

/** A gate with places at these offsets. */
function make(offsets: number[], strike: (gate: Gate, offset: number) => void, at?: number): Made {
  const left = [...offsets]
  const strikes: number[] = []
  let position = 0
  let overs = 0
  function* places(chunk: Buffer) {
    while (left.length > 0 && (left[0] as number) <= position + chunk.length)
      yield { offset: left.shift() as number, index: 0 }
    position += chunk.length
  }
  const stream = gate({
    places,
    position: () => position,
    at,
    strike(controls, offset) {
      strikes.push(offset)
      strike(controls, offset)
    },
    over: () => {
      overs++
    },
  })
  return { stream, strikes, overs: () => overs }
}

const never = new AbortController().signal
const end = (gate: Gate) => gate.end()
const fail = (gate: Gate) => gate.fail(new Error('on purpose'))
const holdFor =
  (time?: number, signal = never) =>
  (gate: Gate) =>
    gate.hold(time, signal)

/** What a stream has given so far. */
function reader(stream: Duplex): { text: () => string } {
  let text = ''
  stream.on('data', chunk => {
    text += chunk
  })
  return { text: () => text }
}

/** The timers that would keep the process alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
}

t.test('without a place everything passes as it is', async t => {
  const chunks = cutEvery(10, noise(100))
  const { stream, strikes, overs } = make([], end)
  const passed = await run([stream], chunks)
  t.same(passed.chunks, chunks)
  t.same(strikes, [])
  t.ok(overs() > 0)
  t.equal((await run([make([], end).stream], [])).text, '')
})

t.test('what does nothing at a place lets everything pass', async t => {
  for (const size of [1, 4, 100]) {
    const { stream, strikes } = make([0, 3, 5, 26], () => {})
    t.equal((await run([stream], cutEvery(size, Buffer.from('abcdefghijklmnopqrstuvwxyz')))).text.length, 26)
    t.same(strikes, [0, 3, 5, 26])
  }
})

t.test('it ends at a place, without waiting for more', async t => {
  for (const [offset, expected] of [
    [0, ''],
    [2, 'ab'],
    [4, 'abcd'],
  ] as const) {
    const { stream } = make([offset], end)
    stream.write('abcd')
    t.equal(String(await collect(stream)), expected)
    await new Promise(resolve => stream.write('dropped', resolve))
    const finished = once(stream, 'close')
    stream.end()
    await finished
  }
})

t.test('it ends in the last chunk of its input', async t => {
  const { text, error } = await run([make([2], end).stream], 'abcd')
  t.equal(text, 'ab')
  t.equal(error, undefined)
})

t.test('it ends at once before the first byte is read', async t => {
  const { stream } = make([0], end)
  t.equal(String(await collect(stream)), '')
  await new Promise(resolve => stream.write('dropped', resolve))
  stream.destroy()
})

t.test('ended, it takes what an endless source gives, and leaves the event loop to others', async t => {
  const from = endless()
  const { stream } = make([10], end)
  from.pipe(stream)
  t.equal((await collect(stream)).length, 10)
  await setImmediate()
  from.unpipe(stream).destroy()
  stream.destroy()
})

t.test('it fails at a place when what is before it has been read', async t => {
  for (const offset of [0, 2, 4]) {
    const { stream } = make([offset], fail)
    stream.write('abcd')
    stream.end('e')
    const { text } = reader(stream)
    const [error] = await once(stream, 'error')
    t.equal(error.message, 'on purpose')
    t.equal(text(), 'abcd'.slice(0, offset))
  }
})

t.test('a failure waits for the reader, and gives it a while', async t => {
  const { stream } = make([2], fail)
  stream.on('error', () => {})
  stream.write('abcd')
  await once(stream, 'readable')
  await new Promise(resolve => setTimeout(resolve, 2 * grace)) // that nothing happens cannot be awaited
  t.notOk(stream.destroyed, 'nobody has read it')
  const start = performance.now()
  t.equal(String(stream.read()), 'ab')
  t.equal(stream.read(), null)
  await closed(stream)
  const took = performance.now() - start
  t.ok(took >= grace - 2, `${took} ms`)
})

t.test('a failure that is on its way is gone when it is destroyed', async t => {
  const before = timers()
  const { stream } = make([2], fail)
  stream.on('error', () => {})
  reader(stream)
  await setImmediate() // it flows
  stream.write('ab')
  t.equal(timers(), before + 1)
  stream.destroy()
  await closed(stream)
  t.equal(timers(), before)
})

t.test('it holds at a place, for so long and each time', async t => {
  const before = timers()
  for (const [offsets, size] of [
    [[3], 100],
    [[0, 3, 5, 26], 1],
    [[0, 3, 5, 26], 4],
    [[0, 3, 5, 26], 100],
  ] as const) {
    const start = performance.now()
    const { stream, strikes } = make([...offsets], holdFor(5))
    const { text, error } = await run([stream], cutEvery(size, Buffer.from('abcdefghijklmnopqrstuvwxyz')))
    const took = performance.now() - start
    t.equal(text, 'abcdefghijklmnopqrstuvwxyz')
    t.equal(error, undefined)
    t.same(strikes, offsets)
    t.ok(took >= 4 * offsets.length, `${took} ms`)
  }
  t.equal(timers(), before)
  t.equal(getEventListeners(never, 'abort').length, 0)
})

t.test('held, it holds the writer and the end, until it is released', async t => {
  for (const [input, passed] of [
    ['abcd', 'ab'],
    ['ab', 'ab'],
  ] as const) {
    const controller = new AbortController()
    const { stream } = make([2], holdFor(undefined, controller.signal))
    const { text } = reader(stream)
    let written = 0
    let ended = false
    stream.on('end', () => {
      ended = true
    })
    stream.write(input, () => written++)
    stream.write('more', () => written++)
    stream.end()
    t.equal(await settled(() => text().length), passed.length)
    t.notOk(ended)
    t.equal(written, 0)
    controller.abort()
    await once(stream, 'end')
    t.equal(text(), `${input}more`)
    t.equal(written, 2)
    t.equal(getEventListeners(controller.signal, 'abort').length, 0)
  }
})

t.test('held at the end of its input, it holds the end', async t => {
  const controller = new AbortController()
  const { stream } = make([], holdFor(undefined, controller.signal), 1)
  const { text } = reader(stream)
  stream.write('a')
  while (getEventListeners(controller.signal, 'abort').length === 0) await setImmediate()
  stream.end('b')
  t.equal(await settled(() => text().length), 1)
  controller.abort()
  await once(stream, 'end')
  t.equal(text(), 'ab')
})

t.test('held, it stops the source', async t => {
  let taken = 0
  const from = source(cutEvery(16_384, noise(2 ** 20))).on('data', chunk => {
    taken += chunk.length
  })
  const { stream } = make([1000], holdFor())
  const { text } = reader(from.pipe(stream))
  t.ok((await settled(() => taken)) <= 2 ** 18, `${taken} bytes were taken in`)
  t.equal(text().length > 0, true)
  stream.destroy()
  await closed(stream)
  t.equal(getEventListeners(never, 'abort').length, 0)
})

t.test('a reader that does not read stops the source', async t => {
  let taken = 0
  const from = source(cutEvery(16_384, noise(2 ** 20))).on('data', chunk => {
    taken += chunk.length
  })
  const { stream } = make([], end)
  from.pipe(stream)
  t.ok((await settled(() => taken)) <= 2 ** 18, `${taken} bytes were taken in`)
  t.ok(stream.readableLength <= 16_384)
  t.equal((await collect(stream)).length, 2 ** 20)
})

t.test('a place in time', async t => {
  const before = timers()
  for (const [strike, check] of [
    [end, (stream: Duplex) => once(stream, 'end')],
    [fail, async (stream: Duplex) => t.match(await once(stream, 'error'), [{ message: 'on purpose' }])],
  ] as const) {
    for (const first of ['', 'abc']) {
      const { stream, strikes } = make([], strike, 5)
      const { text } = reader(stream)
      if (first) stream.write(first)
      await check(stream)
      t.same(strikes, [first.length])
      t.equal(text(), first)
      stream.destroy()
    }
  }
  t.equal(timers(), before)
})

t.test('a place in time that is later than the end, and after a destroy', async t => {
  const before = timers()
  const { stream, strikes, overs } = make([], end, 60_000)
  t.equal(timers(), before, 'it has not begun')
  t.equal((await run([stream], 'abc')).text, 'abc')
  t.equal(timers(), before)
  t.ok(overs() > 0)
  const destroyed = make([], end, 60_000)
  destroyed.stream.write('abc')
  t.equal(timers(), before + 1)
  destroyed.stream.destroy()
  t.equal(timers(), before)
  t.equal(destroyed.overs(), 1)
  t.same([...strikes, ...destroyed.strikes], [])
})
