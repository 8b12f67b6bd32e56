import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import type { Leg } from '../../../../lib/endpoints/endpoint.js'
import type { Keeper } from '../../../../lib/endpoints/session/keeper.js'
import { encodeFrame, prefaceBytes } from '../../../../lib/formats/session-frames.js'
import { closed, collect, outcome, until } from '../../network.js'
import { ackFrame, dataFrame, helloFrame, json, type RawPeer, rawDialler, rawListener, welcomeFrame } from './peer.js'
import { cutAfter, type Relay, relay } from './relay.js'
import { dialled, sessionListener, sessionPair } from './sessions.js'

const data = randomBytes(3000)

t.test('a link that breaks after any byte changes nothing, in both directions (H-01)', async t => {
  for (const direction of ['up', 'down'] as const)
    for (let bytes = 0; bytes < 3400; bytes += bytes < 500 ? 23 : 211) {
      const through = async (port: number) => (await relay(t, port, cutAfter(direction, bytes))).port
      const { near, far } = await sessionPair(t, { through, dial: { giveUpAfter: 20_000 } }).catch(error => {
        if (direction === 'down' && bytes < prefaceBytes) return { near: undefined, far: undefined }
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
  const durable: number[] = []
  if (session) session.onDurable = bytes => durable.push(bytes)
  stream.end('question')
  t.equal(String(await got), 'question')
  t.equal(String(await answer), 'answer')
  t.equal(durable.at(-1), 8)
  t.ok(far.session?.isEnded)
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

t.test('a receipt must say what was sent', async t => {
  const sha256 = '00'.repeat(32)
  for (const [end, words] of [
    [{}, 'it sent no receipt'],
    [{ receipt: { bytes: 3, sha256 } }, 'digest mismatch: the receiver has other bytes'],
    [{ receipt: { bytes: 2, sha256 } }, 'truncated: the receiver ended after 2 bytes of 3'],
    [{ receipt: { bytes: 'x', sha256 } }, 'the peer sent a frame of type end whose field bytes is invalid'],
  ] as const) {
    const { port } = await rawListener(t, async peer => {
      await peer.got('hello')
      peer.socket.write(welcomeFrame())
      await peer.got('end')
      peer.socket.write(Buffer.concat([ackFrame(3, 3, true), encodeFrame('end', 0, json(end))]))
    })
    const near = await dialled(t, port, { kind: 'transfer' })
    near.stream.end('abc')
    await outcome(near.stream)
    t.equal(near.stream.errored?.message, words)
  }
})

t.test('a receiver that ends too early has not taken everything', async t => {
  const { port } = await rawListener(t, async peer => {
    await peer.got('hello')
    peer.socket.write(welcomeFrame())
    await peer.got('data')
    peer.socket.write(encodeFrame('end', 0, json({ receipt: { bytes: 0, sha256: '00'.repeat(32) } })))
  })
  const near = await dialled(t, port, { kind: 'transfer' })
  near.stream.write('abc')
  await closed(near.stream)
  t.equal(near.stream.errored?.message, 'truncated: the receiver ended after 0 bytes')
})

t.test('a sender that begins a session of an earlier run skips what the receiver has', async t => {
  const { port } = await rawListener(t, async peer => {
    await peer.got('hello')
    peer.socket.write(welcomeFrame(3, { sha256: createHash('sha256').update('abc').digest('hex') }))
  })
  const near = await dialled(t, port, { kind: 'transfer' })
  near.stream.end('xyz')
  await outcome(near.stream)
  t.match(near.stream.errored, { message: 'digest mismatch: the receiver has other bytes before 3', kind: 'differs' })
  const short = await dialled(t, port, { kind: 'transfer' })
  short.stream.end('ab')
  await outcome(short.stream)
  t.match(short.stream.errored, { kind: 'differs' }, 'it has less')
})

t.test('a receiver whose sender leaves between the receipt and its confirmation has everything (H-06)', async t => {
  const listener = await sessionListener(t, { giveUpAfter: 20 })
  const peer = rawDialler(t, listener.port, helloFrame({ kind: 'transfer' }))
  const leg = await listener.leg()
  leg.stream.resume().end()
  await peer.got('welcome')
  peer.socket.write(encodeFrame('end', 0, json({ sha256: leg.session?.sha256 })))
  await peer.got('end')
  peer.socket.destroy()
  await closed(leg.stream)
  t.equal(leg.stream.errored, null)
})

t.test('an end with another digest fails a transfer whose data cannot be taken back', async t => {
  const listener = await sessionListener(t)
  const peer = rawDialler(t, listener.port, helloFrame({ kind: 'transfer' }))
  const leg = await listener.leg()
  leg.stream.resume().end()
  await peer.got('welcome')
  peer.socket.write(Buffer.concat([dataFrame(0, 'abc'), encodeFrame('end', 3, json({ sha256: '00'.repeat(32) }))]))
  t.equal(await peer.refusal(), 'digest mismatch after 3 bytes')
  await closed(leg.stream)
  t.match(leg.stream.errored, { code: 'ERR_SESSION' })
})

t.test('a slow reader stops the next link, too', async t => {
  const listener = await sessionListener(t)
  const facts = { kind: 'transfer' }
  const first = rawDialler(t, listener.port, helloFrame(facts))
  const leg = await listener.leg()
  leg.session?.begin(memoryKeeper())
  await first.got('welcome')
  const block = Buffer.alloc(100_000, 'x')
  first.socket.write(dataFrame(0, block, false))
  await until(() => leg.bytes.in === block.length)
  const second = rawDialler(t, listener.port, helloFrame({ ...facts, again: true }))
  t.match(await second.got('welcome'), { offset: block.length })
  second.socket.write(dataFrame(block.length, block, false))
  const other = rawDialler(t, listener.port, helloFrame({ id: '44'.repeat(16) }))
  await other.got('welcome')
  t.equal(leg.bytes.in, block.length, 'though others are served')
  leg.stream.resume()
  await until(() => leg.bytes.in === 2 * block.length)
})

t.test('what a reader takes while there is no link is confirmed over the next one', async t => {
  const next: RawPeer[] = []
  const { port } = await rawListener(t, async (peer, number) => {
    next[number] = peer
    await peer.got('hello')
    peer.socket.write(welcomeFrame(0, { window: 4 }))
    if (number === 0) peer.socket.write(dataFrame(0, 'abcd'))
  })
  const taken: string[] = []
  const near: Leg = await dialled(t, port, { onLost: () => void taken.push(String(near.stream.read())) })
  await until(() => near.bytes.in === 4)
  next[0]?.socket.resetAndDestroy()
  await until(() => next.length === 2)
  t.match(JSON.parse(String((await next[1]?.got('hello'))?.payload)), { again: true, received: 4 })
  t.match(await next[1]?.got('ack'), { offset: 4 })
  t.same(taken, ['abcd'])
})

t.test('the receipt of an earlier run, which has sent everything, waits until this run has compared it', async t => {
  const sha256 = createHash('sha256').update('abc').digest('hex')
  const { port } = await rawListener(t, async peer => {
    await peer.got('hello')
    const receipt = encodeFrame('end', 0, json({ receipt: { bytes: 3, sha256 } }))
    peer.socket.write(Buffer.concat([welcomeFrame(3, { sha256 }), receipt]))
    await peer.got('end')
    peer.socket.write(ackFrame(3, 3, true))
  })
  const { stream, session } = await dialled(t, port, { kind: 'transfer' })
  stream.resume().write('ab')
  t.equal(session?.receipt, undefined)
  stream.end('c')
  await closed(stream)
  t.equal(stream.errored, null)
  t.match(session?.receipt, { bytes: 3, sha256 })
})

t.test('a size that is announced has to be kept', async t => {
  for (const size of [4, 5, 6]) {
    const listener = await sessionListener(t)
    const near = dialled(t, listener.port, { kind: 'transfer', size })
    const far = await listener.leg()
    const ended = collect(far.stream).then(
      () => far.stream.end(),
      () => {},
    )
    const { stream } = await near
    stream.resume().end('12345')
    await Promise.all([closed(stream), ended])
    const message = `the receiver failed: truncated: the sender announced ${size} bytes, and sent 5`
    t.match(stream.errored, size === 5 ? null : { code: 'ERR_SESSION', message })
  }
})
