import t from 'tap'
import { admit } from '../../../lib/server/admission.js'
import type { ServerOptions } from '../../../lib/server/listen-options.js'
import { statsOf } from '../../../lib/server/state.js'
import { outcome, recorder } from '../network.js'
import { turns } from '../stats/stopped-clock.js'
import { client, forever, stateOf } from './states.js'

t.test('who may not come in is reset, counted and told, and nothing is done for him', async t => {
  for (const [options, reason] of [
    [{ deny: ['10.0.0.0/8'] }, 'access'],
    [{ allow: ['192.0.2.1'] }, 'access'],
    [{ maxConnections: 1 }, 'maxConnections'],
    [{ maxPerIp: 1 }, 'maxPerIp'],
  ] as [Partial<ServerOptions>, 'access' | 'maxConnections' | 'maxPerIp'][]) {
    const heard: unknown[] = []
    const observer = { refused: (event: unknown) => void heard.push(event) }
    const state = stateOf({ ...options, observer })
    if (reason !== 'access') admit(state, client().arrival)
    const { size } = state.running
    const { arrival, leg } = client()
    admit(state, arrival)
    t.match(await outcome(leg.stream), { ended: false, code: 'ECONNRESET' }, reason)
    t.same(heard, [{ reason, remote: '10.0.0.1' }])
    t.equal(statsOf(state).refused[reason], 1)
    t.equal(state.running.size, size)
  }
})

t.test(
  'who comes back to what is open needs no room; others are counted once, and told by one only (H-07)',
  async t => {
    for (const [options, reopened, refused, isReset] of [
      [{ maxConnections: 0 }, Promise.resolve(true), 0, false],
      [{ maxConnections: 0 }, Promise.resolve(false), 1, false],
      [{ maxConnections: 0 }, undefined, 1, true],
      [{ deny: ['10.0.0.0/8'] }, Promise.resolve(true), 1, true],
    ] as const) {
      const state = stateOf(options as Partial<ServerOptions>)
      const resets: Error[] = []
      const { arrival } = client()
      admit(state, { ...arrival, refuse: error => void resets.push(error as Error), reopen: () => reopened })
      await turns()
      const { access, maxConnections } = statsOf(state).refused
      t.equal(access + maxConnections, refused)
      t.equal(resets.length, isReset ? 1 : 0)
      t.equal(state.running.size, 0)
    }
  },
)

t.test('work that is done ends the connection, and makes room for another one', async t => {
  const state = stateOf({ maxPerIp: 1 }, async (_, { stream }) => void stream.end('hello'))
  for (const number of [1, 2]) {
    const { arrival, leg } = client()
    leg.stream.once('end', () => leg.stream.end())
    admit(state, arrival)
    t.match(await outcome(leg.stream), { ended: true, data: Buffer.from('hello') })
    await Promise.all(state.running)
    t.match(statsOf(state), { accepted: number, failed: 0, closed: { local: number }, connections: [] })
  }
})

t.test('work that fails, and an onConnection that throws or rejects, reset the connection (G-40)', async t => {
  const onConnection = () => {
    throw new Error('on purpose')
  }
  for (const state of [
    stateOf({}, () => Promise.reject(new Error('on purpose'))),
    stateOf({ onConnection }, forever),
    stateOf({ onConnection: async () => onConnection() }, forever),
  ]) {
    const { arrival, leg } = client()
    admit(state, arrival)
    t.match(await outcome(leg.stream), { ended: false, code: 'ECONNRESET' })
    await Promise.all(state.running)
    t.match(statsOf(state), { accepted: 1, failed: 1, closed: { error: 1 } })
  }
})

t.test('a log that gives no logger of its own ends the connection, and not the server (G-40)', async t => {
  const { log } = recorder()
  const broken = Object.assign(Object.create(log), {
    child() {
      throw new Error('on purpose')
    },
  })
  for (const shaken of [undefined, Promise.resolve()]) {
    const state = stateOf({ log: broken }, forever)
    const { arrival, leg } = client('10.0.0.1', shaken)
    admit(state, arrival)
    t.match(await outcome(leg.stream), { ended: false, code: 'ECONNRESET' })
    await Promise.all(state.running)
    t.equal(state.running.size, 0)
  }
})

t.test('a connection whose end cannot be told leaves nothing behind', async t => {
  const state = stateOf({}, async () => {})
  Object.assign(state.observer, {
    closed() {
      throw new Error('on purpose')
    },
  })
  const { arrival, leg } = client()
  admit(state, arrival)
  leg.stream.resume().end()
  await Promise.all(state.running)
  t.equal(state.running.size, 0)
  t.equal(state.active.size, 0)
})

t.test('a handshake comes before the connection; one that fails is told, and is none', async t => {
  const heard: unknown[] = []
  const observer = { handshakeFailed: (event: unknown) => void heard.push(event) }
  const state = stateOf({ observer, once: true }, async () => {})
  admit(state, client('10.0.0.1', Promise.reject(new Error('no TLS'))).arrival)
  await Promise.all(state.running)
  t.match(heard, [{ remote: '10.0.0.1:1', error: { message: 'no TLS' } }])
  t.match(statsOf(state), { accepted: 0, handshakeFailures: 1 })
  t.notOk(state.isOver, 'it is not the one of once')
  const { arrival, leg } = client('10.0.0.1', Promise.resolve())
  leg.stream.once('end', () => leg.stream.end())
  admit(state, arrival)
  t.match(await outcome(leg.stream), { ended: true })
  t.ok(state.isOver, 'but this one is')
  await state.whenStopped
})

t.test('whoever is asked decides, too, and hears when the connection is over', async t => {
  for (const [answer, refused] of [
    [undefined, 0],
    ['maxPerIp', 1],
  ] as const) {
    const asked: string[] = []
    let left = 0
    const leave = () => void left++
    const enter = async (remote: string) => {
      asked.push(remote)
      return answer ?? leave
    }
    const state = stateOf({ enter }, async (_, { stream }) => void stream.end('hello'))
    const { arrival, leg } = client()
    let held = 0
    leg.stream.once('end', () => leg.stream.end())
    admit(state, { ...arrival, hold: () => void held++ })
    t.equal(state.running.size, 1, 'a server that ends waits for the answer')
    t.match(await outcome(leg.stream), answer ? { code: 'ECONNRESET' } : { ended: true, data: Buffer.from('hello') })
    await Promise.all(state.running)
    t.same([asked, held, left, statsOf(state).refused.maxPerIp], [['10.0.0.1'], 1, 1 - refused, refused])
  }
})

t.test('nobody is asked about a client that may not come in anyway', async t => {
  const enter = () => Promise.reject(t.error('it is asked'))
  const state = stateOf({ enter: enter as never, maxConnections: 0 })
  const { arrival, leg } = client()
  admit(state, arrival)
  t.match(await outcome(leg.stream), { code: 'ECONNRESET' })
})

t.test('a client is reset if the server ends before the answer, or if there is none', async t => {
  let left = 0
  for (const [enter, isOver] of [
    [async () => () => void left++, true],
    [() => Promise.reject(new Error('on purpose')), false],
  ] as const) {
    const state = stateOf({ enter })
    const { arrival, leg } = client()
    admit(state, arrival)
    state.isOver = isOver
    t.match(await outcome(leg.stream), { code: 'ECONNRESET' })
    await Promise.all(state.running)
    t.equal(statsOf(state).accepted, 0)
  }
  t.equal(left, 1)
})

t.test('of several processes, each numbers its own connections', async t => {
  const opened: number[] = []
  const observer = { opened: ({ number }: { number: number }) => void opened.push(number) }
  const state = stateOf({ worker: { number: 2, of: 3, after: 1 }, observer })
  for (const _ of [1, 2]) {
    const { arrival, leg } = client()
    t.teardown(() => leg.stream.destroy())
    admit(state, arrival)
  }
  t.same(opened, [5, 8])
})
