import t from 'tap'
import type { Direction, DirectionStats, RunStats } from '../../../lib/stats/snapshot.js'
import { sumStages } from '../../../lib/stats/stage-totals.js'

const times = { waitingForInput: 1, busy: 2, waitingForOutput: 3, waitingForThread: 4 }

/** A run of stages, each of which has received two records and returned three. */
function run(names: string[], bytesIn = 10, bytesOut = 20): RunStats {
  const stages = names.map(name => ({ name, recordsIn: 2, recordsOut: 3, ...times }))
  return { bytesIn, bytesOut, ...times, stopped: false, over: true, stages }
}

function directionOf(direction: Direction, ...runs: RunStats[]): DirectionStats {
  return { direction, bytesIn: 0, bytesOut: 0, segments: [{ name: 'main', bytesIn: 0, bytesOut: 0, runs }] }
}

t.test('the stages of ended and of open connections are summed by direction and name', async t => {
  const sum = sumStages()
  t.same(sum.with([]), [])
  sum.add([directionOf('forward', run(['hex']), run(['gzip'])), directionOf('reply', run(['hex']))])
  sum.add([directionOf('forward', run(['hex', 'hex']))])
  const figures = { recordsIn: 2, recordsOut: 3, ...times, bytesIn: 10, bytesOut: 20 }
  const ended = [
    {
      ...{ name: 'hex', direction: 'forward', bytesIn: 20, bytesOut: 40 },
      ...{ recordsIn: 6, recordsOut: 9, waitingForInput: 3, busy: 6, waitingForOutput: 9, waitingForThread: 12 },
    },
    { name: 'gzip', direction: 'forward', ...figures },
    { name: 'hex', direction: 'reply', ...figures },
  ]
  t.same(sum.with([]), ended)
  t.match(sum.with([directionOf('reply', run(['hex']))])[2], { busy: 4, bytesIn: 20 })
  t.same(sum.with([]), ended, 'an open connection is not added twice')
})

t.test('of fused stages the first counts the bytes in, the last the bytes out', async t => {
  const totals = sumStages().with([directionOf('forward', run(['a', 'b', 'c']))])
  t.same(
    totals.map(({ name, bytesIn, bytesOut }) => [name, bytesIn, bytesOut]),
    [
      ['a', 10, 0],
      ['b', 0, 0],
      ['c', 0, 20],
    ],
  )
})

t.test('no number of names fills the memory', async t => {
  const sum = sumStages()
  for (let i = 0; i < 1010; i++) sum.add([directionOf('forward', run([`stage ${i}`]))])
  const totals = sum.with([])
  t.equal(totals.length, 1001)
  t.match(totals.at(-1), { name: 'other', busy: 20, bytesIn: 100 })
  t.match(totals[999], { name: 'stage 999', busy: 2 })
  sum.add([directionOf('forward', run(['stage 0']))])
  t.match(sum.with([])[0], { busy: 4 }, 'a known name keeps its sum')
})
