import t from 'tap'
import { memoryPair } from '../../../../lib/endpoints/memory.js'
import type { Hello } from '../../../../lib/endpoints/session/hello.js'
import { Session } from '../../../../lib/endpoints/session/session.js'
import { sessionLeg } from '../../../../lib/endpoints/session/session-leg.js'

const hello: Hello = {
  ...{ id: '0'.repeat(32), secret: '1'.repeat(32), group: '2'.repeat(32), kind: 'tunnel', window: 100 },
  ...{ rereadable: false, again: false, restart: false, received: 0 },
}

function open(more: Partial<Hello> = {}) {
  const session = new Session({ role: 'listener', hello: { ...hello, ...more }, window: 100, lost() {}, over() {} })
  const [first] = memoryPair()
  const local = { address: '::1', port: 2 }
  const leg = sessionLeg(session, { ...first, remote: '::1', port: 1, local, facts: { tls: { pin: 'x' } as never } })
  return { session, leg }
}

t.test('a session is a leg with the addresses of its first link', async t => {
  const { session, leg } = open()
  t.match(leg, { remote: '::1', port: 1, local: { address: '::1', port: 2 } })
  t.equal(leg.stream, session.stream)
  t.equal(leg.session, session)
})

t.test('its facts tell how often it has got another link, and its name', async t => {
  const { session, leg } = open()
  t.same(leg.facts, { tls: { pin: 'x' }, session: { reconnects: 0 } })
  session.reconnects = 2
  t.same(leg.facts.session, { reconnects: 2 })
  t.same(open({ name: 'a' }).leg.facts.session, { name: 'a', reconnects: 0 })
  t.same(open({ name: '' }).leg.facts.session, { name: '', reconnects: 0 })
})

t.test('its facts tell the digest of a whole transfer, and what the receipt says', async t => {
  const { session, leg } = open({ kind: 'transfer' })
  session.begin()
  session.incoming.data(0, Buffer.from('abc'), true)
  t.same(leg.facts.session, { reconnects: 0 })
  const { sha256 } = session
  session.incoming.end(3, sha256)
  t.same(leg.facts.session, { reconnects: 0, sha256 })
  const written = { bytes: 1, sha256: 'bb' }
  Object.defineProperty(session, 'receipt', {
    configurable: true,
    value: { bytes: 3, sha256: 'aa', written, skipped: true },
  })
  t.same(leg.facts.session, { reconnects: 0, sha256: 'aa', written, skipped: true })
  Object.defineProperty(session, 'receipt', { configurable: true, value: { bytes: 3, sha256: 'aa' } })
  t.same(leg.facts.session, { reconnects: 0, sha256: 'aa' })
  const tunnel = open()
  tunnel.session.incoming.end(0, undefined)
  t.same(tunnel.leg.facts.session, { reconnects: 0 })
})

t.test('its bytes are those that have arrived, and those that the peer has confirmed', async t => {
  const { session, leg } = open()
  t.same([leg.bytes.in, leg.bytes.out], [0, 0])
  session.incoming.data(0, Buffer.from('abc'), true)
  session.outgoing.append(Buffer.from('abcd'), () => {})
  t.same([leg.bytes.in, leg.bytes.out], [3, 0])
  session.outgoing.pump({ isFull: false, sendData() {}, send() {} })
  session.outgoing.confirm(2, 2, false)
  t.same([leg.bytes.in, leg.bytes.out], [3, 2])
})

t.test('a reset fails the session', async t => {
  const { session, leg } = open()
  leg.reset(new Error('enough'))
  t.match(session.stream.errored, { message: 'enough' })
  t.ok(session.stream.destroyed)
})
