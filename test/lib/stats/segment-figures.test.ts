import t from 'tap'
import { type RunMeter, runMeter, stageMeter } from '../../../lib/stats/meter.js'
import { segmentFigures } from '../../../lib/stats/segment-figures.js'
import { stoppedClock } from './stopped-clock.js'

/** The meter of a run of one Duplex that has waited since now. */
function runOf(name: string, bytesIn: number, bytesOut: number, more: Partial<RunMeter> = {}): RunMeter {
  return { ...runMeter([stageMeter(name)]), bytesIn, bytesOut, ...more }
}

t.test('a segment without stages has no bytes and no runs', async t => {
  const figures = segmentFigures('empty')
  t.strictSame(figures.stats(), { name: 'empty', bytesIn: 0, bytesOut: 0, runs: [] })
  const none: RunMeter[] = []
  figures.add(none)
  t.strictSame(figures.stats(), { name: 'empty', bytesIn: 0, bytesOut: 0, runs: [] })
  figures.end(none)
  t.strictSame(figures.stats(), { name: 'empty', bytesIn: 0, bytesOut: 0, runs: [] })
})

t.test('what goes in goes into the first run, what comes out comes out of the last one', async t => {
  const figures = segmentFigures('main')
  const meters = [runOf('a', 10, 20), runOf('b', 20, 5)]
  figures.add(meters)
  t.match(figures.stats(), { name: 'main', bytesIn: 10, bytesOut: 5, runs: [{ bytesIn: 10 }, { bytesIn: 20 }] })
  ;(meters[0] as RunMeter).bytesIn = 11
  t.match(figures.stats(), { bytesIn: 11 }, 'at the time')
  figures.end(meters)
  t.match(figures.stats(), { bytesIn: 11, bytesOut: 5 }, 'and when they are over')
})

t.test('the figures of stages that are replaced by the same ones are added up, others stand by themselves', async t => {
  const clock = stoppedClock(t)
  const figures = segmentFigures('main')
  const [first, second, other, last] = [
    [runOf('a', 1, 2), runOf('b', 2, 3)],
    [runOf('a', 10, 20), runOf('b', 20, 30)],
    [runOf('c', 100, 100)],
    [runOf('a', 1000, 2000), runOf('b', 2000, 3000)],
  ] as const
  for (const meters of [first, second, other]) {
    figures.add(meters)
    clock.pass(5)
    figures.end(meters)
  }
  figures.add(last)
  clock.pass(7)
  const { bytesIn, bytesOut, runs } = figures.stats()
  t.same([bytesIn, bytesOut], [1111, 3133])
  t.match(runs, [
    { stages: [{ name: 'a' }], bytesIn: 11, waitingForInput: 15, over: true, removed: true },
    { stages: [{ name: 'b' }], bytesOut: 33, over: true },
    { stages: [{ name: 'c' }], bytesIn: 100, over: true },
    { stages: [{ name: 'a' }], bytesIn: 1000, over: false, removed: undefined },
    { stages: [{ name: 'b' }], bytesOut: 3000, over: false },
  ])
  t.equal(runs.length, 5)
})

t.test('those before may still hold something when others take their place', async t => {
  const figures = segmentFigures('main')
  const [before, after] = [[runOf('a', 5, 3)], [runOf('b', 0, 0)]] as const
  figures.add(before)
  figures.add(after)
  t.match(figures.stats().runs, [{ over: false }, { over: false }])
  ;(before[0] as RunMeter).bytesOut = 5
  figures.end(before)
  t.match(figures.stats(), { bytesIn: 5, bytesOut: 5, runs: [{ over: true }, { over: false }] })
})

t.test('the end of a run stands still, and comes once', async t => {
  const clock = stoppedClock(t)
  const figures = segmentFigures('main')
  const meters = [runOf('a', 5, 3)]
  figures.add(meters)
  clock.pass(4)
  figures.end(meters)
  clock.pass(4)
  figures.end(meters)
  t.match(figures.stats(), { bytesIn: 5, runs: [{ waitingForInput: 4, over: true }] })
})
