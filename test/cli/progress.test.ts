import type { Options, Params } from 'cli-progress'
import t from 'tap'
import { formatClock, formatLine } from '../../cli/progress.js'

t.test('formatClock', async t => {
  for (const [seconds, text] of [
    [0, '0:00:00'],
    [59.4, '0:00:59'],
    [59.6, '0:01:00'],
    [3723, '1:02:03'],
    [360_000, '100:00:00'],
    [-1, '0:00:00'],
  ] as const)
    t.equal(formatClock(seconds), text, String(seconds))
})

t.test('formatLine', async t => {
  const options: Options = { barsize: 4, barCompleteString: '====', barIncompleteString: '    ', barGlue: '>' }
  for (const [value, rate, size, text] of [
    [0, 0, undefined, '0 B 0:00:02 [0 B/s]'],
    [2048, 1024, undefined, '2.00 KiB 0:00:02 [1.00 KiB/s]'],
    [0, 0, 100, '0 B 0:00:02 [0 B/s] [>    ] 0% ETA -:--:--'],
    [50, 10, 100, '50 B 0:00:02 [10 B/s] [==>  ] 50% ETA 0:00:05'],
    [999, 1, 1000, '999 B 0:00:02 [1 B/s] [====>] 99% ETA 0:00:01'],
    [100, 0, 100, '100 B 0:00:02 [0 B/s] [====>] 100% ETA 0:00:00'],
    [150, 10, 100, '150 B 0:00:02 [10 B/s] [====>] 100% ETA 0:00:00'],
    [0, 0, 0, '0 B 0:00:02 [0 B/s] [====>] 100% ETA 0:00:00'],
  ] as const) {
    const params = { value, startTime: Date.now() - 2000 } as Params
    t.equal(formatLine(options, params, rate, size), text)
  }
})
