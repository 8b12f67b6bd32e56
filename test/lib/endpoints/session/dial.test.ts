import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { Leg } from '../../../../lib/endpoints/endpoint.js'
import { reliable } from '../../../../lib/endpoints/reliable.js'
import { isFinal } from '../../../../lib/endpoints/session/dial.js'
import { newSecret } from '../../../../lib/endpoints/session/identity.js'
import { transferLinks } from '../../../../lib/endpoints/session/links.js'
import type { DialSession } from '../../../../lib/endpoints/session/options.js'
import { openTlsContexts } from '../../../../lib/endpoints/tls/contexts.js'
import { clientContext } from '../../../../lib/endpoints/tls/secure-context.js'
import { encodeFrame, prefaceBytes, prefaces } from '../../../../lib/formats/session-frames.js'
import {
  closed,
  collect,
  failOnWarning,
  handles,
  outcome,
  listener as plainListener,
  portOf,
  until,
} from '../../network.js'
import { identity, stranger } from '../../tls.js'
import { dataFrame, json, rawListener, welcomeFrame } from './peer.js'
import { cutAfter, type Relay, relay } from './relay.js'
import { dialled, sessionListener, sessionPair } from './sessions.js'

async function relayTo(t: Test, options: { giveUpAfter?: number; dial?: DialSession } = {}, given = {}) {
  let path: Relay | undefined
  const through = async (port: number) => {
    path = await relay(t, port)
    return path.port
  }
  const { dial, giveUpAfter } = options
  const pair = await sessionPair(t, { through, dial: { ...dial, giveUpAfter }, given })
  return { ...pair, path: path as Relay }
}

t.test('what is no listener of sessions is named, and gets nothing (H-05)', async t => {
  for (const [says, words] of [
    ['HTTP/1.1 400\r\n\r\n', 'it speaks another protocol'],
    [prefaces.dialler, 'it speaks another protocol'],
    [
      Buffer.from(String(prefaces.listener.toString('latin1')).replace('1', '7'), 'latin1'),
      'it speaks version 7 of the protocol, not 1',
    ],
    ['', 'it sent nothing within 1s'],
    [null, 'it closed the connection'],
  ] as const) {
    const got: Promise<unknown>[] = []
    const server = await plainListener(t, socket => {
      got.push(outcome(socket))
      if (says === null) socket.end()
      else if (says.length > 0) socket.write(says)
    })
    const message = `the other end is not reliable: ${words}`
    const connectTimeout = says === '' ? 1000 : undefined
    await t.rejects(dialled(t, portOf(server), {}, { connectTimeout }), { code: 'ERR_SESSION', message })
    t.match(await got[0], { data: Buffer.alloc(0) }, words)
  }
})

t.test('a listener that refuses is not asked again', async t => {
  const { port, sockets } = await rawListener(
    t,
    peer => void peer.got('hello').then(() => peer.socket.write(encodeFrame('error', 0, json({ message: 'no room' })))),
  )
  await t.rejects(dialled(t, port, {}, { retry: 3 }), { code: 'ERR_SESSION', message: 'refused: no room' })
  t.equal(sockets.length, 1)
})

t.test('an answer that is no welcome is refused', async t => {
  for (const [answer, words] of [
    [encodeFrame('end', 0, json({})), 'the peer sent something else than a welcome'],
    [dataFrame(0, 'x'), 'the peer sent something else than a welcome'],
    [welcomeFrame(0, { window: 0 }), 'the peer sent a frame of type welcome whose field window is invalid'],
    [welcomeFrame(7), 'the receiver needs the bytes from 7 on, which are not kept any more'],
  ] as const) {
    const { port } = await rawListener(t, peer => void peer.got('hello').then(() => peer.socket.write(answer)))
    await t.rejects(dialled(t, port), { code: 'ERR_SESSION', message: words })
  }
})

t.test('signs of life before the welcome; the data may follow at once', async t => {
  const { port } = await rawListener(
    t,
    peer =>
      void peer
        .got('hello')
        .then(() => peer.socket.write(Buffer.concat([encodeFrame('ping'), welcomeFrame(), dataFrame(0, 'at once')]))),
  )
  const leg = await dialled(t, port)
  const [chunk] = await once(leg.stream, 'data')
  t.equal(String(chunk), 'at once')
})

t.test('it tries again as often as it is told, when it cannot connect at first', async t => {
  const listener = await sessionListener(t)
  const path = await relay(t, listener.port)
  path.isDown = true
  const told: unknown[] = []
  const onRetry = (error: unknown) => {
    told.push(error)
    path.isDown = told.length < 2
  }
  await dialled(t, path.port, {}, { retry: 5, onRetry })
  t.equal(told.length, 2)
})

t.test('silence breaks a link, and the session goes on over another one (H-03)', async t => {
  const lost: Error[] = []
  let resumed = 0
  const { near, far, path } = await relayTo(t, {
    dial: { linkTimeout: 60, onLost: error => lost.push(error), onResumed: () => resumed++ },
  })
  path.links[0]?.freeze()
  near.stream.end('after the silence')
  t.equal(String(await collect(far.stream)), 'after the silence')
  t.match(lost[0], { message: 'no sign of life for 60ms' })
  await until(() => resumed > 0)
  t.match(near.facts.session, { reconnects: Number })
  t.ok(path.links.length > 1)
})

t.test('a listener that is away for a while is found again (H-04)', async t => {
  const { near, far, path } = await relayTo(t)
  path.isDown = true
  path.links[0]?.cut()
  near.stream.write('while nobody ')
  const [, target] = [await until(() => far.session?.reconnects === 0), path.target]
  path.target = 1
  path.isDown = false
  await until(() => path.links.length > 1)
  path.target = target
  near.stream.end('is there')
  t.equal(String(await collect(far.stream)), 'while nobody is there')
})

t.test('it gives up, with the reason (H-04)', async t => {
  const { near, path } = await relayTo(t, { giveUpAfter: 50 })
  path.isDown = true
  path.links[0]?.cut()
  t.match(await outcome(near.stream), { code: 'ERR_SESSION' })
  t.match(near.stream.errored, { message: /^gave up after 50ms without a connection: /, cause: Error })
  const few = await relayTo(t, { dial: { reconnects: 2 } })
  few.path.isDown = true
  few.path.links[0]?.cut()
  await outcome(few.near.stream)
  t.match(few.near.stream.errored, { message: /^gave up after 2 attempts to connect again: / })
})

t.test('links that bring nothing are attempts that have failed (H-04)', async t => {
  const listener = await sessionListener(t)
  const path = await relay(t, listener.port, (link, _direction, bytes) => {
    if (bytes.length < 1000) return bytes
    setImmediate(link.cut)
    return Buffer.alloc(0)
  })
  const near = await dialled(t, path.port, { reconnects: 4 })
  near.stream.write(Buffer.alloc(1000))
  await outcome(near.stream)
  t.match(near.stream.errored, { message: /^gave up after 4 attempts to connect again: / })
  t.equal(path.links.length, 5)
})

t.test('it waits between two attempts, longer each time', async t => {
  const times: number[] = []
  const { port, sockets } = await rawListener(t, async peer => {
    times.push(performance.now())
    if (times.length > 1) return void peer.socket.resetAndDestroy()
    await peer.got('hello')
    peer.socket.write(welcomeFrame())
  })
  const leg = await dialled(t, port, { reconnects: 3 }, { retryInterval: undefined })
  sockets[0]?.resetAndDestroy()
  await outcome(leg.stream)
  t.match(leg.stream.errored, { message: /^gave up after 3 attempts/ })
  const [, first, second, third] = times as [number, number, number, number]
  t.ok(second - first >= 48, `${second - first} ms`)
  t.ok(third - second >= 98, `${third - second} ms`)
})

t.test('it does not wait beyond the time after which it gives up', async t => {
  const { near, path } = await relayTo(t, { giveUpAfter: 500_000 }, { retryInterval: 1_000_000 })
  path.links[0]?.cut()
  await outcome(near.stream)
  t.match(near.stream.errored, { message: /^gave up after 8m20s without a connection/ })
})

t.test('a session that is unknown when it comes back fails at once', async t => {
  const { near, far, path } = await relayTo(t)
  const other = await sessionListener(t)
  path.target = other.port
  path.links[0]?.cut()
  await outcome(near.stream)
  t.match(near.stream.errored, { message: /^refused: the session is unknown/ })
  t.ok(far)
})

t.test('a signal aborts it wherever it is', async t => {
  const aborted = { name: 'AbortError', code: 'ABORT_ERR' }
  const silent = await plainListener(t, () => {})
  let hellos = 0
  const shy = await rawListener(
    t,
    peer =>
      void peer.got('hello').then(
        () => hellos++,
        () => {},
      ),
  )
  const before = AbortSignal.abort()
  await t.rejects(dialled(t, portOf(silent), {}, { signal: before }), aborted, 'before it has begun')
  const over = new AbortController()
  const meeting = dialled(t, portOf(silent), {}, { signal: over.signal })
  meeting.catch(() => {})
  await once(silent, 'connection')
  over.abort('not an error')
  await t.rejects(meeting, aborted, 'before the preface')
  const late = new AbortController()
  const waiting = dialled(t, shy.port, {}, { signal: late.signal })
  waiting.catch(() => {})
  await until(() => hellos === 1)
  late.abort()
  await t.rejects(waiting, aborted, 'before the welcome')
  const after = new AbortController()
  const listener = await sessionListener(t)
  const leg = await dialled(t, listener.port, {}, { signal: after.signal })
  after.abort()
  leg.stream.end('x')
  t.equal(String(await collect((await listener.leg()).stream)), 'x', 'when it is open, its owner has it')
})

t.test('a stream that is destroyed while it connects again leaves no handle and no timer', async t => {
  failOnWarning(t)
  const lost: Error[] = []
  const { near, far, path } = await relayTo(t, { dial: { linkTimeout: 50, onLost: error => lost.push(error) } })
  path.isDown = true
  path.links[0]?.cut()
  await until(() => lost.length > 0)
  near.stream.destroy()
  far.stream.destroy()
  await Promise.all([closed(near.stream), closed(far.stream)])
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  await until(() => !('TCPSocketWrap' in handles()))
  const before = timers()
  t.ok(before <= 2, `${before} timers`)
})

t.test('several transfers use one connection, one after the other', async t => {
  const links = transferLinks()
  const listener = await sessionListener(t)
  const path = await relay(t, listener.port)
  const group = newSecret()
  const run = async (number: number) => {
    const near = await Promise.all([
      dialled(t, path.port, { kind: 'transfer', name: `${number}`, links, group }),
      listener.leg(number).then(({ stream }) => void stream.resume().once('end', () => stream.end())),
    ])
    near[0].stream.end(`data ${number}`)
    await collect(near[0].stream)
    await closed(near[0].stream)
    return near[0]
  }
  for (const number of [0, 1, 2]) t.match((await run(number)).session?.receipt, { name: `${number}`, bytes: 6 })
  t.equal(path.links.length, 1)
  path.links[0]?.cut()
  await until(() => path.links[0]?.client.destroyed === true)
  t.match((await run(3)).session?.receipt, { name: '3' }, 'a link that is gone is replaced')
  const session = { kind: 'transfer', links } as const
  await t.rejects(dialled(t, path.port, session, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  t.equal(path.links.length, 2, 'an aborted dial takes no new one')
  links.end()
})

t.test('a kept link that breaks at the next hello is replaced', async t => {
  const links = transferLinks()
  const listener = await sessionListener(t)
  let isNext = false
  const path = await relay(t, listener.port, (link, direction, bytes, _before, index) => {
    if (!isNext || direction === 'down' || index > 0) return bytes
    link.cut()
    return Buffer.alloc(0)
  })
  const lost: Error[] = []
  for (const number of [0, 1]) {
    const near = dialled(t, path.port, { kind: 'transfer', links, onLost: error => lost.push(error) })
    const far = await listener.leg(number)
    far.stream.resume().once('end', () => far.stream.end())
    ;(await near).stream.resume().end('x')
    await Promise.all([closed((await near).stream), closed(far.stream)])
    t.match((await near).session?.receipt, { bytes: 1 })
    isNext = true
  }
  t.equal(path.links.length, 2)
  t.same(lost, [], 'this is no loss of the session')
  links.end()
})

t.test('a session that has to begin anew asks for it only once', async t => {
  const hellos: object[] = []
  const { port, sockets } = await rawListener(t, async peer => {
    const { payload } = await peer.got('hello')
    hellos.push(JSON.parse(String(payload)))
    peer.socket.write(welcomeFrame())
  })
  await dialled(t, port, { restart: true })
  sockets[0]?.resetAndDestroy()
  await until(() => hellos.length === 2)
  t.match(hellos, [
    { restart: true, again: false },
    { restart: false, again: true },
  ])
})

t.test('a session that is over closes its connection', async t => {
  const { near, far, path } = await relayTo(t)
  near.stream.resume().end()
  far.stream.resume().end()
  await Promise.all([closed(near.stream), closed(far.stream)])
  await until(() => path.links[0]?.client.destroyed === true)
  t.same([near.stream.errored, far.stream.errored], [null, null])
})

t.test('TLS: a pin or a certificate that is wrong is final, a link over it may break (H-18)', async t => {
  const tls = await openTlsContexts({ scheme: 'tls' }, undefined, { tls: identity })
  const address = { scheme: 'reliable', host: '127.0.0.1', port: 0, tls: true } as const
  const legs: Leg[] = []
  const listener = await reliable.listen?.(
    address,
    ({ open }) =>
      void Promise.resolve(open())
        .then(leg => leg && legs.push(leg))
        .catch(() => {}),
    tls,
  )
  t.teardown(() => {
    for (const { stream } of legs) stream.destroy()
    void listener?.close()
  })
  const path = await relay(t, listener?.bound.port as number)
  const at = { ...address, port: path.port }
  const dial = (client: Parameters<typeof clientContext>[0], session: DialSession = {}) =>
    reliable.dial?.(at, {
      tls: clientContext(client),
      retry: 2,
      retryInterval: 1,
      session: { kind: 'tunnel', ...session },
    })
  const wrong = await openTlsContexts({ scheme: 'tls' }, undefined, { tls: stranger })
  await t.rejects(dial({ pin: wrong.pin as string }) as Promise<unknown>, { code: 'ERR_PIN' })
  await t.rejects(dial({}) as Promise<unknown>, { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  t.equal(path.links.length, 2, 'no second attempt')
  for (const client of [{ pin: tls.pin as string }, { ca: identity.cert }]) {
    const leg = await dial(client)
    path.links.at(-1)?.cut()
    await until(() => leg?.session?.reconnects === 1)
    t.match(leg?.facts, { tls: { protocol: 'TLSv1.3' }, session: { reconnects: 1 } })
    leg?.stream.destroy()
  }
  const late = await dial({ ca: identity.cert })
  const impostor = await openTlsContexts({ scheme: 'tls' }, undefined, { tls: stranger })
  const other = await reliable.listen?.(address, ({ open }) => void Promise.resolve(open()).catch(() => {}), impostor)
  t.teardown(() => void other?.close())
  path.target = other?.bound.port as number
  path.links.at(-1)?.cut()
  await outcome(late?.stream as never)
  t.match(late?.stream.errored, { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, 'another certificate is no accident')
})

t.test('what is final', async t => {
  for (const error of [{ isFinal: true }, { code: 'ERR_PIN' }, { code: 'CERT_HAS_EXPIRED' }]) t.ok(isFinal(error))
  for (const error of [{}, { code: 'ECONNRESET' }]) t.notOk(isFinal(error))
})

t.test(
  'a cut in the preface of the listener fails the dial; later, in the first meeting, it is a lost link (H-04)',
  async t => {
    const listener = await sessionListener(t)
    const early = await relay(t, listener.port, cutAfter('down', prefaceBytes - 1))
    await t.rejects(dialled(t, early.port), { code: 'ECONNRESET' })
    t.equal(early.links.length, 1)
    for (const bytes of [4, 30]) {
      const path = await relay(t, listener.port, cutAfter('up', bytes))
      const lost: Error[] = []
      const near = await dialled(t, path.port, { onLost: error => lost.push(error) })
      t.equal(path.links.length, 2)
      t.equal(lost.length, 1)
      t.match(near.facts.session, { reconnects: 0 }, 'the session begins with the second link')
    }
  },
)

/** A relay to a listener that is gone after the first prefaces. */
async function vanishing(t: Test): Promise<Relay> {
  const { port } = await sessionListener(t)
  const path: Relay = await relay(t, port, (...passed) => {
    path.isDown ||= passed[1] === 'up'
    return cutAfter('up', 4)(...passed)
  })
  return path
}

t.test('a listener that does not come back in the first meeting: the dial fails with the reason (H-04)', async t => {
  const { port } = await vanishing(t)
  await t.rejects(dialled(t, port, { reconnects: 2 }), { message: /^gave up after 2 attempts to connect again: / })
})

t.test('a signal aborts a dial that connects again in the first meeting', async t => {
  for (const retryInterval of [0, 1_000_000]) {
    const { port } = await vanishing(t)
    const over = new AbortController()
    const onLost = () => void setImmediate(() => over.abort())
    const session = { onLost, giveUpAfter: 2_000_000 }
    await t.rejects(dialled(t, port, session, { signal: over.signal, retryInterval }), { name: 'AbortError' })
  }
})
