import t from 'tap'
import { type RunMeter, type RunState, runMeter, type StageMeter, stageMeter } from '../../../lib/stats/meter.js'
import { addRuns, endStats, runStats, times } from '../../../lib/stats/snapshot.js'
import { stoppedClock } from './stopped-clock.js'

interface Times {
  since: number
  input: number
  busy: number
  output: number
  thread: number
}

function meterOf({
  since = 0,
  input = 0,
  busy = 0,
  output = 0,
  thread = 0,
  ...more
}: Partial<RunMeter & Times>): RunMeter {
  const clock: RunMeter['clock'] = [since, 0, input, busy, output, thread, 0, 0, 0]
  return { ...runMeter([]), bytesIn: 1, bytesOut: 2, clock, ...more }
}

function stageOf(name: string, more: Partial<StageMeter>): StageMeter {
  return { ...stageMeter(name), ...more }
}

t.test('the state that a run is in counts up to now', async t => {
  const times = { input: 100, busy: 20, output: 3, thread: 7 }
  for (const [state, waitingForInput, busy, waitingForOutput] of [
    ['input', 150, 20, 3],
    ['busy', 100, 70, 3],
    ['output', 100, 20, 53],
    ['over', 100, 20, 3],
  ] as [RunState, number, number, number][]) {
    const stats = runStats(meterOf({ ...times, state, since: 1000 }), 1050)
    t.strictSame(
      stats,
      {
        ...{ bytesIn: 1, bytesOut: 2, waitingForInput, busy, waitingForOutput, waitingForThread: 7 },
        ...{ stopped: false, over: state === 'over', stages: [] },
      },
      state,
    )
  }
})

t.test('now is the time of the clock, if nothing is said', async t => {
  const clock = stoppedClock(t)
  t.match(runStats(meterOf({ since: clock.now - 8 })), { waitingForInput: 8 })
})

t.test('a Duplex has the times of its run', async t => {
  const meter = meterOf({ input: 1, busy: 2, output: 3, thread: 4, state: 'over', stages: [stageMeter('gzip')] })
  t.strictSame(runStats(meter).stages, [
    {
      ...{ name: 'gzip', recordsIn: 0, recordsOut: 0 },
      ...{ waitingForInput: 1, busy: 2, waitingForOutput: 3, waitingForThread: 4 },
    },
  ])
})

t.test(
  'a function waits for its input while those before it work, and for its output while those after it do',
  async t => {
    const stages = [
      stageOf('a', { recordsIn: 9, busy: 5 }),
      stageOf('b', { recordsIn: 3, recordsOut: 2, busy: 5, busySince: 80 }),
      stageOf('c', { busy: 7 }),
    ]
    const stats = runStats(
      meterOf({ input: 100, busy: 20, output: 30, thread: 1, state: 'busy', since: 80, stages }),
      100,
    )
    t.match(stats, { waitingForInput: 100, busy: 40, waitingForOutput: 30 })
    t.strictSame(stats.stages, [
      {
        name: 'a',
        recordsIn: 9,
        recordsOut: 0,
        busy: 5,
        waitingForInput: 103,
        waitingForOutput: 62,
        waitingForThread: 1,
      },
      {
        name: 'b',
        recordsIn: 3,
        recordsOut: 2,
        busy: 25,
        waitingForInput: 108,
        waitingForOutput: 37,
        waitingForThread: 1,
      },
      {
        name: 'c',
        recordsIn: 0,
        recordsOut: 0,
        busy: 7,
        waitingForInput: 133,
        waitingForOutput: 30,
        waitingForThread: 1,
      },
    ])
    for (const stage of stats.stages)
      t.equal(
        times.reduce((sum, time) => sum + stage[time], 0),
        171,
      )
  },
)

t.test('a single function that has worked has its own time', async t => {
  const meter = meterOf({ input: 10, busy: 9, state: 'over', stages: [stageOf('a', { recordsIn: 1, busy: 5 })] })
  t.match(runStats(meter).stages, [{ busy: 5, waitingForInput: 14, waitingForOutput: 0 }])
})

t.test('no time is less than nothing', async t => {
  const meter = meterOf({ busy: 1, state: 'over', stages: [stageOf('a', { recordsIn: 1, busy: 2 })] })
  t.match(runStats(meter).stages, [{ busy: 2, waitingForInput: 0 }])
})

t.test('two runs of the same stages are added up', async t => {
  const stages = [stageOf('a', { recordsIn: 1, recordsOut: 2, busy: 3 })]
  const one = runStats(meterOf({ input: 1, busy: 5, output: 3, thread: 1, state: 'over', stages, stopped: true }))
  const two = runStats(meterOf({ busy: 10, state: 'busy', since: 100, stages }), 110)
  t.strictSame(addRuns(one, two), {
    bytesIn: 2,
    bytesOut: 4,
    waitingForInput: 1,
    busy: 25,
    waitingForOutput: 3,
    waitingForThread: 1,
    stopped: true,
    over: false,
    stages: [
      {
        name: 'a',
        recordsIn: 2,
        recordsOut: 4,
        busy: 6,
        waitingForInput: 20,
        waitingForOutput: 3,
        waitingForThread: 1,
      },
    ],
  })
  t.match(addRuns(two, two), { stopped: false, over: false })
  t.match(addRuns(one, one), { stopped: true, over: true })
})

t.test('a snapshot is plain JSON, and does not change afterwards', async t => {
  const stages = [stageOf('a', { recordsIn: 1 })]
  const meter = meterOf({ stages })
  const stats = runStats(meter, 5)
  const text = JSON.stringify(stats)
  t.strictSame(JSON.parse(text), stats)
  meter.bytesIn = 99
  for (const stage of stages) stage.recordsIn = 99
  t.equal(JSON.stringify(stats), text)
})

t.test('the times of a source or a sink', async t => {
  const meter = meterOf({ busy: 20, output: 3, thread: 2, state: 'busy', since: 1000 })
  t.strictSame(endStats('client', true, meter, 1010), {
    ...{ name: 'client', isNetwork: true },
    ...{ waitingForInput: 0, busy: 30, waitingForOutput: 3, waitingForThread: 2 },
  })
  const clock = stoppedClock(t)
  t.match(endStats('sink', false, meterOf({ since: clock.now - 8 })), { waitingForInput: 8 })
})
