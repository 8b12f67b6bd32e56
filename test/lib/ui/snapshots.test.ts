import t, { type Test } from 'tap'
import { serverFigures } from '../../../lib/stats/server-figures.js'
import { perSecond, Snapshots } from '../../../lib/ui/snapshots.js'
import { stoppedClock } from '../stats/stopped-clock.js'

function open(t: Test) {
  const clock = stoppedClock(t, { timers: true })
  const begun = clock.now
  const measured: (boolean | undefined)[] = []
  const figures = serverFigures()
  let bytes = 0
  let taken = 0
  const connection = () => ({ id: 'a', age: clock.now - begun, bytesIn: bytes, bytesOut: 2 * bytes, directions: [] })
  const shown = {
    measure: (on?: boolean) => measured.push(on),
    stats: () => {
      taken++
      return figures.stats([connection() as never])
    },
  }
  const snapshots = new Snapshots(shown as never)
  t.teardown(() => snapshots.close())
  const more = (count: number) => {
    bytes += count
  }
  return { clock, snapshots, measured, more, taken: () => taken }
}

t.test('those who look at the same time share one', async t => {
  const { clock, snapshots, taken } = open(t)
  const first = snapshots.now()
  clock.pass(249)
  t.equal(snapshots.now(), first)
  clock.pass(1)
  t.not(snapshots.now(), first)
  t.equal(taken(), 2)
})

t.test('rates since about a second ago', async t => {
  const { clock, snapshots, more } = open(t)
  const rates = () => {
    const now = snapshots.now()
    return now.ratesOf(now.stats.connections[0] as never)
  }
  more(100)
  clock.pass(1000)
  t.same(rates(), { rateIn: 100, rateOut: 200 }, 'at first since the connection opened')
  more(300)
  clock.pass(1000)
  t.same(rates(), { rateIn: 300, rateOut: 600 })
  for (let i = 0; i < 8; i++) {
    more(50)
    clock.pass(250)
    t.same(Object.keys(snapshots.now().before ?? {}).sort(), ['byId', 'stats', 'time'], 'it holds no earlier ones')
  }
  t.same(rates(), { rateIn: 200, rateOut: 400 })
  t.ok(clock.now - Number(snapshots.now().before?.time) <= 1250)
})

t.test('a connection that is new counts since its start', async t => {
  const { clock, snapshots } = open(t)
  snapshots.now()
  clock.pass(1000)
  const fresh = { id: 'new', age: 500, bytesIn: 10, bytesOut: 0 }
  t.same(snapshots.now().ratesOf(fresh as never), { rateIn: 20, rateOut: 0 })
})

t.test('the ends are measured while somebody looks, and for ten seconds after', async t => {
  const { clock, snapshots, measured } = open(t)
  t.same(measured, [])
  snapshots.now()
  t.same(measured, [true])
  clock.pass(9000)
  snapshots.now()
  clock.pass(9999)
  t.same(measured, [true, true])
  clock.pass(1)
  t.same(measured.splice(0), [true, true, false])
  t.equal(snapshots.now().before, undefined, 'what was long ago is forgotten')
  snapshots.now()
  t.same(measured, [true], 'once for each snapshot')
})

t.test('nothing is measured after the end', async t => {
  const { clock, snapshots, measured } = open(t)
  snapshots.close()
  t.same(measured, [])
  snapshots.now()
  snapshots.close()
  t.same(measured, [true, false])
  clock.pass(20_000)
  t.same(measured, [true, false])
})

t.test('a rate is whole and never negative', async t => {
  t.equal(perSecond(1, 3), 333)
  t.equal(perSecond(5, 0), 0)
  t.equal(perSecond(-5, 10), 0)
})

t.test('figures of other processes come first, once for all who look', async t => {
  const asked: (() => void)[] = []
  const clock = stoppedClock(t, { timers: true })
  let taken = 0
  const measured: (boolean | undefined)[] = []
  const snapshots = new Snapshots({
    measure: (on?: boolean) => measured.push(on),
    refresh: () => new Promise<void>(resolve => asked.push(resolve)),
    stats: () => {
      taken++
      return serverFigures().stats([])
    },
  } as never)
  t.teardown(() => snapshots.close())
  const looks = [snapshots.latest(), snapshots.latest()]
  t.same([asked.length, taken, measured[0]], [1, 0, true])
  asked[0]?.()
  const [one, other] = await Promise.all(looks)
  t.equal(one, other)
  t.equal(await snapshots.latest(), one, 'it is fresh')
  t.equal(asked.length, 1)
  clock.pass(250)
  const next = snapshots.latest()
  asked[1]?.()
  t.not(await next, one)
  t.equal(taken, 2)
})
