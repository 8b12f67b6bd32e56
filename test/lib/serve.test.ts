import { getEventListeners, once } from 'node:events'
import fs, { createReadStream, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import type { Connection } from '../../lib/connection/connection.js'
import type { Sink } from '../../lib/endpoints/endpoint.js'
import { fileSink } from '../../lib/endpoints/file/file-sink.js'
import { fileSource } from '../../lib/endpoints/file/file-source.js'
import { tlsAcceptor } from '../../lib/endpoints/tls/handshake.js'
import { serverContext } from '../../lib/endpoints/tls/secure-context.js'
import { proxy } from '../../lib/proxy.js'
import { send } from '../../lib/send.js'
import { type Handler, type ServeOptions, serve } from '../../lib/serve.js'
import type { Server } from '../../lib/server/server.js'
import { stop } from '../../lib/stages/define.js'
import type { Summary } from '../../lib/stats/summary.js'
import { counter } from '../../transforms/counter.js'
import { digest } from '../../transforms/digest.js'
import { exec } from '../../transforms/exec.js'
import { logger } from '../../transforms/logger.js'
import {
  clientOf,
  closed,
  collect,
  endless,
  failOnWarning,
  heldSink,
  listener,
  memorySink,
  outcome,
  portOf,
  recorder,
  silent,
  socketPath,
  until,
} from './network.js'
import { identity } from './tls.js'

async function start(t: Test, options: ServeOptions, handler?: Handler) {
  const { log, lines } = recorder()
  const summaries: Promise<Summary>[] = []
  const onConnection = (connection: Connection) => void summaries.push(connection.closed)
  const server = await serve({ port: 0, log, onConnection, ...options }, handler)
  t.teardown(() => server.close({ drain: 0 }))
  const dial = () => clientOf(t, options.path ?? server.address)
  /** Sends, ends, and tells what came back and how it went here. */
  const exchange = async (data: string | Buffer) => {
    const socket = dial()
    const received = outcome(socket)
    socket.once('end', () => socket.end()).end(data)
    const result = await received
    return { ...result, text: String(result.data) }
  }
  return { server, lines, summaries, dial, exchange, failures: () => lines.filter(line => line.level >= 50) }
}

const upper = () => [(chunk: Buffer) => String(chunk).toUpperCase()]

t.test('to: a stream that all share, and that is never ended', async t => {
  failOnWarning(t)
  const to = memorySink()
  const { exchange, lines, summaries } = await start(t, { to, transforms: upper })
  for (const text of ['one ', 'two ']) t.match(await exchange(text), { text: '', ended: true, code: undefined })
  t.equal(String(to.data), 'ONE TWO ')
  t.notOk(to.writableEnded)
  t.same(
    lines.map(line => line.msg),
    ['listening', 'connection closed', 'connection closed'],
  )
  await Promise.all(Array.from({ length: 30 }, () => exchange('x')))
  t.equal(to.listenerCount('error'), 1)
  t.match(await summaries[0], { closedBy: 'peer', bytesIn: 4 })
})

t.test('to: the failure of a shared stream', async t => {
  const to = new Writable({
    write: (_c, _e, callback) => callback(Object.assign(new Error('full'), { code: 'ENOSPC' })),
  })
  const { exchange, failures, summaries } = await start(t, { to })
  t.match(await exchange('x'), { code: 'ECONNRESET', ended: false })
  t.match(await exchange('y'), { code: 'ECONNRESET', ended: false })
  t.match(await Promise.all(summaries), [{ error: { code: 'ENOSPC' } }, { error: { code: 'ENOSPC' } }])
  t.equal(failures().length, 2)
})

t.test('to: the default is stdout', async t => {
  const write = t.capture(process.stdout, 'write', (...args: unknown[]) => {
    ;(args.at(-1) as () => void)()
    return true
  })
  const { server, dial } = await start(t, {})
  const socket = dial()
  socket.end('to stdout')
  await collect(socket)
  write.restore()
  t.match(
    write.args().map(([chunk]) => String(chunk)),
    ['to stdout'],
  )
  t.equal(server.address.address, '127.0.0.1', 'loopback')
})

t.test('to: an address', async t => {
  const received: Buffer[] = []
  const order: string[] = []
  const target = await listener(t, async socket => {
    socket.write('ignored')
    received.push(await collect(socket))
    await delay(20)
    order.push('target')
    socket.end()
  })
  const { exchange, summaries } = await start(t, { to: `127.0.0.1:${portOf(target)}`, transforms: upper })
  t.match(await exchange('hello'), { text: '', ended: true, code: undefined })
  order.push('client')
  t.same(order, ['target', 'client'], 'the end means that the target has ended')
  t.equal(String(received[0]), 'HELLO')
  t.match((await summaries[0])?.sink, { to: `127.0.0.1:${portOf(target)}`, answered: 7 })
})

t.test('to: an address that cannot be reached, resets, or never ends', async t => {
  const dead = await listener(t, () => {})
  const port = portOf(dead)
  dead.close()
  await once(dead, 'close')
  const unreachable = await start(t, { to: { port } })
  t.match(await unreachable.exchange('x'), { ended: false, code: 'ECONNRESET' })
  t.match(unreachable.failures(), [{ code: 'ECONNREFUSED' }])

  const resetting = await listener(t, socket => void socket.once('data', () => socket.resetAndDestroy()))
  const cut = await start(t, { to: { port: portOf(resetting) } })
  t.match(await cut.exchange('x'), { ended: false, code: 'ECONNRESET' })
  t.match(await cut.summaries[0], { closedBy: 'error', error: { code: 'ECONNRESET' } })

  const endlessTarget = await listener(t, socket => void socket.resume())
  const waiting = await start(t, { to: { port: portOf(endlessTarget) }, halfClosedTimeout: 50 })
  t.match(await waiting.exchange('x'), { ended: false, code: 'ECONNRESET' })
  t.match(waiting.failures(), [{ code: 'ERR_TIMEOUT', closedBy: 'timeout' }])
})

t.test('to: a function, for each connection', async t => {
  const dir = t.testdir({})
  const { exchange, summaries, failures } = await start(t, {
    to: info => fileSink(join(dir, '{port}.log'), info),
    transforms: info => [(chunk: Buffer) => `${info.direction} ${info.remote} ${chunk}`],
  })
  t.match(await exchange('x'), { ended: true, code: undefined })
  const [name] = readdirSync(dir) as [string]
  t.equal(readFileSync(join(dir, name), 'utf8'), 'forward 127.0.0.1 x')
  t.match((await summaries[0])?.sink, { file: join(dir, name), bytes: 19 })
  t.same(failures(), [])
})

t.test('to: a function that fails, sync or async', async t => {
  const boom = new Error('no sink')
  for (const to of [
    () => Promise.reject(boom),
    (): Sink => {
      throw boom
    },
  ]) {
    const { exchange, failures } = await start(t, { to })
    t.match(await exchange('x'), { ended: false, code: 'ECONNRESET' })
    t.match(failures(), [{ error: 'no sink', closedBy: 'error' }])
    t.equal(failures().length, 1)
  }
})

t.test('to: a client that is lost before its sink is there', async t => {
  const sink = memorySink()
  let ready: ((sink: Sink) => void) | undefined
  const to = () =>
    new Promise<Sink>(resolve => {
      ready = resolve
    })
  const { dial, summaries } = await start(t, { to })
  const socket = dial()
  await until(() => ready !== undefined)
  socket.resetAndDestroy()
  await delay(20)
  ready?.(sink)
  t.match(await summaries[0], { closedBy: 'reset' })
  await until(() => sink.destroyed)
})

t.test('a failure of the stages leaves no file open', async t => {
  const dir = t.testdir({})
  const transforms = () => {
    throw new Error('no stages')
  }
  const sinks: Sink[] = []
  const to: ServeOptions['to'] = async info => {
    const sink = await fileSink(join(dir, '{id}'), info)
    sinks.push(sink)
    return sink
  }
  const { exchange, failures, summaries } = await start(t, { to, transforms })
  t.match(await exchange('x'), { ended: false, code: 'ECONNRESET' })
  await summaries[0] // it waits until the file is closed
  t.match(failures(), [{ error: 'no stages' }])
  t.ok(sinks[0]?.destroyed)
})

t.test('reply', async t => {
  const { exchange, summaries } = await start(t, { reply: true, transforms: upper })
  t.match(await exchange('hello'), { text: 'HELLO', ended: true, code: undefined })
  const data = Buffer.alloc(3_000_000, 'a')
  t.equal((await exchange(data)).data.length, data.length)
  t.match(await summaries[0], { bytesIn: 5, bytesOut: 5, closedBy: 'peer' })
})

t.test('reply: a stop while the client goes on sending', async t => {
  let first = true
  const stage = (chunk: Buffer) => {
    if (!first) return stop
    first = false
    return Buffer.concat([chunk.subarray(0, 1), Buffer.alloc(1_000_000)])
  }
  const { dial, summaries } = await start(t, { reply: true, transforms: () => [stage] })
  const socket = dial()
  const timer = setInterval(() => socket.write(Buffer.alloc(10_000, 'z')), 1)
  t.teardown(() => clearInterval(timer))
  const reply = await collect(socket)
  clearInterval(timer)
  socket.end()
  t.equal(reply.length, 1_000_001)
  t.match(await summaries[0], { closedBy: 'local', error: undefined })
})

t.test('from and replyTransforms', async t => {
  const to = memorySink()
  const from = () => Readable.from([Buffer.from('welcome')])
  const { exchange, dial, summaries } = await start(t, { to, from, replyTransforms: upper })
  t.match(await exchange('hello'), { text: 'WELCOME', ended: true })
  t.equal(String(to.data), 'hello')
  const patient = dial()
  t.equal(String(await collect(patient)), 'WELCOME', 'while the client has not ended')
  patient.end('later')
  t.match(await summaries[1], { closedBy: 'local', error: undefined })
  t.equal(String(to.data), 'hellolater')
})

t.test('onEof: keep ends our side after the client has ended', async t => {
  const to = memorySink()
  const from = () => Readable.from([Buffer.from('welcome')])
  const { dial, summaries } = await start(t, { to, from, onEof: 'keep' })
  const client = dial()
  const ended = once(client, 'end')
  client.on('data', () => {})
  await once(client, 'data')
  client.write('hello')
  await until(() => to.data.length === 5)
  t.notOk(client.readableEnded, 'it has not ended yet')
  client.end(' and bye')
  await ended
  t.match(await summaries[0], { error: undefined, bytesOut: 7 })
  t.equal(String(to.data), 'hello and bye')
})

t.test('onPeerEnd: stop ends with the client, though from goes on', async t => {
  const sources: PassThrough[] = []
  const from = () => {
    const source = new PassThrough()
    sources.push(source)
    return source
  }
  const { dial, exchange, summaries } = await start(t, { to: memorySink(), from, onPeerEnd: 'stop' })
  const other = dial()
  const received = collect(other)
  await until(() => sources.length === 1)
  t.match(await exchange('hello'), { ended: true })
  t.match(await summaries[1], { error: undefined })
  sources[0]?.end('for the other one')
  t.equal(String(await received), 'for the other one', 'other clients keep theirs')
  other.end()
  const { exchange: failing } = await start(t, { to: memorySink(), from, onPeerEnd: 'stop', transforms: broken })
  t.match(await failing('x'), { code: 'ECONNRESET' })
})

function broken(): never {
  throw new Error('broken')
}

t.test('from: a file for a client that has ended', async t => {
  const file = join(t.testdir({}), 'f')
  writeFileSync(file, Buffer.alloc(3_000_000))
  const { exchange } = await start(t, { to: memorySink(), from: () => fileSource(file) })
  t.equal((await exchange('')).data.length, 3_000_000)
})

t.test('from: failures reset, and no promise is left alone', async t => {
  const boom = new Error('boom')
  const fail = () => {
    throw boom
  }
  const to = memorySink()
  for (const options of [
    { to, from: fail },
    { to, from: silent, replyTransforms: fail },
    { to, from: () => createReadStream(join(t.testdir({}), 'none')) },
    { to, from: silent, transforms: fail },
  ]) {
    const { exchange, failures } = await start(t, options)
    t.match(await exchange('x'), { ended: false, code: 'ECONNRESET' })
    t.equal(failures().length, 1)
    t.match(failures()[0]?.error, /boom|ENOENT/)
  }
})

t.test('handler', async t => {
  const { exchange, summaries } = await start(t, {}, async (socket, { log, connection }) => {
    t.equal(typeof log.info, 'function')
    t.match(connection, { remote: '127.0.0.1' })
    let text = ''
    for await (const chunk of socket) text += chunk
    socket.write(text.toUpperCase()) // what was read to its end can still be answered
  })
  t.match(await exchange('echo'), { text: 'ECHO', ended: true, code: undefined })
  t.match(await summaries[0], { closedBy: 'peer', error: undefined })
})

t.test('handler: what it does not read, and a pipe that it leaves', async t => {
  const greeting = await start(t, {}, socket => void socket.write('bye'))
  t.match(await greeting.exchange('ignored'), { text: 'bye', ended: true, code: undefined })
  const sink = memorySink()
  const piping = await start(t, {}, socket => void socket.pipe(sink))
  const data = Buffer.alloc(2_000_000, 'x')
  t.match(await piping.exchange(data), { ended: true, code: undefined })
  await piping.summaries[0]
  t.equal(sink.data.length, data.length)
})

t.test('handler: a failure', async t => {
  for (const handler of [
    async () => {
      throw new Error('handled badly')
    },
    () => {
      throw new Error('handled badly')
    },
  ]) {
    const { exchange, failures } = await start(t, {}, handler)
    t.match(await exchange('x'), { ended: false, code: 'ECONNRESET' })
    t.match(failures(), [{ error: 'handled badly' }])
  }
})

t.test('once', async t => {
  const { server, dial, exchange } = await start(t, { reply: true, once: true })
  t.match(await exchange('x'), { text: 'x' })
  await server.closed
  t.match(await outcome(dial()), { code: 'ECONNREFUSED' })
})

t.test('maxConnections: the one too many is reset, and counted', async t => {
  const { server, dial, lines } = await start(t, { reply: true, maxConnections: 1 })
  const first = dial()
  await until(() => server.connections.size === 1)
  for (let i = 0; i < 2; i++) t.match(await outcome(dial()), { ended: false, code: 'ECONNRESET' })
  first.end('x')
  t.equal(String(await collect(first)), 'x')
  await server.close()
  t.match(
    lines.filter(line => line.level === 40),
    [
      { refused: { maxConnections: 1 }, remote: '127.0.0.1', msg: 'connections refused' },
      { refused: { maxConnections: 1 }, remote: '127.0.0.1', msg: 'connections refused' },
      { refused: { maxConnections: 2 }, total: 2, msg: 'connections refused in total' },
    ],
  )
})

t.test('timeouts', async t => {
  const { dial, summaries } = await start(t, { to: memorySink(), idleTimeout: 40 })
  t.match(await outcome(dial()), { ended: false, code: 'ECONNRESET' })
  t.match(await summaries[0], { closedBy: 'timeout', error: { code: 'ERR_TIMEOUT' } })
})

t.test('a unix socket', async t => {
  const path = socketPath(t)
  const { server, exchange, dial } = await start(t, { path, reply: true, maxConnections: 1 })
  t.same(server.address, { address: path, family: 'unix', port: 0 })
  t.match(await exchange('x'), { text: 'x', ended: true })
  const first = dial()
  await until(() => server.connections.size === 1)
  const second = dial()
  t.match(await outcome(second.once('end', () => second.end())), { data: Buffer.alloc(0) }, 'refused without a reset')
  first.end()
})

t.test('close: drains, then cuts', async t => {
  const { sink, held, release } = heldSink()
  const { server, dial, summaries } = await start(t, { to: sink })
  const socket = dial()
  const received = outcome(socket)
  socket.end('x')
  await until(() => held.length > 0)
  const drained = server.close({ drain: Number.POSITIVE_INFINITY })
  release()
  t.equal(await drained, 0)
  t.match(await received.then(() => summaries[0]), { closedBy: 'peer' })
  await server.closed
  t.equal(await server.close(), 0, 'twice')

  const stuck = await start(t, { to: memorySink() })
  const clients = [stuck.dial(), stuck.dial()].map(outcome)
  await until(() => stuck.server.connections.size === 2)
  t.equal(await stuck.server.close({ drain: 20 }), 2)
  t.match(await Promise.all(clients), [{ code: 'ECONNRESET' }, { code: 'ECONNRESET' }])
  t.match(await stuck.summaries[0], { closedBy: 'timeout', timeout: 'drain', error: { code: 'ERR_TIMEOUT' } })
})

t.test('await using', async t => {
  const { server } = await start(t, { to: memorySink() })
  await server[Symbol.asyncDispose]()
  await server.closed
})

t.test('signal', async t => {
  failOnWarning(t)
  const controller = new AbortController()
  const { signal } = controller
  await Promise.all(
    Array.from({ length: 3 }, async () => {
      const server = await serve({ port: 0, signal, to: memorySink() })
      await server.close()
    }),
  )
  t.equal(getEventListeners(signal, 'abort').length, 0, 'no listener is left')
  const { server, dial, summaries, exchange } = await start(t, { signal, to: memorySink() })
  for (let i = 0; i < 20; i++) await exchange('x')
  const received = outcome(dial())
  await until(() => server.connections.size === 1)
  controller.abort(new Error('enough'))
  await t.rejects(server.closed, { name: 'AbortError', cause: { message: 'enough' } })
  t.match(await received, { ended: false, code: 'ECONNRESET' })
  t.match(await summaries.at(-1), { closedBy: 'signal', error: { name: 'AbortError' } })
  t.equal(getEventListeners(signal, 'abort').length, 0)
  await t.rejects(serve({ port: 0, signal }), { name: 'AbortError' }, 'aborted before')
})

t.test('signal: aborted while the server is being opened', async t => {
  const controller = new AbortController()
  const opened = serve({ port: 0, signal: controller.signal })
  controller.abort()
  await t.rejects(opened, { name: 'AbortError' })
  t.equal(getEventListeners(controller.signal, 'abort').length, 0)
})

t.test('a Duplex used twice fails in words, and the server lives', async t => {
  const shared = new PassThrough()
  let count = 0
  const transforms = () => (count++ < 2 ? [shared] : [])
  const { exchange, failures } = await start(t, { reply: true, transforms })
  t.match(await exchange('x'), { text: 'x' })
  t.match(await exchange('y'), { ended: false, code: 'ECONNRESET' })
  t.match(failures(), [{ code: 'ERR_STAGE', error: /a stream can be used once/ }])
  t.match(await exchange('z'), { text: 'z' })
})

t.test('one connection that fails leaves the others alone', async t => {
  const transforms = () => [
    (chunk: Buffer) => {
      if (String(chunk).startsWith('bad')) throw new Error('bad input')
      return chunk
    },
  ]
  const { dial, exchange, failures } = await start(t, { reply: true, transforms })
  const good = Array.from({ length: 20 }, dial)
  await Promise.all(good.map(socket => once(socket, 'connect')))
  for (const socket of good) socket.write('first ')
  t.match(await exchange('bad'), { ended: false, code: 'ECONNRESET' })
  for (const socket of good) socket.end('second')
  for (const reply of await Promise.all(good.map(collect))) t.equal(String(reply), 'first second')
  t.equal(failures().length, 1)
})

t.test('a slow client stops the source', async t => {
  const { dial, summaries } = await start(t, { to: memorySink(), from: endless })
  const socket = dial()
  await once(socket, 'connect')
  socket.pause()
  await delay(50)
  socket.destroy()
  t.match(await summaries[0], { closedBy: 'reset' })
})

t.test('options are checked before anything is opened', async t => {
  const wrong = (options: object, handler?: Handler) => serve({ port: 0, ...options } as ServeOptions, handler)
  const cases: [object, RegExp, Handler?][] = [
    [{ transforms: [new PassThrough()] }, /^transforms must be a function .* write \(\) => \[\.\.\.\]$/],
    [{ replyTransforms: 'hex', from: silent }, /^replyTransforms must be a function .* it is string$/],
    [{ from: silent() }, /^from must be a function .* it is object$/],
    [{ reply: true, to: memorySink() }, /to and reply exclude each other/],
    [{ reply: true, from: silent }, /reply and from exclude each other/],
    [{ replyTransforms: upper }, /replyTransforms needs from/],
    [{ onEof: 'keep' }, /onEof needs from/],
    [{ onPeerEnd: 'stop' }, /onPeerEnd needs from/],
    [{ onEof: 'close', from: silent }, /onEof: close is not allowed; expected half-close or keep/],
    [{ onPeerEnd: 1, from: silent }, /onPeerEnd: 1 is not allowed; expected send or stop/],
    [{ maxConnections: 0 }, /maxConnections: 0 is not allowed/],
    [{ maxConnections: Number.NaN }, /maxConnections: NaN is not allowed/],
    [{ idleTimeout: -1 }, /idleTimeout: -1 is not allowed; expected milliseconds from 0 to 2147483647/],
    [{ halfClosedTimeout: Number.POSITIVE_INFINITY }, /halfClosedTimeout: Infinity is not allowed/],
    [{ idleTimeout: Number.NaN }, /idleTimeout: NaN/],
    [{ to: memorySink() }, /a handler has the connection to itself/, () => {}],
    [{ reply: true }, /a handler has the connection to itself/, () => {}],
    [{ also: [{ to: memorySink() }] }, /a handler has the connection to itself/, () => {}],
    [{ also: [{ to: memorySink() }], reply: true }, /also and reply exclude each other/],
    [{ from: silent }, /a handler has the connection to itself/, () => {}],
    [{ transforms: upper }, /a handler has the connection to itself/, () => {}],
  ]
  for (const [options, message, handler] of cases)
    await t.rejects(wrong(options, handler), { code: 'ERR_OPTION', message }, String(message))
  for (const options of [{ port: 70000 }, { to: 'nowhere' }, { to: { port: -1 } }, { path: '' }])
    await t.rejects(wrong(options), { code: 'ERR_ADDRESS' })
})

t.test('silent without a log, whatever its stages and handlers log', async t => {
  const written = t.capture(fs, 'writeSync', fs.writeSync)
  syncBuiltinESMExports()
  const broken = () => {
    throw new Error('x')
  }
  for (const [options, handler] of [
    [{ reply: true, transforms: () => [counter(), digest(), logger(), broken] }],
    [{ reply: true, transforms: () => [counter(), digest(), logger(), exec({ command: ['sh', '-c', 'echo x >&2'] })] }],
    [{}, (_stream, { log }) => log.error('x')],
  ] as [ServeOptions, Handler?][]) {
    const server: Server = await serve({ port: 0, ...options }, handler)
    const socket: Socket = clientOf(t, server.address)
    const received = outcome(socket)
    socket.end('x')
    await received
    await server.close()
  }
  const texts = written.args().filter(([fd]) => Number(fd) <= 2)
  written.restore()
  syncBuiltinESMExports()
  t.same(texts, [])
})

t.test('the default port', async t => {
  const server = await serve({ to: memorySink() }).catch(error => error)
  if (server instanceof Error) t.match(server, { code: 'EADDRINUSE' })
  else t.equal(server.address.port, 3099)
  await server.close?.()
})

t.test('to: an address with TLS, and how long that may take', async t => {
  const accept = tlsAcceptor(serverContext(identity))
  const got: string[] = []
  const server = await listener(t, async raw => {
    const socket = await accept(raw)
      .then(secure => secure.socket)
      .catch(() => undefined)
    if (socket) got.push(String(await collect(socket)))
    socket?.end()
  })
  const to = `tls://127.0.0.1:${portOf(server)}`
  const { exchange } = await start(t, { to, targetTls: { ca: identity.cert }, connectTimeout: 5000 })
  t.match(await exchange('through'), { ended: true, code: undefined })
  t.same(got, ['through'])
  const { exchange: unverified, failures } = await start(t, { to })
  t.match(await unverified('never'), { code: 'ECONNRESET' })
  t.match(failures(), [{ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }])
  t.same(got, ['through'])
  await t.rejects(serve({ port: 0, connectTimeout: 1 }), {
    code: 'ERR_OPTION',
    message: 'connectTimeout needs to: an address',
  })
  for (const options of [{ sendProxyProtocol: 'v1' }, { sendProxyProtocol: 'v2', reply: true }] as const)
    await t.rejects(serve({ port: 0, ...options }), { message: 'sendProxyProtocol needs to: an address' })
  await t.rejects(serve({ port: 0, to: 'file:/tmp/x', sendProxyProtocol: 'v1' }), {
    message: 'sendProxyProtocol: file:/tmp/x is not an address of sockets',
  })
  await t.rejects(serve({ port: 0, to, connectTimeout: -1 }), { message: /^connectTimeout: -1/ })
  await t.rejects(serve({ port: 0, tls: true }), { message: 'tls needs cert and key, or auto' })
})

t.test('handler: one that does not end though its socket has', async t => {
  const { summaries, dial } = await start(t, { halfClosedTimeout: 30 }, socket => {
    socket.end('bye')
    return new Promise(() => {})
  })
  const client = dial()
  client.resume().end()
  await until(() => summaries.length > 0)
  t.match(await summaries[0], {
    closedBy: 'timeout',
    timeout: 'half-closed',
    error: { message: /the handler has not ended 30 ms after/ },
  })
  const patient = await start(t, { halfClosedTimeout: 0 }, async socket => {
    socket.resume().end('bye')
    await new Promise(resolve => socket.once('close', resolve))
    await delay(20)
  })
  patient.dial().resume().end()
  await until(() => patient.summaries.length > 0)
  t.match(await patient.summaries[0], { closedBy: 'local', error: undefined })
})

t.test('to: an address whose silence is that of the connection', async t => {
  for (const [work, timeout] of [
    [() => {}, 'idle'],
    [(socket: Socket) => void socket.resume(), 'half-closed'],
  ] as const) {
    const server = await listener(t, work)
    const to = { port: portOf(server) }
    const { dial, summaries } = await start(t, { to, idleTimeout: 60, halfClosedTimeout: 60 })
    const client = dial()
    if (timeout === 'idle') client.write(Buffer.alloc(30_000_000))
    else client.end('all of it')
    t.match(await outcome(client), { code: /ECONNRESET|EPIPE/ })
    t.match(await summaries[0], { closedBy: 'timeout', timeout })
  }
})

t.test('to: an address that is being dialled when the client goes is left at once', async t => {
  const targets: Socket[] = []
  const server = await listener(t, socket => void targets.push(socket.resume()))
  const to = `tls://127.0.0.1:${portOf(server)}` // which never answers
  const { server: ours, dial } = await start(t, { to, handshakeTimeout: 0, idleTimeout: 0 })
  for (let i = 1; i <= 5; i++) {
    const client = dial()
    await until(() => targets.length === i)
    client.resetAndDestroy()
    await until(() => ours.connections.size === 0)
  }
  await Promise.all(targets.map(socket => socket.closed || closed(socket)))
})

t.test('handler: one that ends before its socket leaves no timer behind', async t => {
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  const { server, exchange } = await start(t, { idleTimeout: 0 }, socket => void socket.end('bye'))
  t.match(await exchange('x'), { text: 'bye' })
  await server.close()
  t.equal(timers(), before)
  t.match(server.stats(), { accepted: 1, failed: 0 })
})

/** A Web stream that keeps what it gets. */
function webSink(fail?: Error) {
  const state = { text: '', closed: false, aborted: undefined as unknown }
  const stream = new WritableStream<Uint8Array>({
    write(chunk) {
      if (fail) throw fail
      state.text += Buffer.from(chunk)
    },
    close() {
      state.closed = true
    },
    abort(reason) {
      state.aborted = reason
    },
  })
  return { stream, state }
}

t.test('from: whatever gives data, or a promise of it', async t => {
  for (const [name, give] of [
    ['a string', () => 'data'],
    ['bytes', () => Buffer.from('data')],
    ['an array', () => ['da', 'ta']],
    [
      'a generator',
      () =>
        (async function* () {
          yield 'data'
        })(),
    ],
    ['a Web stream', () => new Blob(['data']).stream()],
    ['a Blob', () => new Blob(['data'])],
    ['a promise', async () => 'data'],
  ] as [string, NonNullable<ServeOptions['from']>][]) {
    const { exchange } = await start(t, { to: memorySink(), from: give })
    t.match(await exchange(''), { text: 'data', ended: true, code: undefined }, name)
  }
})

t.test('from: what is no data resets, and says what it is', async t => {
  for (const [give, message] of [
    [() => 5, /^from: a number is not allowed; expected a stream/],
    [async () => null, /^from: null is not allowed; expected a stream/],
    [() => [5], /^from: a number is not allowed as a chunk; expected a string/],
    [() => Readable.from([{}]), /^from: an object \(Object\) is not allowed as a chunk/],
    [() => Promise.reject(new Error('boom')), /^boom$/],
  ] as const) {
    const { exchange, summaries } = await start(t, { to: memorySink(), from: give as unknown as ServeOptions['from'] })
    t.match(await exchange(''), { ended: false, code: 'ECONNRESET' }, String(message))
    t.match(await summaries[0], { error: { message } })
  }
})

t.test('from: a source that comes when its client has gone is let go', async t => {
  const source = endless()
  let give: (source: Readable) => void = () => {}
  const promise = new Promise<Readable>(resolve => {
    give = resolve
  })
  const { dial, summaries } = await start(t, { to: memorySink(), from: () => promise })
  const socket = dial()
  await once(socket, 'connect')
  await until(() => summaries.length === 1)
  socket.resetAndDestroy()
  t.match(await summaries[0], { closedBy: 'reset' })
  const gone = closed(source)
  give(source)
  await gone
})

t.test('from: an iterable that waits for ever holds nothing up', async t => {
  let returned = 0
  const waiting = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}), return: () => returned++ }),
  } as unknown as AsyncIterable<string>
  const { dial, summaries } = await start(t, { to: memorySink(), from: () => waiting })
  const socket = dial()
  await once(socket, 'connect')
  await until(() => summaries.length === 1)
  socket.resetAndDestroy()
  await summaries[0]
  await until(() => returned === 1)
})

t.test('to: a Web stream that connections share', async t => {
  failOnWarning(t)
  const { stream, state } = webSink()
  const { exchange } = await start(t, { to: stream })
  await Promise.all(Array.from({ length: 20 }, () => exchange('x')))
  t.match(state, { text: 'x'.repeat(20), closed: false })
  t.notOk(stream.locked)
  const boom = new Error('boom')
  const failing = await start(t, { to: webSink(boom).stream })
  for (const _ of [1, 2]) t.match(await failing.exchange('x'), { code: 'ECONNRESET' })
  t.match(await Promise.all(failing.summaries), [{ error: boom }, { error: boom }])
})

t.test('to: a function that gives a Web stream or an address', async t => {
  const { stream, state } = webSink()
  const { exchange } = await start(t, { to: async () => stream })
  await exchange('hello')
  t.match(state, { text: 'hello', closed: true })
  const cut = webSink()
  const { dial, summaries } = await start(t, { to: () => cut.stream })
  const socket = dial()
  socket.write('part')
  await until(() => cut.state.text === 'part')
  socket.resetAndDestroy()
  const summary = await summaries[0]
  await until(() => cut.state.aborted !== undefined)
  t.equal(cut.state.aborted, summary?.error)
  const received: Buffer[] = []
  const target = await listener(t, async peer => {
    received.push(await collect(peer))
    peer.end()
  })
  const { exchange: through } = await start(t, { to: () => ({ port: portOf(target) }), connectTimeout: 5000 })
  await through('through')
  t.same(received, [Buffer.from('through')])
  const none = await start(t, { to: (() => undefined) as never })
  t.match(await none.exchange('x'), { code: 'ECONNRESET' })
  const message = 'to: undefined is not allowed; expected a Writable, a WritableStream or an address'
  t.match(await none.summaries[0], { error: { code: 'ERR_OPTION', message } })
})

t.test('to: a Web stream that is locked', async t => {
  const { stream } = webSink()
  stream.getWriter()
  const message = 'to: the WritableStream is locked to another writer'
  await t.rejects(serve({ port: 0, to: stream }), { code: 'ERR_OPTION', message })
})

t.test('a pair of Web streams as a stage', async t => {
  const to = memorySink()
  const { exchange, summaries } = await start(t, { to, transforms: () => new DecompressionStream('gzip') })
  await exchange(gzipSync('hello'))
  t.equal(String(to.data), 'hello')
  t.match(await summaries[0], {
    directions: [{ segments: [{ runs: [{ stages: [{ name: 'DecompressionStream' }] }] }] }],
  })
  t.match(await exchange('no gzip at all'), { code: 'ECONNRESET' })
  t.match(await summaries[1], { error: { message: 'incorrect header check' } })
})

t.test('close while the source of the reply is being opened: nothing of it is sent', async t => {
  let give: (source: string) => void = () => {}
  const from = () =>
    new Promise<string>(resolve => {
      give = resolve
    })
  const server = await serve({ listen: 'memory:pending', to: memorySink(), from })
  t.teardown(() => server.close({ drain: 0 }))
  const output = memorySink()
  const sent = send({ to: 'memory:pending', from: 'hello', output })
  await until(() => server.connections.size === 1)
  const [connection] = server.connections
  const summary = await connection?.close()
  give('too late')
  await sent
  t.match(summary, { closedBy: 'local', error: undefined })
  t.equal(output.data.length, 0)
})

t.test('a sink that ends before the first byte ends the connection, which is no timeout', async t => {
  const sinks: Writable[] = []
  const to = () => {
    const sink = memorySink()
    sinks.push(sink)
    return sink
  }
  const { server } = await start(t, { to, halfClosedTimeout: 60_000 })
  const client = clientOf(t, server.address)
  const ended = once(client.resume(), 'end')
  await until(() => sinks.length === 1)
  const [connection] = server.connections
  sinks[0]?.end()
  await ended
  client.end()
  t.match(await connection?.closed, { closedBy: 'local', error: undefined })
})

t.test('the figures name the sink: a file, a target, a stream, or the client', async t => {
  const target = await serve({ port: 0, to: () => new PassThrough().resume() })
  t.teardown(() => target.close({ drain: 0 }))
  const file = `file:${join(t.testdir(), 'out')}`
  for (const [name, sink] of [
    ['file', { to: file }],
    ['target', { to: `127.0.0.1:${target.address.port}` }],
    ['sink', { to: () => new PassThrough().resume() }],
    ['client', { reply: true }],
  ] as const) {
    const { promise, resolve } = withResolvers<unknown>()
    const server = await serve({ port: 0, measure: true, ...sink, observer: { closed: resolve } })
    await send({ port: server.address.port, from: 'abc', output: new PassThrough().resume() })
    t.match(await promise, { directions: [{ source: { name: 'client' }, sink: { name } }] })
    await server.close()
  }
})

function withResolvers<T>() {
  let resolve!: (value: T) => void
  const promise = new Promise<T>(settle => {
    resolve = settle
  })
  return { promise, resolve }
}

t.test('a name that the sender gives needs reliable transfers', async t => {
  const dir = t.testdir({})
  const to = `file:${join(dir, '{name}')}`
  const message = `'${join(dir, '{name}')}': {name} needs reliable: other senders give no name`
  await t.rejects(serve({ port: 0, to }), { code: 'ERR_OPTION', message })
  const servers = [await serve({ reliable: true, port: 0, to }), await serve({ listen: 'reliable://127.0.0.1:0', to })]
  for (const server of servers) {
    const { port } = server.address as { port: number }
    await send({ reliable: true, port, from: 'data', name: `at-${port}`, output: new PassThrough().resume() })
    t.equal(readFileSync(join(dir, `at-${port}`), 'utf8'), 'data')
    await server.close()
  }
})

t.test('a reliable transfer is not added to a file: what is sent again would be there twice', async t => {
  const to = { scheme: 'file', path: join(t.testdir({}), 'f'), append: true } as const
  const message = 'append and reliable exclude each other: what is sent again would be there twice'
  await t.rejects(serve({ reliable: true, port: 0, to }), { code: 'ERR_OPTION', message })
})

t.test('a tunnel of sessions has no name and no receipt: it is a connection', async t => {
  const dir = t.testdir({})
  const server = await serve({ reliable: true, port: 0, to: `file:${join(dir, 'f')}` })
  const { port } = server.address as { port: number }
  const near = await proxy({ port: 0, to: `reliable://127.0.0.1:${port}` })
  await send({ port: (near.address as { port: number }).port, from: 'through', output: new PassThrough().resume() })
  await near.close()
  await server.close()
  t.same(readdirSync(dir), ['f'])
  t.equal(readFileSync(join(dir, 'f'), 'utf8'), 'through')
})

t.test('sendProxyProtocol: an address is told of the client first, also one that a function returns', async t => {
  const got: Promise<Buffer>[] = []
  const target = await listener(t, socket => {
    got.push(collect(socket))
    socket.once('end', () => socket.end())
  })
  const address = { port: portOf(target) }
  for (const to of [address, () => address]) {
    const { dial, server } = await start(t, { to, sendProxyProtocol: 'v1' })
    const client = dial()
    await once(client, 'connect')
    const header = `PROXY TCP4 127.0.0.1 127.0.0.1 ${client.localPort} ${server.address.port}`
    client.end('hello')
    await outcome(client)
    t.equal(String(await got.shift()), `${header}\r\nhello`)
  }
})

t.test('also: further sinks get the same bytes, and the client is ended after them', async t => {
  const [main, shared] = [memorySink(), memorySink()]
  const target = await serve({ port: 0, reply: true })
  t.teardown(() => target.close({ drain: 0 }))
  const { port } = target.address
  const { exchange, summaries, failures } = await start(t, { to: main, also: [{ to: { port } }, { to: shared }] })
  t.match(await exchange('hello'), { ended: true, text: '' })
  for (const each of [main, shared]) t.equal(String(each.data), 'hello')
  const summary = (await summaries[0]) as Summary
  t.match(summary.sink, {
    also: [
      { to: `127.0.0.1:${port}`, bytes: 5, answered: 5 },
      { to: 'stream', bytes: 5 },
    ],
  })
  t.same(failures(), [])
})

t.test('also: one that cannot be reached ends the connection, or not', async t => {
  const server = await listener(t, () => {})
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  const { exchange, summaries } = await start(t, { to: memorySink(), also: [{ to: { port }, fail: 'continue' }] })
  t.match(await exchange('a'), { ended: true })
  t.match((await summaries[0])?.warnings, [/ECONNREFUSED/])
  const strict = await start(t, { to: memorySink(), also: [{ to: { port } }] })
  t.match(await strict.exchange('a'), { code: 'ECONNRESET' })
})
