import t from 'tap'
import { stageLines } from '../../cli/stage-words.js'

const stage = { name: 'grep', recordsIn: 235, recordsOut: 9, busy: 20.229758 }
const run = { bytesIn: 98_779, bytesOut: 5079, stages: [stage] }
const segments = [{ name: 'transforms', runs: [run] }]

t.test('a line for each stage: its records, or the bytes of a Duplex, and its time', async t => {
  const fused = { ...run, stages: [{ ...stage, recordsIn: 1 }, stage] }
  const gzip = { ...run, stages: [{ name: 'gzip', recordsIn: 0, recordsOut: 0, busy: 0.001234 }] }
  t.same(
    stageLines([
      { direction: 'forward', segments },
      {
        direction: 'reply',
        segments: [
          { name: 'a', runs: [] },
          { name: 'b', runs: [gzip, fused] },
        ],
      },
    ]),
    [
      'grep: 235 records in, 9 out, busy 20.2 ms',
      'reply gzip: 96.5 KiB in, 5.0 KiB out, busy 0.00123 ms',
      'reply grep: 1 record in, 9 out, busy 20.2 ms',
      'reply grep: 235 records in, 9 out, busy 20.2 ms',
    ],
  )
  t.same(stageLines([]), [])
})

t.test('anything else is not taken for figures', async t => {
  for (const directions of [
    undefined,
    'x',
    [1],
    [null],
    [{}],
    [{ segments: [{ runs: 5 }] }],
    [{ segments: [{ runs: [{}] }] }],
  ])
    t.equal(stageLines(directions), undefined, JSON.stringify(directions))
})
