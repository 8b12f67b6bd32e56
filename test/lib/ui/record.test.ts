import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import type { Identity, Observer, Way } from '../../../lib/stats/observer.js'
import { latenciesBetween, noCounts } from '../../../lib/ui/counts.js'
import { openRecord, type PageRecord, type RecordOptions } from '../../../lib/ui/record.js'
import { stoppedClock } from '../stats/stopped-clock.js'

interface Known extends Identity {
  hasTls: boolean
  stats(): unknown
}

function connection(number: number, more: object = {}): Known {
  const identity = { id: `id${number}`, number, remote: '127.0.0.1', port: 4000 + number }
  return { ...identity, hasTls: false, stats: () => ({ directions: [] }), ...more }
}

interface Options extends Partial<RecordOptions> {
  answers?: Way
  connections?: readonly Known[]
}

/** A record, and the observer by which it hears. */
function open(t: Test, { answers = 'out', connections = [], ...keeps }: Options = {}) {
  let observer: Required<Observer> | undefined
  let isStopped = false
  const observe = (given: Required<Observer>) => {
    observer = given
    return () => {
      isStopped = true
    }
  }
  const shown = { answers, connections: new Set(connections), observe }
  const record = openRecord(shown as never, { perConnection: 10_000, total: 1e7, tls: false, ...keeps })
  t.teardown(() => record.stop())
  const hear = observer as unknown as Required<Observer>
  const close = (each: Identity, more: object = {}) => {
    const figures = { duration: 5, bytesIn: 1, bytesOut: 2, closedBy: 'peer', warnings: [], directions: [] }
    hear.closed({ ...each, ...figures, ...more } as never)
  }
  return { record, hear, close, isStopped: () => isStopped }
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

function entries(record: PageRecord, id: string): string[] {
  const { entries } = record.conversations.get(id)?.kept.after(0, 1e9) ?? { entries: [] }
  return entries.map(each => ('bytes' in each ? `${each.way} ${each.bytes}` : `${each.mark}: ${each.text}`))
}

t.test('the bytes of a connection, between its begin and its end', async t => {
  const { record, hear, close } = open(t)
  const one = connection(1)
  const before = Date.now()
  hear.opened(one as never)
  hear.passed(one, 'in', Buffer.from('a'))
  hear.passed(one, 'out', Buffer.from('bc'))
  hear.faulted(one, { fault: 'delay', offset: 7, direction: 'reply' })
  hear.faulted(one, { fault: 'cut', offset: 1, direction: undefined })
  record.mark('id1', { mark: 'held', text: 'x' })
  t.match(record.conversations.get('id1'), { identity: { id: 'id1', number: 1, port: 4001 }, keeps: 'yes' })
  t.ok(Number(record.conversations.get('id1')?.opened) >= before)
  t.same([...record.ended], [])
  close(one, { reason: 'enough' })
  const expected = ['opened: ', 'in a', 'out bc', 'fault: delay', 'fault: cut', 'held: x', 'closed: by peer: enough']
  t.same(entries(record, 'id1'), expected)
  const all = record.conversations.get('id1')?.kept.after(0, 1e9).entries ?? []
  t.match(all[3], { way: 'out', offset: 7 })
  t.notOk('way' in (all[4] as object))
  t.ok(
    all.every(({ time }) => Math.abs(time - before) < 60_000),
    'times are points in time',
  )
  t.same([...record.ended], ['id1'])
})

t.test('what is known of an end', async t => {
  const { record, hear, close } = open(t)
  const ended = (more: object) => {
    const each = connection(record.conversations.size + 1)
    hear.opened(each as never)
    close(each, more)
    return record.conversations.get(each.id)?.ended
  }
  t.same(ended({}), { duration: 5, bytesIn: 1, bytesOut: 2, closedBy: 'peer', tls: false })
  const target = { to: 'x:1', bytesIn: 1, bytesOut: 1 }
  const error = Object.assign(new Error('gone'), { code: 'ECONNRESET' })
  const tls = { protocol: 'TLSv1.3' }
  const via = '10.0.0.1:5000'
  const more = {
    tls,
    target,
    via,
    closedBy: 'reset',
    reason: 'r',
    error,
    timeout: 'idle',
    side: 'client',
    warnings: ['w'],
  }
  t.same(ended(more), {
    ...{ duration: 5, bytesIn: 1, bytesOut: 2, tls: true, target, via, closedBy: 'reset', reason: 'r', error: 'gone' },
    ...{ code: 'ECONNRESET', timeout: 'idle', side: 'client', warnings: ['w'] },
  })
  const long = 'x'.repeat(600)
  const warnings = Array.from({ length: 20 }, () => long)
  const cut = ended({ reason: long, error: new Error(long), warnings })
  t.equal(cut?.reason, `${'x'.repeat(500)}…`)
  t.equal(cut?.error, `${'x'.repeat(500)}…`)
  t.same(
    cut?.warnings,
    warnings.slice(10).map(() => `${'x'.repeat(500)}…`),
  )
})

t.test('the last 1,000 that have ended are remembered, with their bytes; of the others nothing is', async t => {
  const { record, hear, close } = open(t)
  const first = connection(0)
  const refs: WeakRef<object>[] = []
  hear.opened(first as never)
  for (let i = 1; i <= 1001; i++) {
    const each = connection(i)
    refs.push(new WeakRef(each))
    hear.opened(each as never)
    hear.passed(each, 'in', Buffer.alloc(100))
    close(each)
  }
  t.equal(record.ended.size, 1000)
  t.equal(record.conversations.size, 1001, 'those that are open do not count')
  t.notOk(record.conversations.has('id1'))
  t.ok(record.conversations.has('id2'))
  t.ok(record.conversations.has('id0'))
  t.ok(record.keep.used < 1001 * 2000, `${record.keep.used} bytes`)
  await new Promise(resolve => setImmediate(resolve))
  collectGarbage()
  t.ok(refs.filter(ref => ref.deref()).length < 10, 'no ended connection is held')
})

t.test('a connection that has ended is let go', async t => {
  const { record, hear, close } = open(t)
  const one = connection(1)
  hear.opened(one as never)
  t.equal(record.conversations.get('id1')?.connection, one)
  close(one)
  t.equal(record.conversations.get('id1')?.connection, undefined)
})

t.test('with TLS on any side nothing is kept, unless asked for', async t => {
  for (const tls of [false, true]) {
    const { record, hear } = open(t, { tls })
    const one = connection(1)
    hear.opened(one as never)
    one.hasTls = true // that of the target is known later
    hear.passed(one, 'in', Buffer.from('secret'))
    hear.passed(one, 'out', Buffer.from('secret'))
    t.equal(record.conversations.get('id1')?.keeps, tls ? 'yes' : 'tls')
    t.equal(record.conversations.get('id1')?.kept.bytes, tls ? 12 : 0)
  }
})

t.test('a limit of 0 keeps nothing', async t => {
  const { record, hear } = open(t, { perConnection: 0, connections: [connection(2)] })
  const one = connection(1)
  hear.opened(one as never)
  hear.passed(one, 'in', Buffer.from('a'))
  t.match(record.conversations.get('id1'), { keeps: 'no', kept: { bytes: 0 } })
  t.match(record.conversations.get('id2'), { keeps: 'no' })
})

t.test('connections that were open before', async t => {
  const running = connection(1, { stats: () => ({ directions: [{}] }) })
  const begins = connection(2)
  const { record, hear } = open(t, { connections: [running, begins] })
  t.same(entries(record, 'id1'), ['opened: before the page was: its bytes are not kept'])
  t.equal(record.conversations.get('id1')?.keeps, 'no')
  hear.passed(begins, 'out', Buffer.from('a'))
  t.same(entries(record, 'id2'), ['opened: ', 'out a'], 'nothing has passed yet, such as that of a send')
})

t.test('events of connections that are not known', async t => {
  const { record, hear, close } = open(t)
  hear.passed(connection(7), 'in', Buffer.from('a'))
  hear.faulted(connection(7), { fault: 'delay', offset: 0, direction: 'forward' })
  close(connection(7))
  t.equal(record.conversations.size, 0)
  t.equal(record.ended.size, 0)
})

t.test('a latency is the time from the last bytes of a request to the first ones of its reply', async t => {
  for (const answers of ['in', 'out'] as const)
    t.test(`replies are ${answers}`, async t => {
      const clock = stoppedClock(t, { timers: true })
      const { record, hear } = open(t, { answers })
      const asks = answers === 'in' ? 'out' : 'in'
      const one = connection(1)
      hear.opened(one as never)
      const pass = (way: Way, after: number) => {
        clock.pass(after)
        hear.passed(one, way, Buffer.from('x'))
      }
      pass(answers, 1) // a greeting is no reply
      pass(asks, 5)
      pass(asks, 7)
      pass(answers, 20)
      pass(answers, 50)
      const counts = record.counter.now()
      t.match(counts, { accepted: 1, open: 1, in: answers === 'in' ? 3 : 2 })
      const { replies, p50 } = latenciesBetween(noCounts, counts)
      t.equal(replies, 1)
      t.ok(Math.abs(Number(p50) - 20) <= 1)
      t.equal(record.wayOf('reply'), answers)
      t.equal(record.wayOf('forward'), asks)
    })
})

t.test('after the stop nothing is heard', async t => {
  const { record, isStopped } = open(t)
  record.stop()
  t.ok(isStopped())
})
