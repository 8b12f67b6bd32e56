import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import type { Keeper } from '../../../../lib/endpoints/session/keeper.js'
import { encodeFrame } from '../../../../lib/formats/session-frames.js'
import { closed, collect, outcome, until } from '../../network.js'
import { ackFrame, dataFrame, helloFrame, json, rawDialler } from './peer.js'
import { cutAfter, type Relay, relay } from './relay.js'
import { dialled, sessionListener, sessionPair } from './sessions.js'

const data = randomBytes(3000)

t.test('a link that breaks after any byte changes nothing, in both directions (H-01)', async t => {
  for (const direction of ['up', 'down'] as const)
    for (let bytes = 0; bytes < 3400; bytes += bytes < 500 ? 23 : 211) {
      const through = async (port: number) => (await relay(t, port, cutAfter(direction, bytes))).port
      const { near, far } = await sessionPair(t, { through, dial: { giveUpAfter: 5000 } }).catch(error => {
        if (bytes < 600) return { near: undefined, far: undefined, error } // before the session had begun
        throw error
      })
      if (!near || !far) continue
      near.stream.end(data)
      far.stream.end(data)
      const [there, back] = await Promise.all([collect(far.stream), collect(near.stream)])
      if (!there.equals(data) || !back.equals(data)) t.fail(`${direction} ${bytes}`)
      await Promise.all([closed(near.stream), closed(far.stream)])
      t.same([near.stream.errored, far.stream.errored], [null, null], `${direction} ${bytes}`)
    }
})

t.test('the newest link wins, though the old one still looks open (H-02)', async t => {
  let path: Relay | undefined
  const through = async (port: number) => {
    path = await relay(t, port)
    return path.port
  }
  const { near, far } = await sessionPair(t, { through })
  path?.links[0]?.freeze()
  path?.links[0]?.client.resetAndDestroy() // the listener hears nothing of it
  near.stream.end('over another link')
  t.equal(String(await collect(far.stream)), 'over another link')
  far.stream.end('and back')
  t.equal(String(await collect(near.stream)), 'and back')
  await Promise.all([closed(near.stream), closed(far.stream)])
  t.match([near.session?.reconnects, far.session?.reconnects], [1, 1])
})

t.test('a peer that reads nothing gets its confirmations later, all in one (H-16)', async t => {
  const listener = await sessionListener(t)
  const peer = rawDialler(t, listener.port, helloFrame({ window: 4 }))
  const leg = await listener.leg()
  leg.stream.resume()
  await peer.got('welcome')
  peer.socket.pause()
  const many = 200_000
  const frame = (at: number) => dataFrame(at, 'x')
  for (let at = 0; at < many; at += 1000) {
    const sent = peer.socket.write(Buffer.concat(Array.from({ length: 1000 }, (_, i) => frame(at + i))))
    if (!sent) await once(peer.socket, 'drain')
  }
  await until(() => leg.bytes.in === many)
  const acks = () => peer.frames.filter(({ type }) => type === 'ack').length
  peer.socket.resume()
  await until(() => peer.frames.some(({ type, offset }) => type === 'ack' && offset === many))
  t.ok(acks() < many, `${acks()} acks`)
})

t.test('a stream that is destroyed tells the peer why', async t => {
  const { near, far } = await sessionPair(t)
  const seen = outcome(near.stream)
  far.reset(new Error('for a reason'))
  t.match(await seen, { code: 'ERR_SESSION' })
  t.equal(near.stream.errored?.message, 'the receiver failed: for a reason')
  const other = await sessionPair(t)
  const failed = outcome(other.far.stream)
  other.near.stream.destroy()
  await failed
  t.equal(other.far.stream.errored?.message, 'the sender failed: the connection was closed before its end')
})

t.test(
  'what a peer sends in the middle of a session and does not belong there fails the session, in words',
  async t => {
    for (const [frames, words] of [
      [[dataFrame(5, 'x')], 'the peer sent data at 5; expected 0'],
      [[dataFrame(0, 'x', false)], 'the peer sent data without a checksum'],
      [[ackFrame(1)], 'the peer confirmed bytes that were not sent'],
    ] as const) {
      const listener = await sessionListener(t)
      const peer = rawDialler(t, listener.port, helloFrame())
      const leg = await listener.leg()
      const seen = outcome(leg.stream)
      await peer.got('welcome')
      peer.socket.write(Buffer.concat(frames))
      t.equal(await peer.refusal(), words)
      t.match(await seen, { code: 'ERR_SESSION' })
    }
  },
)

/** A keeper that has all at once, and tells where it was sent back to. */
function memoryKeeper(): Keeper & { rewound: number[] } {
  const rewound: number[] = []
  return {
    rewound,
    note() {},
    async written() {},
    async saved() {},
    async rewind(offset) {
      rewound.push(offset)
    },
    over() {},
  }
}

t.test('a transfer: the receipt tells what was written; the sender gets an answer, too', async t => {
  const listener = await sessionListener(t)
  const near = dialled(t, listener.port, { kind: 'transfer', name: 'a' })
  const far = await listener.leg()
  far.session?.confirmWritten({ written: { bytes: 1, sha256: '00'.repeat(32) } })
  const got = collect(far.stream).then(bytes => {
    far.stream.end('answer')
    return bytes
  })
  const { stream, session } = await near
  const answer = collect(stream)
  stream.end('question')
  t.equal(String(await got), 'question')
  t.equal(String(await answer), 'answer')
  await Promise.all([closed(stream), closed(far.stream)])
  t.match(session?.receipt, { name: 'a', bytes: 8, written: { bytes: 1 }, sha256: far.session?.sha256 })
  t.equal(far.session?.receipt, undefined)
})

t.test('a transfer whose listener gives no receipt, or up, fails', async t => {
  const listener = await sessionListener(t, { giveUpAfter: 30 })
  const peer = rawDialler(t, listener.port, helloFrame({ kind: 'transfer' }))
  const leg = await listener.leg()
  leg.stream.resume()
  await peer.got('welcome')
  peer.socket.destroy()
  await closed(leg.stream)
  t.match(leg.stream.errored, { message: /^the client did not come back/ })
})

t.test('a keeper that is slow stops the link; what it has to give back is sent again', async t => {
  const keeper = memoryKeeper()
  const listener = await sessionListener(t)
  const peer = rawDialler(t, listener.port, helloFrame({ kind: 'transfer' }))
  const leg = await listener.leg()
  leg.session?.begin(keeper)
  t.match(JSON.parse(String((await peer.got('welcome')).payload)), { checked: false })
  const block = Buffer.alloc(100_000, 'x')
  peer.socket.write(dataFrame(0, block, false))
  await until(() => leg.bytes.in === block.length)
  peer.socket.write(encodeFrame('check', block.length, json({ sha256: 'wrong' })))
  leg.stream.resume()
  await peer.closed()
  t.same(keeper.rewound, [0])
  const back = rawDialler(t, listener.port, helloFrame({ kind: 'transfer', again: true }))
  t.match(await back.got('welcome'), { offset: 0 })
  t.equal(leg.session?.reconnects, 1)
})

t.test('a dialler that has more than was sent fails the session', async t => {
  const listener = await sessionListener(t)
  const peer = rawDialler(t, listener.port, helloFrame({ received: 5 }))
  t.match(await peer.refusal(), /needs the bytes from 5 on/)
  t.match((await listener.leg()).stream.errored, { code: 'ERR_SESSION' })
})

t.test('an ack of a wrong length, another type, and data before its time', async t => {
  for (const [frame, words] of [
    [encodeFrame('ack', 0, Buffer.alloc(7)), 'the peer sent an ack of a wrong length'],
    [helloFrame(), 'the peer sent a frame of type hello in the middle of a session'],
    [encodeFrame('check', 0, json({})), undefined],
    [encodeFrame('error', 0, json({ message: 'enough' })), undefined],
  ] as const) {
    const listener = await sessionListener(t)
    const peer = rawDialler(t, listener.port, helloFrame())
    const leg = await listener.leg()
    await peer.got('welcome')
    peer.socket.write(frame)
    if (words) t.equal(await peer.refusal(), words)
    else if (frame[0] === 7) {
      await closed(leg.stream)
      t.equal(leg.stream.errored?.message, 'the sender failed: enough')
    }
  }
  const early = await sessionListener(t)
  const peer = rawDialler(t, early.port, helloFrame({ kind: 'transfer' }))
  const leg = await early.leg()
  peer.socket.write(dataFrame(0, 'x'))
  t.equal(await peer.refusal(), 'the peer sent data before the session has begun')
  t.ok(leg.stream.destroyed)
})
