import { once } from 'node:events'
import { type Duplex, Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { type Ends, openChain } from '../../../lib/connection/chain.js'
import { openConnection } from '../../../lib/connection/connection.js'
import type { EndNotice, Leg } from '../../../lib/endpoints/endpoint.js'
import { closed, memorySink } from '../network.js'
import { turns } from '../stats/stopped-clock.js'
import { from, into, legs } from './support.js'

const options = { log: undefined, maxRecord: undefined, idleTimeout: 0 }

/** A leg whose end carries a notice, and whether ours leaves it out. */
function withNotice(leg: Leg) {
  const notice = {
    omitted: false,
    acceptMissing: () => false,
    omit() {
      notice.omitted = true
    },
  }
  const endNotice: EndNotice = notice
  return Object.assign(leg, { notice, endNotice: endNotice as EndNotice | undefined })
}

/** A proxy within the process: its connection, its legs, and the streams of its two peers. */
function relay(t: Test, about: Partial<Leg> = {}) {
  const [[near, { stream: client }], [far, { stream: target }]] = [legs(t), legs(t)]
  const [clientLeg, targetLeg] = [withNotice(Object.assign(near, about)), withNotice(far)]
  const connection = openConnection(clientLeg, options)
  connection.join(targetLeg, 'memory:target')
  const run = (direction: 'forward' | 'reply', source: Leg, sink: Leg) =>
    openChain(direction, undefined).run(connection, { ...from(source, sink.stream), sinkLeg: sink, lazy: true })
  const both = Promise.all([run('forward', clientLeg, targetLeg), run('reply', targetLeg, clientLeg)])
  const summary = both.catch(error => connection.fail(error)).then(() => connection.finish())
  return { clientLeg, targetLeg, client, target, summary }
}

type Peers = Pick<ReturnType<typeof relay>, 'client' | 'target'>

/** What the peers do, each letter after the one before has arrived: c, t: a word; C: the end of the client. */
async function talk({ client, target }: Peers, words: string): Promise<void> {
  client.resume()
  target.resume()
  for (const word of words) {
    const [by, to]: [Duplex, Duplex] = word === 't' ? [target, client] : [client, target]
    const arrived = once(to, word === 'C' ? 'end' : 'data')
    if (word === 'C') by.end()
    else by.write('word')
    await arrived
  }
}

t.test('a reset after the conversation is no failure, and is passed on', async t => {
  for (const [words, by] of [
    ['ct', 'client'],
    ['t', 'client'],
    ['ctC', 'client'],
    ['cCt', 'client'], // it has the answer
    ['ctC', 'target'],
    ['ctcC', 'target'], // a goodbye has no answer
  ] as const) {
    t.test(`${words}, then the ${by}`, async t => {
      const made = relay(t)
      await talk(made, words)
      const other = made[by === 'client' ? 'target' : 'client']
      const isClosed = closed(other)
      made[by].destroy(new Error('reset'))
      const summary = await made.summary
      t.match(summary, { closedBy: 'reset', side: by, error: undefined })
      await isClosed
      if (!other.readableEnded) t.match(other.errored, { code: 'ECONNRESET' })
    })
  }
})

t.test('a reset by the peer of send is a failure, also after the last answer', async t => {
  const { peer, connection } = await exchange(t)
  peer.destroy(new Error('reset'))
  t.match(await connection.closed, { closedBy: 'reset', error: { code: 'ECONNRESET' } })
})

t.test('a reset in the middle is a failure', async t => {
  for (const [words, by] of [
    ['', 'client'],
    ['c', 'client'],
    ['ctc', 'client'],
    ['cC', 'client'],
    ['ct', 'target'], // before our end: its answer may go on
    ['cC', 'target'], // it never answered
    ['cCt', 'target'], // its answer may go on
    ['ctcCt', 'target'],
  ] as const) {
    t.test(`${words}, then the ${by}`, async t => {
      const made = relay(t)
      await talk(made, words)
      made[by].destroy(new Error('reset'))
      t.match(await made.summary, { closedBy: 'reset', side: by, error: { code: 'ECONNRESET' } })
    })
  }

  t.test('an answer that is still on its way', async t => {
    const made = relay(t)
    made.target.resume()
    made.client.write('word')
    await once(made.target, 'data')
    for (let i = 0; i < 40; i++) made.target.write(Buffer.alloc(65_536))
    await turns()
    made.client.destroy(new Error('reset'))
    t.match(await made.summary, { side: 'client', error: { code: 'ECONNRESET' } })
  })

  t.test('a write that is lost', async t => {
    const made = relay(t)
    await talk(made, 'ct')
    made.clientLeg.stream.destroy(Object.assign(new Error('lost'), { code: 'EPIPE', syscall: 'write' }))
    t.match(await made.summary, { side: 'client', error: { code: 'EPIPE' } })
  })
})

t.test('nothing is owed to a peer that has closed its socket, and nothing by it', async t => {
  for (const isGone of [true, false]) {
    const answered = relay(t, { isGone: () => isGone })
    await talk(answered, 'ctcCt')
    answered.target.destroy(new Error('reset'))
    t.equal((await answered.summary).error === undefined, isGone, 'a late answer')

    const asked = relay(t)
    asked.targetLeg.isGone = () => isGone
    await talk(asked, 'ctc')
    asked.client.destroy(new Error('reset'))
    t.equal((await asked.summary).error === undefined, isGone, 'a late question')

    const early = relay(t, { isGone: () => isGone })
    await talk(early, 'ct')
    early.target.destroy(new Error('reset'))
    t.ok((await early.summary).error, 'before the end of the client')
  }
})

t.test('an end without its notice', async t => {
  for (const [words, by, isAccepted] of [
    ['ct', 'client', true],
    ['ctc', 'client', false],
    ['', 'client', false],
    ['ctC', 'target', true],
    ['ct', 'target', false],
    ['cC', 'target', false],
    ['ctcC', 'target', false],
    ['cCt', 'target', false],
  ] as const) {
    t.test(`${words}, then the ${by}: ${isAccepted ? 'accepted, and passed on as it is' : 'a failure'}`, async t => {
      const made = relay(t)
      await talk(made, words)
      const [leg, other] = by === 'client' ? [made.clientLeg, made.targetLeg] : [made.targetLeg, made.clientLeg]
      t.equal(leg.notice.acceptMissing(), isAccepted)
      t.equal(other.notice.omitted, isAccepted)
      t.notOk(leg.notice.omitted)
    })
  }

  t.test('while something is on its way: a failure', async t => {
    const made = relay(t)
    await talk(made, 'ct')
    made.client.pause()
    made.target.write(Buffer.alloc(1_000_000))
    await turns()
    t.notOk(made.clientLeg.notice.acceptMissing())
  })

  t.test('to a leg that has none: a reset, and no failure after the conversation', async t => {
    for (const words of ['ct', 'ctc']) {
      const made = relay(t)
      made.targetLeg.endNotice = undefined
      await talk(made, words)
      t.notOk(made.clientLeg.notice.acceptMissing())
      const isClosed = closed(made.target)
      made.clientLeg.stream.destroy(Object.assign(new Error('cut'), { code: 'ERR_UNEXPECTED_EOF' }))
      const over = words === 'ct'
      t.match(await made.summary, over ? { closedBy: 'peer', side: 'client', error: undefined } : { closedBy: 'error' })
      await isClosed
      t.match(made.target.errored, { code: 'ECONNRESET' })
    }
  })

  t.test('of the peer of send: a failure, also after the last answer', async t => {
    const { leg, peer, done } = await exchange(t)
    t.notOk(leg.notice.acceptMissing())
    peer.end()
    t.notOk((await done).error)
  })

  t.test('of a client whose socket a handler has: a failure', async t => {
    const leg = withNotice(legs(t)[0])
    const connection = openConnection(leg, options)
    t.notOk(leg.notice.acceptMissing())
    connection.drop()
  })
})

/** What `send` does, up to its end: a word there, a word back. */
async function exchange(t: Test) {
  const [near, { stream: peer }] = legs(t)
  const leg = withNotice(near)
  const connection = openConnection(leg, options)
  const source = new Readable({ read() {} })
  const run = (direction: 'forward' | 'reply', ends: Ends) => openChain(direction, undefined).run(connection, ends)
  const both = Promise.all([run('forward', into(source, leg)), run('reply', from(leg, memorySink()))])
  const done = both.catch(error => connection.fail(error)).then(() => connection.finish())
  peer.resume()
  source.push('word')
  await once(peer, 'data')
  peer.write('word')
  await turns()
  source.push(null)
  await once(peer, 'end')
  return { leg, peer, connection, done }
}
