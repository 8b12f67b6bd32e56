import type { Duplex } from 'node:stream'
import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { meetDialler, meetListener } from '../../../../lib/endpoints/session/handshake.js'
import { prefaces } from '../../../../lib/formats/session-frames.js'
import { legs } from '../../connection/support.js'
import { cutEvery } from '../../pipes.js'

/** Both ends of a connection, and what the peer has got. */
function open(t: Test) {
  const [leg, { stream: peer }] = legs(t)
  const got: Buffer[] = []
  peer.on('data', chunk => void got.push(chunk))
  return { leg, peer, got: () => Buffer.concat(got).toString('latin1') }
}

const terms = { timeout: 0 }
const words = (what: string) => ({ code: 'ERR_SESSION', message: `the other end is not reliable: ${what}` })

t.test('both sides meet, and what follows is theirs', async t => {
  const [near, far] = legs(t)
  await Promise.all([
    meetListener(near, terms),
    meetDialler(far, { timeout: 1000, signal: new AbortController().signal }),
  ])
  near.stream.end('hello')
  far.stream.end('welcome')
  t.equal(String((await far.stream.toArray())[0]), 'hello')
  t.equal(String((await near.stream.toArray())[0]), 'welcome')
})

t.test('the listener speaks first; the dialler sends nothing to what is no listener', async t => {
  const near = open(t)
  const meeting = meetListener(near.leg, terms)
  await turn()
  t.equal(near.got(), '')
  near.peer.write(prefaces.listener)
  await meeting
  await turn()
  t.equal(near.got(), prefaces.dialler.toString('latin1'))
  const far = open(t)
  meetDialler(far.leg, terms).catch(() => {})
  await turn()
  t.equal(far.got(), prefaces.listener.toString('latin1'))
})

t.test('a preface may arrive in pieces, and with what follows it', async t => {
  for (const size of [1, 3, 8, 9, 20]) {
    const { leg, peer } = open(t)
    const meeting = meetListener(leg, terms)
    for (const chunk of cutEvery(size, Buffer.concat([prefaces.listener, Buffer.from('abc')]))) {
      peer.write(chunk)
      await turn()
    }
    await meeting
    peer.end()
    t.equal(Buffer.concat(await leg.stream.toArray()).toString(), 'abc', `${size}`)
  }
})

t.test('what is no peer is named, and reset', async t => {
  for (const [title, text, what] of [
    ['SSH', 'SSH-2.0-OpenSSH_9.2p1\r\n', 'it speaks another protocol'],
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\n', 'it speaks another protocol'],
    ['one byte', 'x', 'it speaks another protocol'],
    ['an echo, or another dialler', prefaces.dialler.toString('latin1'), 'it speaks another protocol'],
    ['a line end that was translated', '\x89TCPP1\n', 'it speaks another protocol'],
    ['seven bits', '\x09TCPP1\r\n', 'it speaks another protocol'],
    ['another version', '\x89TCPP2\r\nmore', 'it speaks version 2 of the protocol, not 1'],
  ] as const) {
    const { leg, peer, got } = open(t)
    const meeting = meetListener(leg, terms)
    peer.write(Buffer.from(text, 'latin1'))
    await t.rejects(meeting, words(what), title)
    await turn()
    t.ok(leg.stream.destroyed && peer.destroyed, title)
    t.equal(got(), '', title)
  }
  const { leg, peer } = open(t)
  const meeting = meetDialler(leg, terms)
  peer.write(prefaces.listener)
  await t.rejects(meeting, words('it speaks another protocol'), 'an echo to a listener')
})

t.test('another version in pieces is known when it is whole', async t => {
  const { leg, peer } = open(t)
  const meeting = meetDialler(leg, terms)
  meeting.catch(() => {})
  peer.write(Buffer.from('\x89tcpp', 'latin1'))
  await turn()
  t.notOk(leg.stream.destroyed)
  peer.write(Buffer.from('7', 'latin1'))
  await turn()
  t.notOk(leg.stream.destroyed)
  peer.write(Buffer.from('\r\n', 'latin1'))
  await t.rejects(meeting, words('it speaks version 7 of the protocol, not 1'))
})

t.test('a peer that is silent, closes, fails or comes too late', async t => {
  const silent = open(t)
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const meeting = meetListener(silent.leg, { timeout: 2000 })
  mock.timers.tick(1999)
  t.notOk(silent.leg.stream.destroyed)
  mock.timers.tick(1)
  await t.rejects(meeting, words('it sent nothing within 2s'))
  t.ok(silent.leg.stream.destroyed)
  for (const [title, work, expected] of [
    ['an end', peer => peer.end(), words('it closed the connection')],
    ['an end in the middle', peer => peer.end(prefaces.listener.subarray(0, 4)), words('it closed the connection')],
    ['a reset', peer => peer.destroy(new Error('x')), { code: 'ECONNRESET' }],
  ] as [string, (peer: Duplex) => void, { code: string }][]) {
    const { leg, peer } = open(t)
    const rejected = t.rejects(meetListener(leg, { timeout: 2000 }), expected, title)
    work(peer)
    await rejected
    t.ok(leg.stream.destroyed, title)
  }
  const { leg } = open(t)
  leg.stream.destroy()
  await t.rejects(meetListener(leg, terms), words('it closed the connection'), 'closed by this side')
})

t.test('a signal ends the waiting', async t => {
  for (const isEarly of [true, false]) {
    const { leg } = open(t)
    const abort = new AbortController()
    const reason = new Error('enough')
    if (isEarly) abort.abort(reason)
    const meeting = meetListener(leg, { timeout: 0, signal: abort.signal })
    abort.abort(reason)
    await t.rejects(meeting, reason)
    t.ok(leg.stream.destroyed)
  }
})

t.test('nothing is left on the stream', async t => {
  const { leg, peer } = open(t)
  const before = leg.stream.eventNames().length
  peer.write(prefaces.listener)
  await meetListener(leg, terms)
  t.equal(leg.stream.listenerCount('data') + leg.stream.listenerCount('error'), leg.stream.listenerCount('error'))
  t.ok(leg.stream.eventNames().length <= before)
})
