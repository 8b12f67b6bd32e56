import t from 'tap'
import { type TriggerValues, triggerOptions } from '../../../lib/faults/trigger.js'
import { fromStart, type StartingPoint, triggeredStage } from '../../../lib/faults/triggered.js'
import { openContext, type Surroundings } from '../../../lib/stages/context.js'
import { connection, memoryLog } from '../../laws/support.js'
import { fakeClock } from '../clock.js'
import { cutEvery, textOf } from '../pipes.js'

const letters = 'abcdefghijklmnopqrstuvwxyz'

/** The stage that is its start, what was logged and the warnings. */
function open(given: Partial<TriggerValues>, surroundings: Surroundings = { connection }) {
  const values = Object.fromEntries(Object.keys(triggerOptions).map(key => [key, undefined]))
  const { log, lines } = memoryLog()
  const warnings: string[] = []
  const warn = (message: string) => void warnings.push(message)
  const { context } = openContext({ log, warn, ...surroundings })
  const stage = triggeredStage('slow', { ...(values as unknown as TriggerValues), ...given }, context, start => ({
    start,
  }))
  return { stage, start: (stage as { start: StartingPoint }).start, lines, warnings }
}

/** What is before the start, and what is behind it. */
function parts(start: StartingPoint, chunks: Iterable<Buffer>): [string, string] {
  const split = Array.from(chunks, chunk => start.split(chunk).map(String))
  return [split.map(([before]) => before).join(''), split.map(([, behind]) => behind).join('')]
}

t.test('the first place, wherever the chunks are cut', async t => {
  for (const [values, before] of [
    [{ after: 0 }, 0],
    [{ after: 1 }, 1],
    [{ after: 13 }, 13],
    [{ after: 25 }, 25],
    [{ on: 'cde' }, 5],
    [{ on: 'e', after: 4 }, 5],
    [{ on: 'e', nth: 1 }, 5],
    [{ on: 'e', probability: 1 }, 5],
    [{ connection: 1 }, 0],
    [{ at: 0 }, 0],
    [{ probability: 1, block: 4, after: 6 }, 8],
  ] as const) {
    for (const size of [1, 5, 13, 100]) {
      const { start, lines, warnings } = open(values)
      const title = `${JSON.stringify(values)} by ${size}`
      t.same(
        parts(start, cutEvery(size, Buffer.from(letters))),
        [letters.slice(0, before), letters.slice(before)],
        title,
      )
      start.over()
      t.same(warnings, [])
      t.match(lines, [{ fault: 'slow', direction: 'reply', offset: before }])
      t.equal(lines.length, 1, 'it is logged once, although there may be more places')
    }
  }
})

t.test('chance is that of the other faults', async t => {
  const offset = (seed: number) => {
    const { start, lines } = open({ probability: 0.1, block: 1, seed })
    start.split(Buffer.alloc(1000))
    t.match(lines, [{ seed }])
    return lines[0]?.offset
  }
  t.equal(offset(1), offset(1))
  t.ok(new Set([1, 2, 3, 4, 5].map(offset)).size > 1)
})

t.test('with at it is the first byte that comes so late', async t => {
  const clock = fakeClock(t)
  const { start, lines } = open({ at: 50 })
  const at = (time: number, text: string) => {
    clock.now = 1000 + time
    return start.split(Buffer.from(text)).map(String)
  }
  t.same(at(0, 'ab'), ['ab', ''])
  t.same(at(49, 'cd'), ['cd', ''])
  t.same(at(50, ''), ['', ''])
  t.same(lines, [])
  t.same(at(70, 'ef'), ['', 'ef'])
  t.same(at(71, 'gh'), ['', 'gh'])
  t.match(lines, [{ offset: 4 }])
})

t.test('without a trigger there is none', async t => {
  for (const values of [{}, { seed: 1 }]) t.same(open(values).stage, { start: undefined })
})

t.test('in another connection everything passes', async t => {
  const { stage, lines, warnings } = open({ connection: 2, after: 1 })
  const chunk = Buffer.from('abc')
  t.equal((stage as (chunk: Buffer) => Buffer)(chunk), chunk)
  t.same([lines, warnings], [[], []])
})

t.test('one that never comes is a warning, once', async t => {
  for (const [values, expected] of [
    [{ after: 26 }, 'reply: slow after=26 never fired: only 26 bytes arrived'],
    [{ on: 'e', nth: 3 }, 'reply: slow on=e nth=3 never fired: 1 of 3 found'],
    [{ on: 'xyz' }, 'reply: slow on=xyz never fired: no byte followed it'],
    [{ at: 60_000 }, 'reply: slow at=1m never fired: no byte arrived after that time'],
  ] as const) {
    const { start, lines, warnings } = open(values)
    t.same(parts(start, cutEvery(5, Buffer.from(letters))), [letters, ''])
    start.over()
    start.over()
    t.same(warnings, [expected])
    t.same(lines, [])
  }
  const { start, warnings } = open({ probability: 0 })
  start.over()
  t.same(warnings, [])
})

t.test('a function that is called with what is behind', async t => {
  for (const size of [1, 5, 13, 100]) {
    const upper = fromStart(open({ on: 'cde' }).start, chunk => String(chunk).toUpperCase())
    t.equal(await textOf([upper], cutEvery(size, Buffer.from(letters))), `abcde${letters.slice(5).toUpperCase()}`)
  }
  const seen: string[] = []
  const note = fromStart(open({ after: 3 }).start, chunk => void seen.push(String(chunk)))
  for (const text of ['ab', 'c', 'de', 'f']) note(Buffer.from(text))
  t.same(seen, ['de', 'f'], 'never with nothing')
})
