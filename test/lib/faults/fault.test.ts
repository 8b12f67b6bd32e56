import t from 'tap'
import { type Fault, faultStage } from '../../../lib/faults/fault.js'
import { type TriggerValues, triggerOptions } from '../../../lib/faults/trigger.js'
import { openContext, type Surroundings } from '../../../lib/stages/context.js'
import { connection, memoryLog } from '../../laws/support.js'

interface Given extends Surroundings {
  values?: Partial<TriggerValues>
  needsByte?: boolean
}

/** A fault, what it logged and the warnings. */
function open({ values, needsByte = false, ...surroundings }: Given) {
  const none = Object.fromEntries(Object.keys(triggerOptions).map(key => [key, undefined]))
  const { log, lines } = memoryLog()
  const warnings: string[] = []
  const warn = (message: string) => void warnings.push(message)
  const opened = openContext({ log, warn, ...surroundings })
  const options = {
    name: 'cut',
    values: { ...(none as unknown as TriggerValues), ...values },
    context: opened.context,
    needsByte,
  }
  const stage = faultStage(options, fault => ({ fault }))
  return { stage, fault: (stage as { fault: Fault }).fault, lines, warnings, ...opened }
}

/** The blocks of many that chance chose. */
function chosen(given: Given): string {
  const { fault } = open({ ...given, values: { probability: 0.3, block: 1, ...given.values } })
  return Array.from(fault.places(Buffer.alloc(300)), place => place.offset).join()
}

t.test('chance depends on the seed, the number of the connection and the direction', async t => {
  const forward = { ...connection, direction: 'forward' } as const
  const keys: Given[] = [
    { values: { seed: 1 }, connection },
    { values: { seed: 2 }, connection },
    { values: { seed: 1 }, connection: { ...connection, number: 2 } },
    { values: { seed: 1 }, connection: forward },
  ]
  const results = keys.map(chosen)
  t.equal(new Set(results).size, keys.length)
  t.same(keys.map(chosen), results, 'each can be repeated')
  t.equal(chosen({ values: { seed: 1 } }), results[3], 'outside a connection as in the first one')
  t.equal(chosen({ values: { seed: 1 }, connection: { ...connection, id: 'other', port: 1 } }), results[0])
  t.not(chosen({ connection }), chosen({ connection }), 'without a seed another one each time')
})

t.test('how often chance comes', async t => {
  const count = (probability: number) => {
    const { fault } = open({ values: { probability, block: 1, seed: 5 } })
    return [...fault.places(Buffer.alloc(10_000))].length
  }
  t.equal(count(0), 0)
  t.equal(count(1), 10_000)
  const some = count(0.1)
  t.ok(some > 900 && some < 1100, `${some} of 10000`)
})

t.test('each use of chance has its own number', async t => {
  const { fault } = open({ values: { seed: 7 } })
  const numbers = [0, 1, 2].flatMap(index => [1, 2, 3].map(use => fault.chance(index, use)))
  t.equal(new Set(numbers).size, 9)
  t.ok(numbers.every(number => number >= 0 && number < 1))
})

t.test('each one that comes is logged, with the seed if chance had a part in it', async t => {
  const plain = open({ connection, values: { after: 5, seed: 3 } })
  plain.fault.fire(5)
  t.same(plain.lines, [{ level: 20, direction: 'reply', fault: 'cut', offset: 5, msg: 'fault' }])
  const random = open({ values: { probability: 1 } })
  const [place] = random.fault.places(Buffer.alloc(1))
  random.fault.fire(place?.offset as number)
  t.match(random.lines, [{ fault: 'cut', offset: 0, seed: Number }])
  const { seed } = random.lines[0] as { seed: number }
  t.ok(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)
  t.notOk('direction' in (random.lines[0] as object))
})

t.test('only in the connection that is meant', async t => {
  const isMeant = (given: Given) => typeof open(given).stage !== 'function'
  const values = { connection: 2 }
  t.ok(isMeant({ values, connection: { ...connection, number: 2 } }))
  t.notOk(isMeant({ values, connection }))
  t.notOk(isMeant({ values }), 'outside a connection it is the first one')
  t.ok(isMeant({ values: { connection: 1 } }))
  const { stage, warnings } = open({ values, connection })
  const chunk = Buffer.from('abc')
  t.equal((stage as (chunk: Buffer) => Buffer)(chunk), chunk)
  t.same(warnings, [])
})

t.test('one that has never come is a warning, once', async t => {
  for (const [given, expected] of [
    [{ connection, values: { on: 'a', nth: 3 } }, 'reply: cut on=a nth=3 never fired: 1 of 3 found'],
    [{ values: { after: 9 } }, 'cut after=9 never fired: only 3 bytes arrived'],
    [{ values: { connection: 1, at: 5 } }, 'cut at=5ms connection=1 never fired: the stream ended earlier'],
  ] as const) {
    const { fault, warnings } = open(given)
    t.same([...fault.places(Buffer.from('abc'))], [])
    t.equal(fault.position(), 3)
    fault.over()
    fault.over()
    t.same(warnings, [expected])
  }
})

t.test('no warning of one that has come, of one by chance, and of one whose stage is replaced', async t => {
  const fired = open({ values: { after: 9 } })
  fired.fault.fire(9)
  fired.fault.over()
  const random = open({ values: { probability: 0 } })
  random.fault.over()
  const replaced = open({ values: { after: 9 } })
  replaced.replace()
  replaced.fault.over()
  t.same([...fired.warnings, ...random.warnings, ...replaced.warnings], [])
})

t.test('the error says which fault it is, and where', async t => {
  t.match(open({ connection, values: { on: 'x y', nth: 2 } }).fault.error(12), {
    code: 'ERR_FAULT',
    message: "fault in the reply direction: cut on='x y' nth=2 at byte 12",
  })
  t.equal(open({}).fault.error(0).message, 'fault: cut at byte 0')
})

t.test('an error has the seed if chance had a part in it', async t => {
  const { fault } = open({ values: { probability: 1, seed: 7 } })
  t.equal([...fault.places(Buffer.alloc(1))].length, 1)
  t.equal(fault.error(0).message, 'fault: cut at byte 0, seed=7')
})
