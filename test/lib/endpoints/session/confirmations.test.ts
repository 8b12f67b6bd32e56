import { createHash } from 'node:crypto'
import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Confirmations } from '../../../../lib/endpoints/session/confirmations.js'
import { Incoming } from '../../../../lib/endpoints/session/incoming.js'
import type { Keeper } from '../../../../lib/endpoints/session/keeper.js'

/** Timers of the test, which it moves by hand, and what `performance.now` gives. */
function timers(t: Test) {
  const { now } = performance
  let time = 1000
  performance.now = () => time
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => {
    mock.timers.reset()
    performance.now = now
  })
  return (milliseconds: number) => {
    time += milliseconds
    mock.timers.tick(milliseconds)
  }
}

function open(t: Test, { window = 400, isRereadable = false, waiting = undefined as (() => number) | undefined } = {}) {
  const incoming = new Incoming(false)
  const sent: (readonly [durable: number, taken: number])[] = []
  const send = () => void sent.push([confirmations.durable, confirmations.taken])
  const confirmations = new Confirmations(incoming, window, isRereadable, send, waiting)
  t.teardown(() => confirmations.end())
  const receive = (size: number, isChecked = true) => {
    incoming.data(incoming.received, Buffer.alloc(size), isChecked)
    confirmations.received()
  }
  return { incoming, confirmations, receive, take: () => sent.splice(0) }
}

/** A keeper whose work the test completes. */
function fakeKeeper(resumed?: number) {
  const calls: string[] = []
  const waiting: { done(): void; fail(error: Error): void }[] = []
  const wait = (call: string) => {
    calls.push(call)
    return new Promise<void>((resolve, reject) => waiting.push({ done: resolve, fail: reject }))
  }
  const keeper: Keeper = {
    ...(resumed !== undefined && { resumed: { offset: resumed, hash: createHash('sha256') } }),
    note: (offset, sha256) => void calls.push(`note ${offset} ${sha256}`),
    written: offset => wait(`written ${offset}`),
    saved: offset => wait(`saved ${offset}`),
    rewind: async () => {},
    over() {},
  }
  const done = async () => {
    waiting.shift()?.done()
    await turn()
  }
  const fail = async () => {
    waiting.shift()?.fail(new Error('full'))
    await turn()
  }
  return { keeper, done, fail, calls: () => calls.splice(0) }
}

t.test('without a keeper a quarter of the window is confirmed at once, less of it a moment later', async t => {
  const pass = timers(t)
  const { receive, take, confirmations } = open(t)
  receive(99)
  t.same(take(), [])
  receive(1)
  t.same(take(), [[100, 100]])
  receive(10)
  pass(99)
  receive(10)
  t.same(take(), [])
  pass(1)
  t.same(take(), [[120, 120]], 'the first byte waits no longer')
  pass(1000)
  t.same(take(), [], 'nothing new')
  receive(50, false)
  pass(100)
  t.same(take(), [], 'not what may be wrong')
  confirmations.window = 40
  receive(10)
  t.same(take(), [[180, 180]], 'the window of the peer is known later')
})

t.test('what waits for a reader is not confirmed', async t => {
  const pass = timers(t)
  let waiting = 0
  const { receive, take, confirmations } = open(t, { waiting: () => waiting })
  waiting = 300
  receive(300)
  pass(100)
  t.same(take(), [])
  waiting = 150
  confirmations.received()
  t.same(take(), [[150, 150]])
  waiting = 140
  confirmations.received()
  pass(100)
  t.same(take(), [[160, 160]])
  confirmations.end()
  waiting = 0
  confirmations.received()
  pass(100)
  t.same([take(), confirmations.taken], [[], 160])
})

t.test('tell confirms at once, and in place of what was due', async t => {
  const pass = timers(t)
  const { receive, take, confirmations } = open(t)
  receive(5)
  confirmations.tell()
  t.same(take(), [[5, 5]])
  pass(100)
  t.same(take(), [])
})

t.test('when it has ended it confirms nothing', async t => {
  const pass = timers(t)
  const { receive, take, confirmations } = open(t)
  receive(5)
  confirmations.end()
  pass(100)
  confirmations.tell()
  t.same(take(), [])
})

t.test('without a keeper a check says nothing new', async t => {
  const { take, confirmations } = open(t)
  confirmations.checked(0, 'x')
  t.same(take(), [])
})

t.test('with a keeper what is checked is noted, written, saved and then confirmed', async t => {
  const pass = timers(t)
  const { receive, take, confirmations } = open(t)
  const { keeper, done, calls } = fakeKeeper(7)
  confirmations.keepWith(keeper)
  t.same([confirmations.durable, confirmations.taken], [7, 7])
  receive(300, false)
  pass(100)
  t.same(take(), [], 'it waits for the check')
  confirmations.checked(100, 'aa')
  t.same(calls(), ['note 100 aa', 'written 100'])
  await done()
  t.same([calls(), take(), confirmations.taken], [['saved 100'], [], 100])
  confirmations.checked(200, 'bb')
  confirmations.checked(300, 'cc')
  t.same(calls(), ['note 200 bb', 'written 200', 'note 300 cc', 'written 300'])
  await done()
  t.same(take(), [[100, 100]])
})

t.test('what is written while something is saved is saved together', async t => {
  const { take, confirmations } = open(t)
  const { keeper, done, calls } = fakeKeeper()
  confirmations.keepWith({ ...keeper, written: async () => {} })
  for (const offset of [100, 200, 300]) {
    confirmations.checked(offset, 'aa')
    await turn()
  }
  t.same(calls(), ['note 100 aa', 'saved 100', 'note 200 aa', 'note 300 aa'])
  await done()
  t.same([calls(), take()], [['saved 300'], [[100, 300]]])
  await done()
  t.same([calls(), take()], [[], [[300, 300]]])
  confirmations.checked(400, 'aa')
  await turn()
  t.same(calls(), ['note 400 aa', 'saved 400'])
})

t.test(
  'for a sender that can read again, what is written is confirmed, and saved each half second or 64 MiB',
  async t => {
    const pass = timers(t)
    const { take, confirmations } = open(t, { isRereadable: true })
    const { keeper, done, calls } = fakeKeeper()
    confirmations.keepWith({ ...keeper, note() {}, written: async () => {} })
    const check = async (offset: number) => {
      confirmations.checked(offset, 'aa')
      await turn()
    }
    await check(100)
    t.same([calls(), take()], [[], [[0, 100]]])
    pass(500)
    await check(200)
    t.same([calls(), take()], [['saved 200'], [[0, 200]]])
    await check(300)
    await done()
    t.same([calls(), take()], [[], [[0, 300], [200, 300]]], 'the rest has time') // biome-ignore format: pairs
    const mib = 1024 * 1024
    await check(200 + 64 * mib - 1)
    t.same(calls(), [])
    await check(200 + 64 * mib)
    t.same(calls(), [`saved ${200 + 64 * mib}`])
  },
)

t.test('a check that comes again changes nothing', async t => {
  const { confirmations } = open(t)
  const { keeper, calls } = fakeKeeper(50)
  confirmations.keepWith(keeper)
  for (const offset of [50, 100, 100]) confirmations.checked(offset, 'aa')
  t.same(calls(), ['note 100 aa', 'written 100'])
})

t.test('what a keeper cannot do is never confirmed', async t => {
  const { take, confirmations } = open(t)
  const { keeper, done, fail, calls } = fakeKeeper()
  confirmations.keepWith(keeper)
  confirmations.checked(100, 'aa')
  await fail()
  t.same([calls(), take(), confirmations.taken], [['note 100 aa', 'written 100'], [], 0])
  confirmations.checked(200, 'bb')
  await done()
  await fail()
  t.same([calls(), take(), confirmations.durable], [['note 200 bb', 'written 200', 'saved 200'], [], 0])
  confirmations.checked(300, 'cc')
  await done()
  t.same(calls(), ['note 300 cc', 'written 300'], 'and not tried again: its stream fails')
})
