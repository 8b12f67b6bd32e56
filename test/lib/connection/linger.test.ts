import { once } from 'node:events'
import t from 'tap'
import { isTransfer, keptOpen, leave, lingerTime } from '../../../lib/connection/linger.js'
import { stop } from '../../../lib/stages/define.js'
import { closed, collect, failOnWarning, memorySink, outcome } from '../network.js'
import { stoppedClock, turns } from '../stats/stopped-clock.js'
import { around, legs, openOver, socketLegs, work, write } from './support.js'

const isFine = () => false

t.test('a leg whose peer has ended is closed when our end has been told', async t => {
  const [leg, { stream: peer }] = legs(t)
  const seen = outcome(peer)
  peer.end()
  leg.stream.resume()
  await once(leg.stream, 'end')
  await leave(leg, isFine)
  t.ok(leg.stream.closed)
  t.match(await seen, { ended: true, code: undefined })
})

t.test('a leg that has failed is closed by its reset, and nothing else is waited for', async t => {
  const [leg, { stream: peer }] = legs(t)
  const seen = outcome(peer)
  leg.reset(new Error('x'))
  await leave(leg, () => true)
  t.ok(leg.stream.closed)
  t.match(await seen, { ended: false, code: 'ECONNRESET' })
})

t.test('a leg that is closed already is left at once (G-56)', async t => {
  for (const hasFailed of [true, false]) {
    const [leg] = legs(t)
    leg.stream.destroy()
    await closed(leg.stream)
    await t.resolves(leave(leg, () => hasFailed))
  }
})

t.test('a peer that has got nothing from us is not waited for', async t => {
  stoppedClock(t, { timers: true })
  const [leg, { stream: peer }] = legs(t)
  const seen = collect(peer)
  await leave(leg, isFine)
  t.ok(leg.stream.closed)
  t.equal(String(await seen), '', 'an end, and no reset')
})

t.test('a peer that has got something has a second to end after us, and no longer', async t => {
  const clock = stoppedClock(t, { timers: true })
  const [leg, { stream: peer }] = legs(t)
  const got = collect(peer)
  await write(leg.stream, 'reply')
  let isLeft = false
  const left = leave(leg, isFine).then(() => {
    isLeft = true
  })
  t.equal(String(await got), 'reply')
  await turns()
  for (let i = 0; i < 5; i++) {
    clock.pass(lingerTime / 5 - 1)
    await write(peer, 'still sending')
  }
  await turns()
  t.notOk(isLeft, 'not before its time')
  clock.pass(5)
  await left
  t.ok(leg.stream.destroyed)
})

t.test('a peer that ends within the second ends it, and no timer is left', async t => {
  const clock = stoppedClock(t, { timers: true })
  const [leg, { stream: peer }] = legs(t)
  const got = collect(peer)
  await write(leg.stream, 'reply')
  const left = leave(leg, isFine)
  await got
  await turns()
  peer.end('late')
  await left
  t.ok(leg.stream.closed)
  const destroy = t.capture(leg.stream, 'destroy')
  clock.pass(lingerTime)
  t.equal(destroy().length, 0)
})

t.test('a peer that is lost while our last bytes are under way ends it', async t => {
  stoppedClock(t, { timers: true })
  const [leg, { stream: peer }] = legs(t)
  leg.stream.write(Buffer.alloc(1_000_000))
  const left = leave(leg, isFine)
  await turns()
  peer.destroy(new Error('gone'))
  await left
  t.match(leg.stream.errored, { code: 'ECONNRESET' })
})

t.test('one who still reads the leg is waited for', async t => {
  const clock = stoppedClock(t, { timers: true })
  const [leg, { stream: peer }] = legs(t)
  const sink = memorySink()
  leg.stream.pipe(sink)
  await write(leg.stream, 'reply')
  peer.resume()
  const left = leave(leg, isFine)
  await once(peer, 'end')
  await turns()
  clock.pass(10 * lingerTime)
  peer.end('late')
  await left
  t.equal(String(sink.data), 'late')
})

t.test('a client that goes on sending by TCP gets the whole reply, and no reset', async t => {
  failOnWarning(t)
  const { leg, peer, connection } = openOver(await socketLegs(t))
  const noise = setInterval(() => peer.write(Buffer.alloc(100_000)), 1)
  t.teardown(() => clearInterval(noise))
  peer.once('end', () => {
    clearInterval(noise)
    peer.end()
  })
  const seen = outcome(peer)
  const block = Buffer.alloc(2_000_000, 'r')
  let count = 0
  const summary = await work(connection, around(leg), () => () => (count++ === 0 ? block : stop))
  t.match(summary, { closedBy: 'local', error: undefined, bytesOut: block.length })
  const { ended, code, data } = await seen
  t.match({ ended, code }, { ended: true, code: undefined })
  t.equal(data.length, block.length)
})

t.test('a side that is kept open ends when the reply is over', async t => {
  const [leg, { stream: peer }] = legs(t)
  let over = () => {}
  const { sink, ended } = keptOpen(leg, new Promise(resolve => (over = resolve)))
  const got = collect(peer)
  sink.end('all')
  await ended
  await turns()
  t.equal(peer.readableEnded, false)
  over()
  t.equal(String(await got), 'all')
  await closed(sink)
  t.equal(sink.errored, null)
})

t.test('a side that is kept open fails with the reply, and is destroyed with its leg', async t => {
  const [leg] = legs(t)
  const reply = Promise.reject(new Error('no reply'))
  reply.catch(() => {})
  const { sink } = keptOpen(leg, reply)
  const failed = once(sink.end('x'), 'error')
  t.match(await failed, [{ message: 'no reply' }])
  const other = keptOpen(leg, new Promise(() => {}))
  leg.stream.destroy()
  await closed(other.sink)
  t.notOk(other.sink.writableFinished)
})

t.test('linger has an end by TCP, too', async t => {
  const { leg, peer, connection } = openOver(await socketLegs(t))
  const seen = outcome(peer)
  peer.write('question')
  let count = 0
  const started = performance.now()
  await work(connection, around(leg), () => (chunk: Buffer) => {
    if (count++ > 0) return stop
    setImmediate(() => peer.write('more'))
    return chunk
  })
  const time = performance.now() - started
  t.ok(time >= lingerTime - 20 && time < lingerTime + 1000, `${time} ms`)
  peer.end()
  t.equal(String((await seen).data), 'question')
})

t.test('a client that is lost by TCP while our last bytes are under way has reset the connection', async t => {
  const { stream, peer, connection } = openOver(await socketLegs(t))
  peer.pause()
  stream.write(Buffer.alloc(20_000_000))
  const ended = connection.finish()
  await turns()
  peer.destroy(new Error('gone')) // the leg of a socket resets it
  t.match(await ended, { closedBy: 'reset', error: { code: /ECONNRESET|EPIPE/ } })
})

t.test('the end of a leg is a receipt in a transfer, and nowhere else', async t => {
  const [leg] = legs(t)
  t.notOk(isTransfer(leg))
  for (const kind of ['transfer', 'tunnel'])
    t.equal(isTransfer({ ...leg, session: { hello: { kind } } as never }), kind === 'transfer')
})
