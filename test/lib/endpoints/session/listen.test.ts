import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import type { Arrival, Leg } from '../../../../lib/endpoints/endpoint.js'
import { memoryPair } from '../../../../lib/endpoints/memory.js'
import { listenForSessions } from '../../../../lib/endpoints/session/listen.js'
import { encodeFrame, prefaces } from '../../../../lib/formats/session-frames.js'
import { closed, collect, outcome, until } from '../../network.js'
import { ackFrame, dataFrame, hello, helloFrame, json, type RawPeer, rawDialler } from './peer.js'
import { cutAfter, relay } from './relay.js'
import { dialled, sessionListener, sessionPair } from './sessions.js'

const other = 'ab'.repeat(16)

t.test('whoever does not know the secret takes no session over, and its owner is not disturbed', async t => {
  const listener = await sessionListener(t)
  const owner = await dialled(t, listener.port, { id: hello.id, secret: hello.secret })
  const leg = await listener.leg()
  const thief = rawDialler(t, listener.port, helloFrame({ secret: other, again: true }))
  t.equal(await thief.refusal(), 'the session belongs to another client')
  t.match(await listener.failure(), { message: 'refused: the session belongs to another client' })
  const anew = rawDialler(t, listener.port, helloFrame({ secret: other, restart: true }))
  t.equal(await anew.refusal(), 'the session belongs to another client')
  owner.stream.end('mine')
  t.equal(String(await collect(leg.stream)), 'mine')
  t.equal(owner.session?.reconnects, 0)
  t.equal(listener.legs.length, 1)
})

t.test('a tunnel that the listener does not know is refused; a transfer begins again', async t => {
  const listener = await sessionListener(t)
  const unknown = rawDialler(t, listener.port, helloFrame({ again: true }))
  t.match(await unknown.refusal(), /^the session is unknown; the server was started again, or has given it up$/)
  const transfer = rawDialler(t, listener.port, helloFrame({ again: true, kind: 'transfer' }))
  const leg = await listener.leg()
  leg.stream.resume()
  t.match(await transfer.got('welcome'), { offset: 0 })
})

t.test('what is no hello is refused in words', async t => {
  const listener = await sessionListener(t)
  for (const [frame, words] of [
    [encodeFrame('welcome', 0, json({})), 'the client sent a frame of type welcome; expected hello'],
    [dataFrame(0, 'x'), 'the client sent data before its session has begun'],
    [helloFrame({ window: -1 }), 'the peer sent a frame of type hello whose field window is invalid'],
    [
      encodeFrame('hello', 0, Buffer.from('no json')),
      'the peer sent a frame of type hello whose payload is not a JSON object',
    ],
  ] as const)
    t.equal(await rawDialler(t, listener.port, frame).refusal(), words)
  t.equal(listener.legs.length, 0)
})

t.test('a sign of life before the hello is fine', async t => {
  const listener = await sessionListener(t)
  const peer = rawDialler(t, listener.port, encodeFrame('ping'), helloFrame(), encodeFrame('ping'))
  await peer.got('welcome')
  t.equal(listener.failures.length, 0)
})

t.test('data behind the hello, before its answer, ends the link', async t => {
  const listener = await sessionListener(t)
  const peer = rawDialler(t, listener.port, helloFrame({ kind: 'transfer' }), dataFrame(0, 'x'))
  await peer.closed()
  t.equal(peer.frames.filter(({ type }) => type === 'welcome').length, 0)
})

t.test('a client that says nothing, or no hello, has the time of a handshake', async t => {
  const listener = await sessionListener(t, {}, 60)
  const silent = connect({ port: listener.port, host: '127.0.0.1' })
  await outcome(silent)
  t.match(await listener.failure(), { message: 'the other end is not reliable: it sent nothing within 60ms' })
  const arrivals: Arrival[] = []
  const { call } = await overMemory(arrival => void arrivals.push(arrival))
  const { near: shy, far } = call(async () => {
    await until(() => performance.now() - began > 30)
    return far
  })
  shy.stream.write(prefaces.dialler)
  await until(() => far.stream.readableLength > 0)
  const began = performance.now()
  const message = 'the client sent no hello within 60ms'
  await t.rejects(arrivals[0]?.open({ handshakeTimeout: 60 }) as Promise<unknown>, { message })
  const patient = await sessionListener(t, {}, 0)
  const peer = rawDialler(t, patient.port)
  peer.socket.write(helloFrame())
  await peer.got('welcome')
})

t.test('a session waits for its dialler to come back, and then fails in words', async t => {
  const listener = await sessionListener(t, { giveUpAfter: 40 })
  const peer = rawDialler(t, listener.port, helloFrame())
  const leg = await listener.leg()
  await peer.got('welcome')
  peer.socket.destroy()
  t.match(await outcome(leg.stream), { code: 'ERR_SESSION' })
  t.match(leg.stream.errored?.message, /^the client did not come back within 40ms: /)
})

/** A transfer that is over, but for the confirmation of the receipt. */
async function unconfirmed(t: Test): Promise<{ peer: RawPeer; leg: Leg }> {
  const listener = await sessionListener(t, { giveUpAfter: 40 })
  const peer = rawDialler(t, listener.port, helloFrame({ kind: 'transfer' }))
  const leg = await listener.leg()
  leg.stream.resume().end()
  await peer.got('welcome')
  peer.socket.write(encodeFrame('end', 0, json({ sha256: leg.session?.sha256 })))
  t.match(JSON.parse(String((await peer.got('end')).payload)), { receipt: { bytes: 0 } })
  return { peer, leg }
}

t.test('a receiver whose sender leaves after the receipt, without a word, has everything (H-06)', async t => {
  const { peer, leg } = await unconfirmed(t)
  peer.socket.destroy()
  await closed(leg.stream)
  t.equal(leg.stream.errored, null)
})

t.test('a dialler that begins anew replaces its own session', async t => {
  const listener = await sessionListener(t)
  const first = await dialled(t, listener.port, { id: hello.id, secret: hello.secret })
  const old = await listener.leg()
  const seen = outcome(old.stream)
  const lost = outcome(first.stream)
  const [one, two] = [1, 2].map(() => rawDialler(t, listener.port, helloFrame({ restart: true })))
  t.match(await seen, { code: 'ERR_SESSION' })
  t.equal(old.stream.errored?.message, 'the sender begins anew')
  t.match(await lost, { code: 'ERR_SESSION' })
  await Promise.all([one?.got('welcome'), two?.got('welcome')])
  await listener.leg(2)
  t.equal(listener.legs.filter(({ stream }) => !stream.destroyed).length, 1, 'the newest one')
})

t.test('a dialler whose last confirmation is lost comes back, and gets it (H-06)', async t => {
  for (const bytes of Array.from({ length: 12 }, (_, i) => 120 + i * 12)) {
    const through = async (port: number) => (await relay(t, port, cutAfter('down', bytes))).port
    const { near, far } = await sessionPair(t, { through, dial: { giveUpAfter: 20_000 } })
    far.stream.end()
    far.stream.resume()
    await collect(near.stream)
    near.stream.end('all')
    await Promise.all([closed(near.stream), closed(far.stream)])
    t.same([near.stream.errored, far.stream.errored], [null, null], `${bytes} bytes`)
  }
})

t.test('a session that is over stays closed for others', async t => {
  const listener = await sessionListener(t)
  const near = await dialled(t, listener.port, { id: hello.id, secret: hello.secret })
  const far = await listener.leg()
  near.stream.resume().end('x')
  far.stream.resume().end()
  await Promise.all([closed(near.stream), closed(far.stream)])
  const stranger = rawDialler(t, listener.port, helloFrame({ secret: other, again: true }))
  t.match(await stranger.refusal(), /^the session is unknown/)
  const back = rawDialler(t, listener.port, helloFrame({ again: true }))
  t.match(await back.got('welcome'), { offset: 1 })
  back.socket.write(Buffer.concat([encodeFrame('ping'), encodeFrame('end', 1, json({}))]))
  t.match(await back.got('ack'), { offset: 1, flags: 1 })
  await back.closed()
  const liar = rawDialler(t, listener.port, helloFrame({ again: true }), dataFrame(1, 'more'))
  await liar.closed()
  t.equal(listener.legs.length, 1)
  const again = rawDialler(t, listener.port, helloFrame())
  await again.got('welcome')
  t.equal((await listener.leg(1)).session?.received, 0, 'a new one may have the same id')
})

t.test('it remembers a thousand that are over', async t => {
  const listener = await sessionListener(t)
  const run = async (id: string) => {
    const near = await dialled(t, listener.port, { id, secret: hello.secret })
    near.stream.resume().end()
    await closed(near.stream)
  }
  const pending = (async () => {
    for (let i = 0; i < 1001; i++) {
      const { stream } = await listener.leg(i)
      stream.resume().end()
      await closed(stream)
    }
  })()
  const ids = Array.from({ length: 1001 }, (_, i) => i.toString(16).padStart(32, '0'))
  for (const id of ids) await run(id)
  await pending
  t.match(await rawDialler(t, listener.port, helloFrame({ id: ids[0], again: true })).refusal(), /unknown/)
  await rawDialler(t, listener.port, helloFrame({ id: ids[1000], again: true })).got('welcome')
})

t.test('a listener that is closed waits for its sessions, which may come back', async t => {
  let path: Awaited<ReturnType<typeof relay>> | undefined
  const through = async (port: number) => {
    path = await relay(t, port)
    return path.port
  }
  const { near, far, listener } = await sessionPair(t, { through })
  const silent = connect({ port: listener.port, host: '127.0.0.1' }).on('error', () => {})
  await once(silent, 'data')
  let isClosed = false
  const over = listener.close().then(() => {
    isClosed = true
  })
  path?.links[0]?.cut()
  await until(() => far.session?.reconnects === 1)
  t.match(await rawDialler(t, listener.port, helloFrame()).refusal(), /accepts no further transfers/)
  t.notOk(isClosed)
  near.stream.end('late')
  t.equal(String(await collect(far.stream)), 'late')
  far.stream.end()
  near.stream.resume()
  await over
  await outcome(silent)
  t.ok(isClosed, 'nor does it wait for who says nothing')
})

t.test('a listener that is closed takes the further transfers of a call', async t => {
  const listener = await sessionListener(t)
  const transfer = (id: string) => helloFrame({ id: id.repeat(16), kind: 'transfer' })
  const peer = rawDialler(t, listener.port, transfer('01'))
  const run = async (number: number) => {
    const leg = await listener.leg(number)
    leg.stream.resume().end()
    const before = peer.frames.length
    await until(() => peer.frames.slice(before ? before - 1 : 0).some(({ type }) => type === 'welcome'))
    peer.socket.write(encodeFrame('end', 0, json({ sha256: leg.session?.sha256 })))
    await until(() => peer.frames.filter(({ type }) => type === 'end').length > number)
    const ack = Buffer.alloc(8)
    peer.socket.write(encodeFrame('ack', 0, ack, 1))
    await closed(leg.stream)
  }
  const first = run(0)
  await listener.leg(0)
  const over = listener.close()
  await first
  peer.socket.write(transfer('02'))
  await run(1)
  peer.socket.end()
  await over
  t.equal(listener.legs.length, 2)
})

t.test('a listener that is closed waits two seconds for the next transfer', async t => {
  const listener = await sessionListener(t)
  const peer = rawDialler(t, listener.port, helloFrame())
  const leg = await listener.leg()
  leg.stream.resume().end()
  await peer.got('end')
  const over = listener.close()
  const ack = encodeFrame('ack', 0, Buffer.alloc(8), 1)
  peer.socket.write(Buffer.concat([ack, encodeFrame('end', 0, json({}))]))
  await closed(leg.stream)
  const started = performance.now()
  await over
  t.ok(performance.now() - started > 500)
  await peer.closed()
})

/** A listener over a carrier of the test's own. */
async function overMemory(arrive: (arrival: Arrival) => void) {
  let reach: (arrival: Arrival) => void = () => {}
  const listener = await listenForSessions(async own => {
    reach = own
    return { bound: { address: '', family: 'memory', port: 0 }, close: async () => {} }
  }, arrive)
  const call = (open?: Arrival['open']) => {
    const [near, far] = memoryPair()
    reach({ remote: 'memory', port: undefined, open: open ?? (() => far), refuse: far.reset })
    return { near, far }
  }
  return { listener, call }
}

t.test('a carrier whose client comes to nothing is none', async t => {
  const arrivals: Arrival[] = []
  const { call } = await overMemory(arrival => void arrivals.push(arrival))
  call(async () => undefined)
  t.equal(await arrivals[0]?.open(), undefined)
})

t.test('a listener that is closed in the moment of a preface waits for no hello', async t => {
  const arrivals: Arrival[] = []
  const { listener, call } = await overMemory(arrival => void arrivals.push(arrival))
  const { near, far } = call()
  const opened = arrivals[0]?.open({ handshakeTimeout: 0 }) as Promise<unknown>
  far.stream.once('pause', () => void listener.close()) // the preface is whole
  near.stream.write(prefaces.dialler)
  await t.rejects(opened, { message: 'the server has stopped' })
  t.ok(far.stream.destroyed)
})

t.test('a server without room takes who comes back, and tells others in words', async t => {
  const arrivals: Arrival[] = []
  const { listen } = await import('../../../../lib/endpoints/reliable.js').then(({ reliable }) => reliable)
  const listener = await listen?.(
    { scheme: 'reliable', host: '127.0.0.1', port: 0 },
    each => void arrivals.push(each),
    {
      accept: undefined,
    },
  )
  const port = listener?.bound.port as number
  const next = async () => {
    await until(() => arrivals.length > 0)
    return arrivals.shift() as Arrival
  }
  const early = rawDialler(t, port, helloFrame())
  const unused = await next()
  t.equal(unused.reopen?.({}), undefined, 'there is no session to come back to')
  unused.refuse(new Error('no room'))
  await early.closed()
  const owner = rawDialler(t, port, helloFrame())
  const leg = (await (await next()).open()) as Leg
  await owner.got('welcome')
  const late = rawDialler(t, port)
  const reopened = (await next()).reopen?.({})
  const third = rawDialler(t, port, helloFrame({ id: other }))
  const turned = await next()
  t.equal(turned.reopen?.({}), undefined, 'one at a time for each session')
  turned.refuse(new Error('no room'))
  await third.closed()
  late.socket.write(helloFrame({ id: other }))
  t.equal(await reopened, false)
  t.equal(await late.refusal(), 'the server has no room for another client')
  const back = rawDialler(t, port, helloFrame({ again: true }))
  t.equal(await (await next()).reopen?.({}), true)
  await back.got('welcome')
  t.equal(leg.session?.reconnects, 1)
  leg.stream.destroy()
  await listener?.close()
})

t.test('the next session on a link may be refused', async t => {
  const arrivals: Arrival[] = []
  const { reliable } = await import('../../../../lib/endpoints/reliable.js')
  const listener = await reliable.listen?.(
    { scheme: 'reliable', host: '127.0.0.1', port: 0 },
    each => void arrivals.push(each),
    { accept: undefined },
  )
  const peer = rawDialler(t, listener?.bound.port as number, helloFrame())
  await until(() => arrivals.length === 1)
  const leg = (await arrivals[0]?.open()) as Leg
  leg.stream.resume().end()
  await peer.got('end')
  const ack = encodeFrame('ack', 0, Buffer.alloc(8), 1)
  peer.socket.write(Buffer.concat([ack, encodeFrame('end', 0, json({}))]))
  await closed(leg.stream)
  peer.socket.write(helloFrame({ id: other }))
  await until(() => arrivals.length === 2)
  arrivals[1]?.refuse(new Error('no room'))
  t.equal(await peer.refusal(), 'no room')
  await listener?.close()
})

t.test('a client that does not wait for the next session to begin loses its link', async t => {
  for (const frame of [dataFrame(0, 'x'), encodeFrame('end', 0, json({}))]) {
    const arrivals: Arrival[] = []
    const { call } = await overMemory(arrival => void arrivals.push(arrival))
    const { near } = call()
    const opened = arrivals[0]?.open() as Promise<Leg>
    near.stream.write(Buffer.concat([prefaces.dialler, helloFrame()]))
    const leg = await opened
    leg.stream.resume().end()
    const ack = encodeFrame('ack', 0, Buffer.alloc(8), 1)
    near.stream.write(Buffer.concat([ack, encodeFrame('end', 0, json({}))]))
    near.stream.resume()
    await closed(leg.stream)
    near.stream.write(helloFrame({ id: other }))
    await until(() => arrivals.length === 2)
    near.stream.write(encodeFrame('ping'))
    near.stream.write(frame)
    await closed(near.stream)
    t.match(near.stream.errored, { code: 'ECONNRESET' })
    t.equal(await arrivals[1]?.open(), undefined)
  }
})

t.test('it speaks first, and only this (H-05)', async t => {
  const listener = await sessionListener(t)
  const socket = connect({ port: listener.port, host: '127.0.0.1' }).on('error', () => {})
  const [first] = (await once(socket, 'data')) as [Buffer]
  t.strictSame(first, prefaces.listener)
  socket.end('GET / HTTP/1.1\r\n\r\n')
  t.match(await listener.failure(), { message: 'the other end is not reliable: it speaks another protocol' })
  t.match(await outcome(socket), { data: Buffer.alloc(0) })
})

t.test(
  'a listener that is closed expects a client who has failed, or whose link broke between two transfers',
  async t => {
    const fails = encodeFrame('error', 0, json({ code: 'ERR_SESSION', message: 'on purpose' }))
    for (const isReset of [true, false]) {
      const listener = await sessionListener(t)
      const [first, second] = ['01', '02'].map(id => helloFrame({ id: id.repeat(16), kind: 'transfer' })) as [
        Buffer,
        Buffer,
      ]
      const peer = rawDialler(t, listener.port, first)
      const leg = await listener.leg(0)
      leg.stream.on('error', () => {}).resume()
      await peer.got('welcome')
      const over = listener.close()
      if (isReset) {
        leg.stream.end()
        peer.socket.write(encodeFrame('end', 0, json({ sha256: leg.session?.sha256 })))
        await peer.got('end')
        peer.socket.write(ackFrame(0, 0, true))
        await closed(leg.stream)
        peer.socket.resetAndDestroy()
      } else {
        peer.socket.write(fails)
        await closed(leg.stream)
        peer.socket.destroy()
      }
      await peer.closed()
      const next = rawDialler(t, listener.port, second)
      const another = await listener.leg(1)
      another.stream.on('error', () => {}).resume()
      await next.got('welcome')
      next.socket.write(fails)
      await closed(another.stream)
      next.socket.destroy()
      await over
      t.equal(listener.legs.length, 2)
    }
  },
)

t.test('a session that is open tells whose further transfers are taken', async t => {
  const listener = await sessionListener(t)
  const near = dialled(t, listener.port, { group: other })
  const leg = await listener.leg(0)
  leg.stream.resume()
  const { stream } = await near
  const over = listener.close()
  const next = rawDialler(t, listener.port, helloFrame({ group: other, kind: 'transfer' }))
  const another = await listener.leg(1)
  another.stream.on('error', () => {}).destroy(new Error('enough'))
  await next.closed()
  stream.resume().end()
  leg.stream.end()
  await over
  t.equal(listener.legs.length, 2)
})

t.test('the next hello waits until the connection before it is over', async t => {
  const listener = await sessionListener(t)
  const hellos = ['01', '02'].map(id => helloFrame({ id: id.repeat(16), kind: 'transfer' })) as [Buffer, Buffer]
  const peer = rawDialler(t, listener.port, hellos[0])
  const leg = await listener.leg(0)
  leg.stream.end()
  leg.stream.once('readable', () => {}) // begins to read, and takes nothing
  const end = encodeFrame('end', 0, json({ sha256: leg.session?.sha256 }))
  await peer.got('welcome')
  peer.socket.write(end)
  await peer.got('end')
  peer.socket.write(Buffer.concat([ackFrame(0, 0, true), hellos[1]]))
  await until(() => leg.stream.writableFinished)
  t.equal(listener.legs.length, 1, 'nobody has read its end yet')
  leg.stream.resume()
  t.ok(await listener.leg(1))
  t.ok(leg.stream.closed)
})
