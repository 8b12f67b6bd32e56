import { once } from 'node:events'
import { mock } from 'node:test'
import t from 'tap'
import { openContext } from '../../lib/stages/context.js'
import { counter } from '../../transforms/counter.js'
import { connection, memoryLog, noise } from '../laws/support.js'
import { cutEvery, errorOf, run } from '../lib/pipes.js'

t.test('what is counted', async t => {
  for (const [title, chunks, bytes, lines] of [
    ['nothing', [], 0, 0],
    ['a line', ['one\n'], 4, 1],
    ['a line without LF', ['one'], 3, 1],
    ['lines over chunks', ['o', 'ne\ntw', 'o\n', '\n', 'three'], 14, 4],
    ['empty lines', ['\n\n\n'], 3, 3],
  ] as const) {
    const { log, lines: logged } = memoryLog()
    const { text } = await run([counter()], chunks, { log })
    t.equal(text, chunks.join(''), title)
    t.same(logged, [{ level: 30, bytes, chunks: chunks.length, lines, msg: 'counter' }], title)
  }
})

t.test('large chunks', async t => {
  const { log, lines } = memoryLog()
  const input = noise(1_000_000)
  const { chunks } = await run([counter()], cutEvery(70_000, input), { log, connection })
  t.ok(Buffer.concat(chunks).equals(input))
  const expected = input.filter(byte => byte === 10).length + (input.at(-1) === 10 ? 0 : 1)
  t.match(lines, [{ bytes: 1_000_000, lines: expected, direction: 'reply' }])
})

t.test('the counts so far', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const { log, lines } = memoryLog()
  const stage = counter({ every: 1000 }, openContext({ log }).context)
  mock.timers.tick(5000)
  t.same(lines, [], 'nothing before the first chunk')
  stage.write('one\ntwo')
  await once(stage, 'data')
  mock.timers.tick(999)
  t.same(lines, [])
  mock.timers.tick(1)
  t.match(lines, [{ bytes: 7, chunks: 1, lines: 2 }])
  stage.end('\n')
  await once(stage.resume(), 'close')
  mock.timers.tick(5000)
  t.match(lines.slice(1), [{ bytes: 8, chunks: 2, lines: 2 }], 'one at the end, and no more')
})

t.test('a connection that fails logs none, and leaves no timer', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const { log, lines } = memoryLog()
  const fail = () => {
    throw new Error('behind it')
  }
  t.match(await errorOf([counter({ every: 1000 }), fail], 'one\n', { log }), { message: 'behind it' })
  mock.timers.tick(5000)
  t.same(lines, [])
})

t.test('its timer does not keep the process', async t => {
  const before = process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const stage = counter({ every: 100_000 })
  stage.write('one')
  await once(stage, 'data')
  t.equal(process.getActiveResourcesInfo().filter(name => name === 'Timeout').length, before)
  stage.destroy()
})

t.test('an interval that no timer can wait for is refused', async t => {
  t.throws(() => counter({ every: 2 ** 31 }), { code: 'ERR_OPTION' })
})
