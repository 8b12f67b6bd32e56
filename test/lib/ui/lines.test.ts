import t from 'tap'
import { LogLines } from '../../../lib/ui/lines.js'

t.test('lines in their order', async t => {
  const lines = new LogLines()
  t.same(lines.after(0), { lines: [], dropped: 0 })
  t.equal(lines.last, 0)
  lines.add('info', 'one', 1000)
  lines.add('error', 'two', 2000)
  t.equal(lines.last, 2)
  const two = { sequence: 2, time: 2000, level: 'error', text: 'two' }
  t.same(lines.after(0), { lines: [{ sequence: 1, time: 1000, level: 'info', text: 'one' }, two], dropped: 0 })
  t.same(lines.after(1), { lines: [two], dropped: 0 })
  t.same(lines.after(2), { lines: [], dropped: 0 })
})

t.test('they have the time at which they come', async t => {
  const lines = new LogLines()
  const before = Date.now()
  lines.add('info', 'now')
  const time = Number(lines.after(0).lines[0]?.time)
  t.ok(time >= before && time <= Date.now())
})

t.test('the last 200 are kept; the others are counted', async t => {
  const lines = new LogLines()
  for (let i = 1; i <= 250; i++) lines.add('info', String(i))
  t.match(lines.after(0), { dropped: 50 })
  t.same(
    lines.after(0).lines.map(({ text }) => Number(text)),
    Array.from({ length: 200 }, (_, i) => i + 51),
  )
  t.equal(lines.after(40).dropped, 10)
  t.equal(lines.after(60).dropped, 0)
})

t.test('a long one is cut', async t => {
  const lines = new LogLines()
  lines.add('info', 'x'.repeat(1001))
  lines.add('info', 'x'.repeat(1000))
  t.same(
    lines.after(0).lines.map(({ text }) => text),
    [`${'x'.repeat(1000)}…`, 'x'.repeat(1000)],
  )
})
