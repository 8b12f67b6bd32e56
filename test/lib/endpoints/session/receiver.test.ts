import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Keeper } from '../../../../lib/endpoints/session/keeper.js'
import { Receiver } from '../../../../lib/endpoints/session/receiver.js'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

function open(t: Test, { digest = true, isRereadable = false } = {}) {
  const events: string[] = []
  const receiver = new Receiver({
    digest,
    isRereadable,
    window: 8,
    deliver: bytes => void events.push(`deliver ${bytes}`),
    confirm: () => void events.push(`confirm ${receiver.confirmations.taken}`),
    breakLink: error => void events.push(`break: ${error.message}`),
    fail: error => void events.push(`fail: ${error.message}`),
  })
  t.teardown(() => receiver.over())
  return { receiver, events, take: () => events.splice(0) }
}

function fakeKeeper(events: string[], resumed?: Keeper['resumed']): Keeper {
  return {
    resumed,
    note: offset => void events.push(`note ${offset}`),
    written: async offset => void events.push(`written ${offset}`),
    saved: async offset => void events.push(`saved ${offset}`),
    rewind: async offset => void events.push(`rewind ${offset}`),
    over: () => void events.push('over'),
  }
}

/** Whether it is known where the sender has to go on. */
async function isReady(receiver: Receiver): Promise<boolean> {
  return Promise.race([receiver.ready().then(() => true), turn(false)])
}

t.test('without a keeper data has to be checked', async t => {
  const { receiver, take } = open(t)
  t.equal(await isReady(receiver), false)
  receiver.begin()
  t.equal(await isReady(receiver), true)
  t.equal(receiver.needsChecksums, true)
  receiver.data(0, Buffer.from('ab'), true)
  t.same(take(), ['deliver ab', 'confirm 2'])
  t.throws(() => receiver.data(2, Buffer.from('c'), false), {
    code: 'ERR_SESSION',
    message: 'the peer sent data without a checksum',
  })
  t.throws(() => receiver.data(3, Buffer.from('c'), true), { message: 'the peer sent data at 3; expected 2' })
  t.same(take(), [], 'and nothing of it is delivered')
  receiver.check(2, sha256('ab'))
  t.equal(receiver.end(2, sha256('ab')), true)
  t.equal(receiver.incoming.isEnded, true)
})

t.test('a digest that differs fails it, as what is delivered cannot be taken back', async t => {
  for (const [work, verified] of [
    [receiver => receiver.check(2, sha256('ax')), 2],
    [receiver => t.equal(receiver.end(2, sha256('ax')), false), 2],
  ] as [(receiver: Receiver) => void, number][]) {
    const { receiver, take } = open(t)
    receiver.begin()
    receiver.data(0, Buffer.from('ab'), true)
    take()
    work(receiver)
    t.same(take(), [`fail: digest mismatch after ${verified} bytes`])
  }
})

t.test('a keeper says where it begins; the first call counts', async t => {
  const { receiver, events, take } = open(t)
  receiver.begin(fakeKeeper(events, { offset: 2, hash: createHash('sha256').update('ab') }))
  receiver.begin()
  t.equal(receiver.needsChecksums, false)
  t.same([receiver.incoming.received, receiver.confirmations.durable], [2, 2])
  receiver.data(2, Buffer.from('cd'), false)
  receiver.check(4, sha256('abcd'))
  await turn()
  t.same(take(), ['deliver cd', 'note 4', 'written 4', 'saved 4', 'confirm 4'])
  t.equal(receiver.end(4, sha256('abcd')), true)
  receiver.over()
  t.same(take(), ['over'])
})

t.test('with a keeper it goes back to what is right, and the sender sends it again', async t => {
  const { receiver, events, take } = open(t)
  receiver.begin(fakeKeeper(events))
  receiver.data(0, Buffer.from('ab'), false)
  receiver.check(2, sha256('ab'))
  await turn()
  receiver.data(2, Buffer.from('xx'), false)
  take()
  receiver.check(4, sha256('abcd'))
  t.same(take(), ['written 4', 'break: digest mismatch after 2 bytes'])
  t.equal(await isReady(receiver), true)
  t.same(take(), ['rewind 2'])
  t.same([receiver.incoming.received, receiver.confirmations.taken, receiver.confirmations.durable], [2, 2, 2])
  receiver.data(2, Buffer.from('cd'), false)
  t.equal(receiver.end(4, sha256('abcd')), true)
})

t.test('it is not ready while it goes back', async t => {
  const { receiver, events } = open(t)
  const { promise, resolve } = waiter()
  receiver.begin({ ...fakeKeeper(events), rewind: () => promise })
  receiver.data(0, Buffer.from('x'), false)
  t.equal(receiver.end(1, sha256('a')), false)
  t.equal(await isReady(receiver), false)
  resolve()
  t.equal(await isReady(receiver), true)
  t.equal(receiver.incoming.received, 0)
})

function waiter() {
  let resolve = () => {}
  const promise = new Promise<void>(done => {
    resolve = done
  })
  return { promise, resolve }
}

t.test('three wrong digests in a row fail it; a right one in between does not count', async t => {
  const { receiver, events, take } = open(t)
  receiver.begin(fakeKeeper(events))
  const wrong = async () => {
    receiver.data(receiver.incoming.received, Buffer.from('x'), false)
    receiver.check(receiver.incoming.received, sha256('wrong'))
    await receiver.ready()
    return take().filter(event => /^(break|fail)/.test(event))
  }
  const broken = (verified: number) => [`break: digest mismatch after ${verified} bytes`]
  t.same(await wrong(), broken(0))
  t.same(await wrong(), broken(0))
  receiver.data(0, Buffer.from('a'), false)
  receiver.check(1, sha256('a'))
  t.same(await wrong(), broken(1))
  t.same(await wrong(), broken(1))
  t.same(await wrong(), ['fail: digest mismatch after 1 bytes'])
})

t.test('a keeper that cannot go back fails it', async t => {
  for (const what of ['written', 'rewind'] as const) {
    const { receiver, events, take } = open(t)
    const failing = async () => {
      throw new Error('no such file')
    }
    receiver.begin({ ...fakeKeeper(events), [what]: failing })
    receiver.data(0, Buffer.from('x'), false)
    receiver.check(1, sha256('a'))
    await receiver.ready()
    t.equal(take().at(-1), 'fail: no such file', what)
  }
})

t.test('a session that is over waits for nothing', async t => {
  const { receiver } = open(t)
  receiver.over()
  t.equal(await isReady(receiver), true)
})
