import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { Link } from '../../../../lib/endpoints/session/link.js'
import { socketLeg } from '../../../../lib/endpoints/socket.js'
import { encodeDataHeader, encodeFrame, frameFlags, headerBytes } from '../../../../lib/formats/session-frames.js'
import { legs } from '../../connection/support.js'
import { outcome, socketPair } from '../../network.js'
import { turns } from '../../stats/stopped-clock.js'

/** A link, what its user hears of, and what its peer gets. */
function open(t: Test, timeout = 0) {
  const [leg, { stream: peer }] = legs(t)
  const link = new Link(leg, timeout)
  const heard: string[] = []
  link.use({
    frame: ({ type, flags, offset, payload }) => void heard.push(`${type} ${flags} ${offset} ${payload}`),
    data: (offset, bytes, isChecked) => void heard.push(`${isChecked ? 'checked' : 'data'} ${offset} ${bytes}`),
    drained: () => void heard.push('drained'),
    lost: error => void heard.push(`lost: ${error.message}`),
  })
  t.teardown(() => link.drop(new Error('the test is over')))
  const got: Buffer[] = []
  peer.on('data', chunk => void got.push(chunk))
  return { link, leg, peer, heard: () => heard.splice(0), got: () => Buffer.concat(got.splice(0)) }
}

function dataFrame(offset: number, text: string, isChecked: boolean): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([encodeDataHeader(offset, [bytes], isChecked), bytes])
}

/** Timers of the test, which it moves by hand. The streams do what they can in between. */
function timers(t: Test) {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  t.teardown(() => mock.timers.reset())
  return async (milliseconds: number) => {
    mock.timers.tick(milliseconds)
    await turns()
  }
}

const ping = encodeFrame('ping')
const ask = encodeFrame('ping', 0, undefined, frameFlags.asked)

t.test('what is sent are frames', async t => {
  const { link, got } = open(t)
  link.send('check', 5, { sha256: 'ab' })
  link.send('ping')
  link.sendData(7, [Buffer.from('ab'), Buffer.from('c')], true)
  link.sendData(7, [Buffer.from('abc')], false)
  link.confirm(1, 2, false)
  link.confirm(3, 2 ** 53 - 1, true)
  await turns()
  const taken = (hex: string) => Buffer.from(hex, 'hex')
  t.same(
    got(),
    Buffer.concat([
      encodeFrame('check', 5, Buffer.from('{"sha256":"ab"}')),
      ping,
      dataFrame(7, 'abc', true),
      dataFrame(7, 'abc', false),
      encodeFrame('ack', 1, taken('0000000000000002')),
      encodeFrame('ack', 3, taken('001fffffffffffff'), frameFlags.ended),
    ]),
  )
})

t.test('its user hears of frames and data, and the next one from then on', async t => {
  const { link, peer, heard } = open(t)
  peer.write(Buffer.concat([dataFrame(0, 'ab', true), dataFrame(2, 'c', false), encodeFrame('end', 3)]))
  await turns()
  t.same(heard(), ['checked 0 ab', 'data 2 c', 'end 0 3 '])
  link.use(undefined)
  peer.write(Buffer.concat([ping, dataFrame(0, 'ab', true)]))
  await turns()
  t.same(heard(), [])
})

t.test('what is no frame, and what its user does not accept, breaks it; the rest is not read', async t => {
  const { link, peer, heard } = open(t)
  peer.write(Buffer.concat([ping, Buffer.alloc(headerBytes), ping]))
  await turns()
  t.same(heard(), ['ping 0 0 ', 'lost: the peer sent a frame of an unknown type'])
  t.ok(link.isOver && peer.destroyed)
  const other = open(t)
  const refuse = () => {
    throw new Error('not now')
  }
  const lost: string[] = []
  other.link.use({ frame: refuse, data: refuse, drained() {}, lost: error => void lost.push(error.message) })
  other.peer.write(Buffer.concat([ping, ping]))
  await turns()
  t.same(lost, ['not now'])
})

t.test('it is lost once, whatever happens to its connection', async t => {
  for (const [title, work, words] of [
    ['the peer ends', ({ peer }) => peer.end(), 'the peer closed the link'],
    ['the peer resets', ({ peer }) => peer.destroy(new Error('x')), 'the peer has reset the connection'],
    ['this side fails', ({ leg }) => leg.stream.destroy(new Error('full')), 'full'],
    ['this side is closed', ({ leg }) => leg.stream.destroy(), 'the link was closed'],
    ['it is dropped', ({ link }) => link.drop(new Error('enough')), 'enough'],
  ] as [string, (opened: ReturnType<typeof open>) => unknown, string][]) {
    const opened = open(t)
    const { link, leg, heard, got } = opened
    work(opened)
    await turns()
    t.same(heard(), [`lost: ${words}`], title)
    t.ok(link.isOver && link.isFull && leg.stream.destroyed, title)
    link.send('ping')
    link.confirm(1, 1, false)
    link.drop(new Error('again'))
    link.end()
    await turns()
    t.same([heard(), got().length], [[], 0], title)
  }
})

t.test('a full connection takes no data until it is drained, but confirmations', async t => {
  const { link, peer, heard } = open(t)
  peer.pause()
  t.equal(link.isFull, false)
  let sent = 0
  for (; !link.isFull; sent++) link.sendData(sent * 65536, [Buffer.alloc(65536)], false)
  t.ok(sent * 65536 < 2 ** 20, `${sent} frames`)
  link.confirm(1, 1, false)
  t.same(heard(), [])
  peer.resume()
  await turns(60)
  t.match(heard(), [/drained/])
  t.equal(link.isFull, false)
  link.use(undefined)
  for (let i = 0; !link.isFull; i++) link.sendData(i, [Buffer.alloc(65536)], false)
  await turns(60)
  t.same(heard(), [], 'a link without a user drains as well')
})

t.test('while it is paused it reads nothing', async t => {
  const { link, peer, heard } = open(t)
  await turns()
  link.resume()
  link.pause()
  peer.write(ping)
  await turns()
  t.same(heard(), [])
  link.resume()
  await turns()
  t.same(heard(), ['ping 0 0 '])
})

t.test('an end: what was sent arrives, and nothing is read any more', async t => {
  for (const isPaused of [false, true]) {
    const { link, leg, peer, heard, got } = open(t)
    await turns()
    if (isPaused) link.pause()
    link.send('error', 0, {})
    link.end()
    t.ok(link.isOver)
    peer.write(ping)
    peer.end()
    await turns()
    t.same([heard(), got()], [[], encodeFrame('error', 0, Buffer.from('{}'))])
    t.ok(leg.stream.destroyed && peer.destroyed, 'both are closed')
  }
})

t.test('a peer that does not close an ended link is not waited for', async t => {
  const pass = timers(t)
  const { link, leg } = open(t)
  link.end()
  await pass(999)
  t.notOk(leg.stream.destroyed)
  await pass(1)
  t.ok(leg.stream.destroyed)
})

t.test('nothing is written to a connection that has ended', async t => {
  const { link, leg, got } = open(t)
  leg.stream.end()
  link.send('ping')
  await turns()
  t.same(got().length, 0)
})

t.test('a sign of life each third of the timeout, unless something else is sent', async t => {
  const pass = timers(t)
  const { link, peer, got, heard } = open(t, 3000)
  peer.write(ping)
  await turns()
  await pass(1000)
  t.same(got(), ping, 'it hears the peer')
  await pass(1000)
  t.same(got(), ask, 'it has not heard of it')
  peer.write(ping)
  await turns()
  link.confirm(1, 1, false)
  await turns()
  got()
  await pass(1000)
  t.same(got().length, 0, 'the confirmation was one')
  peer.write(ping)
  link.sendData(0, [Buffer.from('a')], false)
  await turns()
  got()
  await pass(1000)
  t.same(got().length, 0, 'data was one')
  t.notMatch(heard(), [/lost/])
})

t.test('a peer that asks is answered', async t => {
  const { peer, got, heard, leg } = open(t)
  peer.write(ask)
  await turns()
  t.same([heard(), got()], [['ping 1 0 '], ping])
  await turns()
  t.equal(got().length, 0, 'once')
  peer.pause()
  peer.write(Buffer.concat(Array.from({ length: 100_000 }, () => ask)))
  await turns(100)
  t.ok(leg.stream.writableLength < 2 ** 20, `${leg.stream.writableLength} bytes for a peer that does not read`)
})

t.test('two ends with different timeouts stay connected', async t => {
  const pass = timers(t)
  const [near, far] = legs(t)
  const links = [new Link(near, 300), new Link(far, 0)]
  const lost: string[] = []
  for (const link of links)
    link.use({ frame() {}, data() {}, drained() {}, lost: error => void lost.push(error.message) })
  for (let i = 0; i < 30; i++) await pass(100)
  t.same(lost, [])
  for (const link of links) link.drop(new Error('over'))
})

t.test('a silent link is given up after the timeout', async t => {
  const pass = timers(t)
  const { peer, heard, link } = open(t, 3000)
  await pass(2999)
  t.same(heard(), [])
  await pass(1)
  t.same(heard(), ['lost: no sign of life for 3s'])
  t.ok(link.isOver && peer.destroyed)
  const other = open(t, 3000)
  await pass(1500)
  other.peer.write(ping)
  await turns()
  await pass(3000)
  t.same(other.heard(), ['ping 0 0 '])
  await pass(1500)
  t.same(other.heard(), ['lost: no sign of life for 3s'], 'at most a third later')
})

t.test('no peer is blamed while nothing is read of it, or without a timeout', async t => {
  const pass = timers(t)
  const paused = open(t, 3000)
  const patient = open(t, 0)
  await turns()
  paused.link.pause()
  for (let i = 0; i < 20; i++) await pass(1000)
  t.same([paused.heard(), patient.heard()], [[], []])
  t.ok(paused.got().equals(Buffer.concat(Array.from({ length: 20 }, () => ping))), 'and it hears of us')
  paused.link.resume()
  await pass(2000)
  t.same(paused.heard(), [])
  await pass(1000)
  t.same(paused.heard(), ['lost: no sign of life for 3s'])
})

t.test('a peer that reads nothing gets no pings, and is given up as well', async t => {
  const pass = timers(t)
  const { link, peer, leg, heard } = open(t, 3000)
  peer.pause()
  for (let i = 0; !link.isFull; i++) link.sendData(i, [Buffer.alloc(65536)], false)
  await turns()
  const { writableLength } = leg.stream
  await pass(1000)
  await pass(1000)
  t.equal(leg.stream.writableLength, writableLength)
  await pass(1000)
  t.same(heard(), ['lost: no sign of life for 3s'])
})

t.test('over TCP a dropped link is reset, an ended one is not', async t => {
  for (const [work, code] of [
    [(link: Link) => link.drop(new Error('x')), 'ECONNRESET'],
    [(link: Link) => link.end(), undefined],
  ] as const) {
    const [accepted, client] = await socketPair(t)
    const link = new Link(socketLeg(accepted), 0)
    const seen = outcome(client)
    client.once('end', () => client.end())
    work(link)
    t.equal((await seen).code, code)
  }
})
