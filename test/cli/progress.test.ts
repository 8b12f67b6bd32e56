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
  for (const [bytes, rate, size, text] of [
    [0, 0, undefined, '0 B 0:00:02 [0 B/s]'],
    [2048, 1024, undefined, '2.00 KiB 0:00:02 [1.00 KiB/s]'],
    [0, 0, 100, '0 B 0:00:02 [0 B/s] [>                        ] 0% ETA -:--:--'],
    [50, 10, 100, '50 B 0:00:02 [10 B/s] [============>            ] 50% ETA 0:00:05'],
    [999, 1, 1000, '999 B 0:00:02 [1 B/s] [========================>] 99% ETA 0:00:01'],
    [100, 0, 100, '100 B 0:00:02 [0 B/s] [========================>] 100% ETA 0:00:00'],
    [150, 10, 100, '150 B 0:00:02 [10 B/s] [========================>] 100% ETA 0:00:00'],
    [0, 0, 0, '0 B 0:00:02 [0 B/s] [========================>] 100% ETA 0:00:00'],
  ] as const)
    t.equal(formatLine({ bytes, rate, size, elapsed: 2000 }, 100), text)
})

t.test('in a narrow window the bar shrinks first; percentage and ETA stay', async t => {
  const half = { bytes: 300 * 1024, rate: 1024 ** 2, size: 600 * 1024, elapsed: 2000 }
  for (const [columns, text] of [
    [80, '300.00 KiB 0:00:02 [1.00 MiB/s] [============>            ] 50% ETA 0:00:00'],
    [70, '300.00 KiB 0:00:02 [1.00 MiB/s] [=========>         ] 50% ETA 0:00:00'],
    [58, '300.00 KiB 0:00:02 [1.00 MiB/s] [===>   ] 50% ETA 0:00:00'],
    [56, '300.00 KiB 0:00:02 [1.00 MiB/s] [==>  ] 50% ETA 0:00:00'],
    [55, '300.00 KiB 0:00:02 [1.00 MiB/s] 50% ETA 0:00:00'],
    [50, '300.00 KiB 0:00:02 [1.00 MiB/s] 50% ETA 0:00:00'],
    [47, '300.00 KiB [1.00 MiB/s] 50% ETA 0:00:00'],
    [30, '300.00 KiB 50% ETA 0:00:00'],
    [20, '50% ETA 0:00:00'],
    [5, '50% ETA 0:00:00'],
  ] as const) {
    t.equal(formatLine(half, columns), text, String(columns))
    if (columns >= 20) t.ok(text.length < columns)
  }
  for (const [columns, text] of [
    [33, '300.00 KiB 0:00:02 [1.00 MiB/s]'],
    [30, '300.00 KiB [1.00 MiB/s]'],
    [20, '300.00 KiB'],
    [5, '300.00 KiB'],
  ] as const)
    t.equal(formatLine({ ...half, size: undefined }, columns), text, String(columns))
})

t.test('a note follows the figures, unless there is no room', async t => {
  const figures = { bytes: 50, rate: 10, size: 100, elapsed: 2000, note: '2 reconnects' }
  t.equal(formatLine(figures, 100), '50 B 0:00:02 [10 B/s] [============>            ] 50% ETA 0:00:05, 2 reconnects')
  t.match(formatLine(figures, 60), /^50 B .* 50% ETA 0:00:05, 2 reconnects$/)
  t.equal(formatLine(figures, 20), formatLine({ ...figures, note: '' }, 20))
})
