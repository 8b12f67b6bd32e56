import t, { type Test } from 'tap'
import { refusalLog } from '../../../lib/stats/refusal-log.js'
import type { ServerStats } from '../../../lib/stats/snapshot.js'
import { memoryLog } from '../../laws/support.js'
import { fakeClock } from '../clock.js'

/** A clock whose timers can be counted: those that run and hold the process, and those that run and do not. */
function countedClock(t: Test) {
  const clock = fakeClock(t)
  const { setTimeout, clearTimeout } = globalThis
  const holding = new Set<unknown>()
  const running = new Set<unknown>()
  const forget = (timer: unknown) => holding.delete(timer) || running.delete(timer)
  globalThis.setTimeout = ((wake: () => void, milliseconds: number) => {
    const made = setTimeout(() => {
      forget(made)
      wake()
    }, milliseconds)
    holding.add(made)
    return Object.assign(made, {
      unref() {
        holding.delete(made)
        running.add(made)
        return made
      },
    })
  }) as never
  globalThis.clearTimeout = ((timer: NodeJS.Timeout) => {
    forget(timer)
    clearTimeout(timer)
  }) as never
  return { clock, timers: () => ({ holding: holding.size, running: running.size }) }
}

/** Everything that is due has been done. */
async function timePasses(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

const none = { holding: 0, running: 0 }

const totals = (some: Partial<ServerStats['refused']> = {}) => ({
  ...{ access: 0, maxConnections: 0, maxPerIp: 0, proxyProtocol: 0 },
  ...some,
})

t.test('the first one is told at once, and needs no timer', async t => {
  const { timers } = countedClock(t)
  const { log, lines } = memoryLog()
  const refusals = refusalLog(log)
  t.same([lines, timers()], [[], none])
  refusals.add('access', '10.0.0.1')
  t.same(lines, [{ level: 40, refused: { access: 1 }, remote: '10.0.0.1', msg: 'connections refused' }])
  t.same(timers(), none)
})

t.test('then one line an interval: how many of each reason, and the last address', async t => {
  const { clock, timers } = countedClock(t)
  const { log, lines } = memoryLog()
  const refusals = refusalLog(log)
  const began = clock.now
  refusals.add('access', '10.0.0.1')
  refusals.add('access', '10.0.0.2')
  refusals.add('maxPerIp', '10.0.0.3')
  refusals.add('maxPerIp', '10.0.0.3')
  refusals.add('maxConnections', '10.0.0.4')
  t.same([lines.length, timers()], [1, { holding: 0, running: 1 }], 'the timer does not keep the process')
  await timePasses()
  t.equal(clock.now - began, 10_000)
  t.match(lines[1], { refused: { access: 1, maxPerIp: 2, maxConnections: 1 }, remote: '10.0.0.4' })
  t.same([lines.length, timers()], [2, none], 'nothing is told when there was none')

  clock.now += 4000
  refusals.add('maxPerIp', '10.0.0.5')
  t.equal(lines.length, 2, 'the interval is not over')
  await timePasses()
  t.equal(clock.now - began, 20_000)
  t.match(lines[2], { refused: { maxPerIp: 1 }, remote: '10.0.0.5' })

  clock.now += 10_000
  refusals.add('access', 'unknown')
  t.same([lines.length, timers()], [4, none], 'after an interval without one the next is told at once')
  t.same(lines[3], { level: 40, refused: { access: 1 }, remote: 'unknown', msg: 'connections refused' })
})

t.test('another interval', async t => {
  const { clock } = countedClock(t)
  const { log, lines } = memoryLog()
  const refusals = refusalLog(log, 50)
  const began = clock.now
  for (let i = 0; i < 3; i++) refusals.add('access', 'a')
  await timePasses()
  t.same([clock.now - began, lines.length], [50, 2])
})

t.test('a flood makes few lines', async t => {
  const { clock } = countedClock(t)
  const { log, lines } = memoryLog()
  const refusals = refusalLog(log)
  for (let i = 0; i < 10_000; i++) {
    clock.now += 3
    refusals.add('access', `10.0.0.${i % 256}`)
    if (i % 1000 === 999) await timePasses()
  }
  const told = lines.reduce((sum, { refused }) => sum + (refused as { access: number }).access, 0)
  t.ok(lines.length <= (clock.now - 1000) / 10_000 + 1, `${lines.length} lines`)
  t.equal(told, 10_000)
})

t.test('the last refusal says why, if it has an error', t => {
  const { log, lines } = memoryLog()
  refusalLog(log).add('proxyProtocol', '10.0.0.1', new Error('no header'))
  t.match(lines, [{ refused: { proxyProtocol: 1 }, remote: '10.0.0.1', error: 'no header' }])
  t.end()
})

t.test('the end tells what has not been told, and the sum', async t => {
  const { timers } = countedClock(t)
  const { log, lines } = memoryLog()
  const refusals = refusalLog(log)
  refusals.add('access', '10.0.0.1')
  refusals.add('maxPerIp', '10.0.0.2')
  refusals.end(totals({ access: 1, maxPerIp: 1 }))
  t.same(timers(), none)
  await timePasses()
  t.same(lines.slice(1), [
    { level: 40, refused: { maxPerIp: 1 }, remote: '10.0.0.2', msg: 'connections refused' },
    { level: 40, refused: { access: 1, maxPerIp: 1 }, total: 2, msg: 'connections refused in total' },
  ])
})

t.test('the end without anything untold, and without any', async t => {
  const { log, lines } = memoryLog()
  refusalLog(log).end(totals())
  t.same(lines, [])
  const refusals = refusalLog(log)
  refusals.add('maxPerIp', '10.0.0.1')
  refusals.end(totals({ maxPerIp: 1 }))
  t.same(
    lines.map(({ msg }) => msg),
    ['connections refused', 'connections refused in total'],
  )
})

t.test('an address is a value, whatever it is (C-12)', async t => {
  const { log, lines } = memoryLog()
  const remote = '"},\n{"level":60,"msg":"fake"}'
  refusalLog(log).add('access', remote)
  t.same(lines, [{ level: 40, refused: { access: 1 }, remote, msg: 'connections refused' }])
})
