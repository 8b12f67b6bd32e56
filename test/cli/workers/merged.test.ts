import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { LogRecord } from '../../../cli/log-words.js'
import type { LimitValues } from '../../../cli/workers/limits.js'
import { openWorkers } from '../../../cli/workers/merged.js'
import type { Common } from '../../../cli/workers/protocol.js'
import type { Family } from '../../../lib/text/exposition.js'
import { recorder } from '../../lib/network.js'
import { FakeWorker, figuresOf } from './fake-worker.js'

const common: Common = {
  listen: { scheme: 'tcp', host: '127.0.0.1', port: 7 },
  contexts: {},
  isLimited: false,
  openedLevel: 'debug',
}

/** Workers that a test begins. */
function begun(limits: LimitValues = {}, begin: () => Promise<unknown> = async () => {}) {
  const workers: FakeWorker[] = []
  const { log, lines } = recorder()
  const fork = () => {
    const worker = new FakeWorker()
    workers.push(worker)
    return worker
  }
  const relay = (record: LogRecord) => void lines.push(record as never)
  const prepare = async (contexts: object) => ({ ...contexts, tls: { passphrase: 'prepared' } })
  const opening = openWorkers({ count: 2, fork, common, limits, log: log as never, relay, begin, prepare })
  opening.catch(() => {})
  return { workers, lines, opening, at: (index: number) => workers[index] as FakeWorker }
}

/** Two workers that listen. */
async function listening(limits?: LimitValues) {
  const all = begun(limits)
  await startAll(all.workers)
  return { ...all, server: await all.opening }
}

async function startAll(workers: readonly FakeWorker[]): Promise<void> {
  for (const worker of workers) worker.says({ tell: 'ready' })
  await setImmediate()
  for (const worker of workers) worker.listens()
}

async function died(t: Test, workers: readonly FakeWorker[], count: number): Promise<void> {
  while (workers.length < count) await new Promise(resolve => setTimeout(resolve, 10))
  t.equal(workers.length, count)
}

t.test('workers begin when the address is free, each with its share', async t => {
  let free = () => {}
  const { workers, opening, at } = begun(
    {},
    () =>
      new Promise<void>(resolve => {
        free = resolve
      }),
  )
  for (const worker of workers) worker.says({ tell: 'ready' })
  await setImmediate()
  t.same(
    workers.map(({ told }) => told),
    [[], []],
  )
  free()
  await setImmediate()
  t.match(
    workers.map(worker => worker.last('start')),
    [{ share: { number: 1, of: 2, after: 0 }, listen: common.listen }, { share: { number: 2, of: 2, after: 0 } }],
  )
  at(0).listens()
  const first = await Promise.race([opening, setImmediate('none')])
  t.equal(first, 'none', 'all must listen')
  at(1).listens()
  t.match(await opening, { address: { port: 7 }, listening: true, pin: undefined })
})

t.test('the figures are those of all that are known', async t => {
  const { at, server } = await listening()
  at(0).answers = message =>
    message.tell === 'look'
      ? { tell: 'looked', ask: message.ask, families: [], stats: figuresOf({ accepted: 3, open: [1, 3] }) }
      : undefined
  at(1).answers = message =>
    message.tell === 'look'
      ? { tell: 'looked', ask: message.ask, families: [], stats: figuresOf({ accepted: 4, open: [2] }) }
      : undefined
  t.match(server.stats(), { accepted: 0, connections: [] })
  await server.refresh?.()
  t.match(server.stats(), { accepted: 7, connections: [{ number: 1 }, { number: 3 }, { number: 2 }] })
  t.same(
    [...server.connections].map(({ number }) => number),
    [1, 3, 2],
  )
  for (const connection of server.connections) {
    connection.close('enough')
    connection.reset()
  }
  t.match(at(1).told.slice(-2), [
    { tell: 'end', number: 2, how: 'close', reason: 'enough' },
    { tell: 'end', number: 2, how: 'reset' },
  ])
  at(1).says({ tell: 'figures', stats: figuresOf({ accepted: 5 }), open: 0 })
  t.equal(server.stats().accepted, 8, 'also what is told unasked')
})

t.test('a worker that does not answer has the figures that are known of it', async t => {
  const { at, server } = await listening()
  at(0).says({ tell: 'figures', stats: figuresOf({ accepted: 3 }), open: 1 })
  await server.refresh?.()
  t.equal(server.stats().accepted, 3)
})

t.test('what a dead worker has counted stays, its connections have failed, and another one goes on', async t => {
  const { workers, at, lines, server } = await listening({ maxConnections: 1 })
  at(0).says({ tell: 'figures', stats: figuresOf({ accepted: 3, bytesIn: 100 }), open: 2 })
  at(0).says({ tell: 'enter', ask: 1, remote: '::1' })
  at(1).says({ tell: 'enter', ask: 1, remote: '::1' })
  t.match([at(0).last('entered'), at(1).last('entered')], [{ reason: undefined }, { reason: 'maxConnections' }])
  server.measure(true)
  const look = server.refresh?.()
  at(0).dies(null, 'SIGKILL')
  at(1).says({ tell: 'looked', ask: at(1).last('look')?.ask as number, families: [], stats: figuresOf() })
  await look
  t.match(lines.at(-1), { level: 50, worker: 1, signal: 'SIGKILL', connections: 2, msg: 'worker died' })
  t.match(server.stats(), { accepted: 3, bytesIn: 100, failed: 2, closed: { error: 2 }, connections: [] })
  at(1).says({ tell: 'enter', ask: 2, remote: '::1' })
  t.match(at(1).last('entered'), { ask: 2, reason: undefined }, 'its client has left')
  at(1).says({ tell: 'left', ask: 2 })
  await died(t, workers, 3)
  at(2).says({ tell: 'ready' })
  await setImmediate()
  t.match(at(2).last('start'), { share: { number: 1, of: 2, after: 3 } })
  at(2).listens()
  t.match(at(2).last('measure'), { on: true })
})

t.test('a worker that cannot start ends all, and so does an address that is not free', async t => {
  const { opening, at, lines } = begun()
  at(0).dies(2)
  await t.rejects(opening, { message: 'worker 1 cannot start: it ended with exit code 2' })
  t.same(lines, [])
  const other = begun({}, () => Promise.reject(new Error('in use')))
  other.at(1).says({ tell: 'ready' })
  await t.rejects(other.opening, { message: 'in use' })
})

t.test('one that is killed before it listens is replaced', async t => {
  const { workers, at, lines, opening } = begun()
  at(0).dies(null, 'SIGKILL')
  t.match(lines, [{ worker: 1, signal: 'SIGKILL', connections: 0 }])
  await died(t, workers, 3)
  await startAll(workers.slice(1))
  t.equal((await opening).listening, true)
})

t.test('a crash loop ends all', async t => {
  const { workers, at, server } = await listening()
  for (let deaths = 0; deaths < 5; deaths++) {
    await died(t, workers, 2 + deaths)
    const last = workers.at(-1) as FakeWorker
    if (deaths > 0) {
      last.says({ tell: 'ready' })
      await setImmediate()
      last.listens()
    }
    last.dies(7)
  }
  t.match(at(0).last('close'), { drain: 0 })
  at(0).says({ tell: 'closed', stats: figuresOf(), cut: 0 })
  at(0).dies(0)
  await t.rejects(server.closed, { message: 'the workers die again and again' })
})

t.test('a crash loop of workers that take long to start', async t => {
  let now = performance.now()
  t.intercept(performance, 'now', { value: () => now })
  const { workers, server } = await listening()
  server.closed.catch(() => {})
  for (let deaths = 0; deaths < 5; deaths++) {
    await died(t, workers, 2 + deaths)
    const last = workers.at(-1) as FakeWorker
    if (deaths > 0) {
      last.says({ tell: 'ready' })
      await setImmediate()
      now += 6000
      last.listens()
    }
    last.dies(7)
  }
  t.match(workers[0]?.last('close'), { drain: 0 })
})

t.test('an end: all stop listening, then all have ended', async t => {
  const { at, server } = await listening()
  const closing = server.close({ drain: 5 })
  const order: string[] = []
  void server.stopped?.().then(() => order.push('stopped'))
  void server.closed.then(() => order.push('closed'))
  t.match([at(0).last('close'), at(1).last('close')], [{ drain: 5 }, { drain: 5 }])
  at(0).says({ tell: 'stopped', stats: figuresOf({ open: [1] }) })
  await setImmediate()
  t.same([order, server.listening], [[], true])
  at(1).says({ tell: 'stopped', stats: figuresOf({ open: [2] }) })
  await setImmediate()
  t.same([order, server.listening, server.connections.size], [['stopped'], false, 2])
  at(0).says({ tell: 'closed', stats: figuresOf(), cut: 1 })
  at(0).dies(0)
  at(1).dies(null, 'SIGKILL')
  t.equal(await closing, 2, 'what was reset, and what has died')
  await setImmediate()
  t.same(order, ['stopped', 'closed'])
})

t.test('certificates go to all, also to those that come later; one that refuses them is told of', async t => {
  const { workers, at, server } = await listening()
  const contexts = { tls: { passphrase: 'prepared' } }
  for (const worker of workers) {
    worker.answers = message =>
      message.tell === 'secure' ? { tell: 'secured', ask: message.ask, pin: 'a pin' } : undefined
  }
  await server.setSecureContext({})
  t.match(
    workers.map(worker => worker.last('secure')),
    [{ contexts }, { contexts }],
  )
  t.equal(server.pin, 'a pin')
  at(1).answers = message =>
    message.tell === 'secure'
      ? { tell: 'secured', ask: message.ask, error: { message: 'bad', code: 'ERR_OPTION' } }
      : undefined
  const told = () => workers.map(worker => worker.told.filter(({ tell }) => tell === 'secure').length)
  t.same(told(), [1, 1])
  await t.rejects(server.setSecureContext({ targetTls: {} }), { message: 'bad', code: 'ERR_OPTION' })
  t.same(told(), [3, 2], 'the one that has taken them takes the old ones back')
  t.same(at(0).last('secure')?.contexts, { tls: { passphrase: 'prepared' } })
})

t.test('the figures of the processes have the name of each', async t => {
  const { workers, server } = await listening()
  const family = (value: number): Family => ({
    name: 'memory',
    type: 'gauge',
    help: 'It.',
    samples: [{ value, labels: { quantile: 1 } }],
  })
  for (const [i, worker] of workers.entries()) {
    worker.answers = message =>
      message.tell === 'look'
        ? {
            tell: 'looked',
            ask: message.ask,
            stats: figuresOf(),
            families: message.isForMetrics ? [family(i + 1)] : [],
          }
        : undefined
  }
  const families = await server.families?.([family(9)])
  t.same(families?.[0]?.samples, [
    { value: 9, labels: { worker: 'primary', quantile: 1 } },
    { value: 1, labels: { worker: 1, quantile: 1 } },
    { value: 2, labels: { worker: 2, quantile: 1 } },
  ])
})

t.test('certificates that change while a worker begins reach it, too', async t => {
  const { workers, at, server } = await listening()
  at(0).dies(null, 'SIGKILL')
  await died(t, workers, 3)
  at(2).says({ tell: 'ready' })
  await setImmediate()
  const secure = server.setSecureContext({})
  await setImmediate()
  at(1).says({ tell: 'secured', ask: at(1).last('secure')?.ask as number })
  await secure
  at(2).listens()
  t.match(at(2).last('secure'), { contexts: { tls: { passphrase: 'prepared' } } })
})

t.test('a worker that hangs is killed after the deadline', async t => {
  const { at, server } = await listening()
  at(0).says({ tell: 'figures', stats: figuresOf(), open: 3 })
  const closing = server.close({ drain: 1 })
  at(1).says({ tell: 'closed', stats: figuresOf(), cut: 0 })
  at(1).dies(0)
  t.equal(await closing, 3)
})
