import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import { closed, collect, outcome, until } from '../../network.js'
import { ackFrame, dataFrame, helloFrame, rawDialler } from './peer.js'
import { cutAfter, type Relay, relay } from './relay.js'
import { sessionListener, sessionPair } from './sessions.js'

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
