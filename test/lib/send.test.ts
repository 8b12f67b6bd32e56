import { spawn } from 'node:child_process'
import { getEventListeners, once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { PassThrough, Readable, Transform, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Source } from '../../lib/endpoints/endpoint.js'
import { fileSource } from '../../lib/endpoints/file/file-source.js'
import { transferLinks } from '../../lib/endpoints/session/links.js'
import { tlsAcceptor } from '../../lib/endpoints/tls/handshake.js'
import { serverContext } from '../../lib/endpoints/tls/secure-context.js'
import type { SendConnection, SendOptions } from '../../lib/send/options.js'
import { isSendError } from '../../lib/send/send-error.js'
import { send } from '../../lib/send.js'
import { serve } from '../../lib/serve.js'
import type { ConnectionInfo } from '../../lib/stages/context.js'
import { none, stop } from '../../lib/stages/define.js'
import {
  collect,
  endless,
  failingSink,
  failOnWarning,
  handles,
  listener,
  memorySink,
  outcome,
  portOf,
  recorder,
  silent,
  socketPath,
  until,
} from './network.js'
import { storing } from './storing.js'
import { identity } from './tls.js'

const bytes = (...texts: string[]) => Readable.from(texts.map(text => Buffer.from(text)))

async function target(t: Test, work: (socket: Socket) => void) {
  const server = await listener(t, work)
  const output = memorySink()
  const { log, lines } = recorder()
  const options: SendOptions = { port: portOf(server), from: bytes('hello'), output, log }
  return { server, output, lines, options }
}

/** Answers with what it got, when it has got all of it. */
const echo = async (socket: Socket) => void socket.end(await collect(socket))

t.test('sends, takes the reply, tells how it went', async t => {
  failOnWarning(t)
  const { options, output, lines } = await target(t, echo)
  const connections: SendConnection[] = []
  const summary = await send({ ...options, onConnect: connection => connections.push(connection) })
  t.equal(String(output.data), 'hello')
  t.notOk(output.writableEnded)
  t.match(summary, { bytesIn: 5, bytesOut: 5, closedBy: 'local', remote: '127.0.0.1', port: options.port })
  t.match(lines, [{ msg: 'connection closed' }])
  t.match(connections, [{ id: summary.id }])
  t.equal(connections.length, 1)
  await until(() => !('TCPSocketWrap' in handles()))
})

t.test('transforms in both directions', async t => {
  const { options, output } = await target(t, echo)
  const transforms = (info: ConnectionInfo) => [(chunk: Buffer) => `${info.direction} ${chunk}`]
  await send({ ...options, transforms, replyTransforms: transforms })
  t.equal(String(output.data), 'reply forward hello')
})

t.test('to, path, bind, family', async t => {
  const { options } = await target(t, socket => void socket.end(String(socket.remoteAddress)).resume())
  const port = options.port as number
  for (const where of [
    { to: `127.0.0.1:${port}` },
    { to: { port } },
    { host: 'localhost', family: 4 as const },
    { connectTimeout: 0 },
  ])
    t.match(await send({ ...options, from: bytes('x'), ...where }), { remote: '127.0.0.1' })
  const output = memorySink()
  await send({ ...options, from: bytes('x'), output, bind: '127.0.0.7:0' })
  await send({ ...options, from: bytes('x'), output, bind: '127.0.0.8' })
  t.equal(String(output.data), '127.0.0.7127.0.0.8')
  const path = socketPath(t)
  await listener(t, echo, path)
  t.match(await send({ path, from: bytes('x'), output }), { remote: 'unix', port: undefined })
  t.match(await send({ to: { path }, from: bytes('x'), output }), { remote: 'unix' })
})

t.test('the default port and host', async t => {
  const server = createServer({ allowHalfOpen: true }, echo)
  server.listen(3099, '127.0.0.1').on('error', () => {})
  t.teardown(() => server.close())
  await Promise.race([once(server, 'listening'), once(server, 'error')]).catch(() => {})
  if (!server.listening) return t.comment('the port is taken')
  t.match(await send({ from: bytes('x'), output: memorySink() }), { remote: '127.0.0.1', port: 3099 })
})

t.test('cannot connect', async t => {
  const { options, server, lines } = await target(t, echo)
  server.close()
  await once(server, 'close')
  await t.rejects(send(options), { code: 'ECONNREFUSED' })
  await t.rejects(send({ ...options, retry: 1 }), { code: 'ECONNREFUSED' })
  t.match(lines, [{ level: 40, error: /ECONNREFUSED/, wait: Number }])
  t.equal(lines.length, 1)
})

t.test('the real cause of a failure, and its summary', async t => {
  const boom = new Error('boom')
  const fail = () => {
    throw boom
  }
  for (const [name, more] of [
    [
      'the source',
      {
        from: new Readable({
          read() {
            this.destroy(boom)
          },
        }),
      },
    ],
    ['a stage', { from: bytes('x'), transforms: () => [fail] }],
    ['the stages', { from: bytes('x'), transforms: fail }],
    ['the reply stages', { from: bytes('x'), replyTransforms: fail }],
    ['a reply stage', { from: bytes('x'), replyTransforms: () => [fail] }],
    ['the output', { from: bytes('x'), output: failingSink(boom) }],
  ] as [string, SendOptions][]) {
    const { options, lines } = await target(t, socket => void socket.resume().write('welcome'))
    const error = await send({ ...options, ...more }).catch(reason => reason)
    t.equal(error, boom, name)
    t.match(error.summary, { closedBy: 'error', error: boom })
    t.equal(lines.length, 1)
    t.ok((more.from as Readable | undefined)?.destroyed, 'the source is let go')
  }
})

t.test('a failure is never a clean end for the peer', async t => {
  const { options, server } = await target(t, () => {})
  const accepted = once(server, 'connection')
  const from = new PassThrough()
  const sent = send({ ...options, from }).catch(error => error)
  const [socket] = (await accepted) as [Socket]
  const received = outcome(socket)
  from.write('part')
  await once(socket, 'data')
  from.destroy(new Error('lost'))
  t.match(await received, { ended: false, code: 'ECONNRESET', data: Buffer.from('part') })
  t.match(await sent, { message: 'lost' })
})

t.test('the reset of a peer', async t => {
  const { options, lines } = await target(t, socket => void socket.once('data', () => socket.resetAndDestroy()))
  for (const from of [
    endless(),
    new PassThrough().on('resume', function (this: PassThrough) {
      this.write('x')
    }),
  ]) {
    const error = await send({ ...options, from }).catch(reason => reason)
    t.match(error, { code: /ECONNRESET|EPIPE/, summary: { closedBy: 'reset' } })
    t.ok(from.destroyed)
  }
  t.equal(lines.length, 2)
})

t.test('the peer ends first, the file goes on', async t => {
  const path = join(t.testdir({}), 'f')
  writeFileSync(path, Buffer.alloc(5_000_000, 'x'))
  let received: Promise<Buffer> | undefined
  const { options } = await target(t, socket => {
    socket.end('bye')
    received = new Promise(resolve => setTimeout(() => resolve(collect(socket)), 20))
  })
  const summary = await send({ ...options, from: fileSource(path) })
  t.equal((await received)?.length, 5_000_000)
  t.match(summary, { bytesOut: 5_000_000, bytesIn: 3, closedBy: 'peer' })
})

t.test('the peer ends first: a terminal is let go', async t => {
  const { options, output } = await target(t, socket => void socket.end('bye').resume())
  const quiet = Object.assign(silent(), { isTTY: true })
  t.match(await send({ ...options, from: quiet }), { closedBy: 'peer', error: undefined })
  t.ok(quiet.destroyed)
  t.equal(String(output.data), 'bye')
  const typing = Object.assign(endless(), { isTTY: true })
  t.match(await send({ ...options, from: typing }), { closedBy: 'peer', error: undefined }, 'also while it is typed on')
  const file = Object.assign(bytes('x'), { isTTY: true })
  t.match(await send({ ...options, from: file }), { error: undefined }, 'its end is an end')
  const plain = Object.assign(bytes('x'), { isTTY: false })
  t.match(await send({ ...options, from: plain }), { error: undefined })
})

t.test('a source that fails before the connection stands', async t => {
  const { options } = await target(t, socket => void socket.on('error', () => {}).resume())
  const missing = () => fileSource(join(t.testdir(), 'missing'))
  await t.rejects(send({ ...options, from: missing() }), { code: 'ENOENT' })
  const from = missing()
  await new Promise(resolve => from.on('error', () => {}).once('close', resolve))
  await t.rejects(send({ ...options, from }), { code: 'ENOENT' })
  await t.rejects(send({ port: 1, from }), { code: 'ENOENT' })
  const unused = bytes('x')
  await t.rejects(send({ port: 1, from: unused }), { code: 'ECONNREFUSED' })
  t.ok(unused.destroyed)
})

t.test('a terminal that ends first waits for the reply', async t => {
  const { options, output } = await target(t, echo)
  await send({ ...options, from: Object.assign(bytes('typed'), { isTTY: true }) })
  t.equal(String(output.data), 'typed')
})

t.test('a stop in either direction', async t => {
  const { options, output } = await target(t, echo)
  let count = 0
  t.match(await send({ ...options, from: endless(), transforms: () => [chunk => (count++ < 3 ? chunk : stop)] }), {
    error: undefined,
  })
  t.equal(output.data.length, 3 * 16 * 1024)
  const talker = await target(t, socket => void socket.resume().write('a'.repeat(100)))
  const first = () =>
    new Transform({
      transform(chunk, _encoding, callback) {
        this.push(chunk.subarray(0, 1))
        this.push(null)
        callback()
      },
    })
  t.match(await send({ ...talker.options, replyTransforms: () => [first()] }), { error: undefined })
  t.equal(String(talker.output.data), 'a')
})

t.test('wait', async t => {
  const { options } = await target(t, socket => void socket.resume())
  const error = await send({ ...options, wait: 30 }).catch(reason => reason)
  t.match(error, { code: 'ERR_TIMEOUT', message: 'wait timeout: the peer did not end within 30ms' })
  t.match(error.summary, { closedBy: 'timeout' })
})

t.test('wait: a peer that ends in time', async t => {
  const { options } = await target(t, echo)
  t.match(await send({ ...options, wait: 10_000 }), { error: undefined })
})

t.test('onEof: close', async t => {
  const { options, output } = await target(t, socket => void socket.resume().write('early'))
  t.match(await send({ ...options, onEof: 'close' }), { error: undefined, closedBy: 'local' })
  t.equal(String(output.data), 'early')
  t.match(await send({ ...options, from: bytes('x'), onEof: 'close' }), { error: undefined })
})

t.test('onEof: close waits for the time of wait', async t => {
  const { options, output } = await target(t, socket => void socket.resume().once('end', () => socket.write('answer')))
  t.match(await send({ ...options, onEof: 'close', wait: 150 }), { error: undefined, closedBy: 'local' })
  t.equal(String(output.data), 'answer')
})

/** Takes the end of a client for its departure, as some servers do. */
async function impatient(socket: Socket): Promise<void> {
  let left = false
  socket.once('end', () => {
    left = true
    socket.end()
  })
  await once(socket, 'data')
  for (let i = 0; i < 10 && !left; i++) {
    socket.write('part ')
    await delay(5)
  }
  socket.end()
}

t.test('onEof: keep leaves our side open until the peer has ended (G-34)', async t => {
  const { options, output } = await target(t, impatient)
  t.match(await send({ ...options, onEof: 'keep' }), { closedBy: 'peer', bytesOut: 5, error: undefined })
  t.equal(String(output.data), 'part '.repeat(10))
  await send({ ...options, from: bytes('hello') })
  t.ok(output.data.length < 2 * 'part '.repeat(10).length, 'without it the reply is cut')
  await until(() => !('TCPSocketWrap' in handles()))
})

t.test('onEof: keep, with a peer that never ends, that resets, and whose reply is not read on (G-34)', async t => {
  const quiet = await target(t, socket => void socket.resume())
  await t.rejects(send({ ...quiet.options, onEof: 'keep', wait: 30 }), { code: 'ERR_TIMEOUT', timeout: 'wait' })
  const broken = await target(t, socket => void socket.once('data', () => socket.resetAndDestroy()))
  await t.rejects(send({ ...broken.options, onEof: 'keep' }), { code: 'ECONNRESET' })
  const talker = await target(t, socket => void socket.resume().write('a'.repeat(100)))
  const replyTransforms = () => [() => stop]
  t.match(await send({ ...talker.options, onEof: 'keep', replyTransforms }), { error: undefined })
})

t.test('onPeerEnd: stop ends with the peer, and delivers what the stages hold (G-33)', async t => {
  let received: Promise<Buffer> | undefined
  const { options, output } = await target(t, socket => {
    received = collect(socket)
    socket.end('bye')
  })
  const from = silent()
  const flush = { write: () => none, flush: () => Buffer.from('held') }
  const summary = await send({ ...options, from, onPeerEnd: 'stop', transforms: () => [flush] })
  t.match(summary, { closedBy: 'peer', error: undefined })
  t.ok(from.destroyed)
  t.equal(String(output.data), 'bye')
  t.equal(String(await received), 'held')
})

t.test('onPeerEnd: stop, with a peer that resets (G-33)', async t => {
  const { options } = await target(t, socket => void socket.resetAndDestroy())
  await t.rejects(send({ ...options, from: silent(), onPeerEnd: 'stop' }), { code: 'ECONNRESET' })
})

t.test('onPeerEnd: send goes on, also on a terminal (G-33)', async t => {
  let received: Promise<Buffer> | undefined
  const { options, output } = await target(t, socket => {
    received = collect(socket)
    socket.end('bye')
  })
  const from = Object.assign(new PassThrough(), { isTTY: true })
  const sent = send({ ...options, from, onPeerEnd: 'send' })
  await until(() => output.data.length === 3)
  await new Promise(resolve => setImmediate(resolve)) // its end comes behind that, perhaps in a turn of its own
  from.end('typed')
  t.match(await sent, { error: undefined })
  t.equal(String(await received), 'typed')
})

t.test('signal', async t => {
  const { options, server } = await target(t, () => {})
  const controller = new AbortController()
  const { signal } = controller
  const accepted = once(server, 'connection')
  const from = silent()
  let connects = 0
  const sent = send({ ...options, from, signal, onConnect: () => connects++ }).catch(error => error)
  const [socket] = (await accepted) as [Socket]
  const received = outcome(socket)
  await until(() => connects === 1)
  t.equal(getEventListeners(signal, 'abort').length, 1)
  controller.abort(new Error('enough'))
  t.match(await sent, { name: 'AbortError', cause: { message: 'enough' }, summary: { closedBy: 'signal' } })
  t.match(await received, { ended: false, code: 'ECONNRESET' })
  t.ok(from.destroyed)
  t.equal(getEventListeners(signal, 'abort').length, 0)
  await t.rejects(send({ ...options, signal }), { name: 'AbortError' }, 'before')

  const quiet = new AbortController()
  const echoing = await target(t, echo)
  await send({ ...echoing.options, signal: quiet.signal })
  t.equal(getEventListeners(quiet.signal, 'abort').length, 0, 'after')
  const during = new AbortController()
  const dialling = send({ ...echoing.options, from: silent(), signal: during.signal })
  during.abort()
  await t.rejects(dialling, { name: 'AbortError' }, 'while it dials')
  const connected = new AbortController()
  const onConnect = () => connected.abort()
  const cut = send({ ...echoing.options, from: silent(), signal: connected.signal, onConnect })
  await t.rejects(cut, { name: 'AbortError' }, 'as soon as the connection stands')
})

t.test('warnings of the source', async t => {
  const { options, lines } = await target(t, echo)
  const from: Source = Object.assign(bytes('x'), { warnings: ['it changed'] })
  t.match(await send({ ...options, from }), { warnings: ['it changed'] })
  t.match(lines, [{ level: 40, warnings: ['it changed'] }])
})

t.test('stdin and stdout are the defaults', async t => {
  const server = await listener(t, async socket => void socket.end(`reply to ${await collect(socket)}`))
  const script = 'const { send } = await import(process.argv[1]); await send({ port: Number(process.argv[2]) })'
  const library = new URL('../../lib/send.js', import.meta.url).href
  const words = ['--input-type=module', '-e', script, library, String(portOf(server))]
  const child = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end('what is typed')
  const [output, [code]] = await Promise.all([collect(child.stdout), once(child, 'exit')])
  t.equal(String(output), 'reply to what is typed')
  t.equal(code, 0)
})

t.test('a source that stores its records is told when everything has been taken', async t => {
  const server = await listener(t, socket => void socket.resume().on('end', () => socket.end()))
  const options = { port: portOf(server), from: { scheme: 'file', path: 'x' } as const }
  const { stream, last, settled } = storing(t)
  const done = send(options)
  stream.end('sent')
  await done
  t.same([last(), settled()], [4, 1])
  const { full, kept } = storing(t)
  const failed = send({ ...options, onConnect: () => setTimeout(full, 10) })
  await t.rejects(failed, { code: 'ERR_OPTION', message: /waits until its records are kept.*pipe completes it/ })
  t.same(kept, [])
})

t.test('without a log', async t => {
  const { options, server } = await target(t, echo)
  t.match(await send({ ...options, log: undefined }), { error: undefined })
  server.close()
  await once(server, 'close')
  await t.rejects(send({ ...options, log: undefined, retry: 1 }), { code: 'ECONNREFUSED' })
})

t.test('options are checked before anything is opened', async t => {
  for (const [options, message] of [
    [{ transforms: [] }, /^transforms must be a function/],
    [{ replyTransforms: {} }, /^replyTransforms must be a function/],
    [{ onEof: 'wait' }, /^onEof: wait is not allowed; expected half-close, keep or close$/],
    [{ onPeerEnd: 'wait' }, /^onPeerEnd: wait is not allowed; expected send or stop$/],
    [{ family: 5 }, /^family: 5 is not allowed; expected 4 or 6$/],
    [{ wait: -1 }, /^wait: -1 is not allowed/],
    [{ wait: Number.POSITIVE_INFINITY }, /^wait: Infinity is not allowed/],
    [{ connectTimeout: Number.NaN }, /^connectTimeout: NaN is not allowed/],
    [{ retry: 1.5 }, /^retry: 1.5 is not allowed; expected a whole number from 0$/],
    [{ retry: -1 }, /^retry: -1/],
    [{ maxRecord: 0 }, /^maxRecord: 0 is not allowed; expected a whole number from 1$/],
    [{ bind: 'unix:/x' }, /^bind: unix:\/x is not allowed/],
  ] as const)
    await t.rejects(send(options as unknown as SendOptions), { code: 'ERR_OPTION', message }, String(message))
  for (const options of [{ port: 70000 }, { to: 'nowhere' }, { bind: 'x:y' }, { path: '' }])
    await t.rejects(send(options), { code: 'ERR_ADDRESS' })
})

t.test('TLS: whom it trusts, and what goes wrong before anything is dialled', async t => {
  const accept = tlsAcceptor(serverContext(identity))
  let accepted = 0
  const { options, output } = await target(t, async raw => {
    accepted++
    const secure = await accept(raw).catch(() => undefined)
    if (secure) await echo(secure.socket)
  })
  const summary = await send({ ...options, tls: { ca: identity.cert } })
  t.match(summary, { bytesIn: 5, closedBy: 'local', tls: { protocol: 'TLSv1.3' } })
  t.equal(String(output.data), 'hello')
  const to = `tls://127.0.0.1:${options.port}`
  t.match(await send({ ...options, to, tls: { insecure: true }, from: bytes('x') }), { bytesIn: 1 })
  for (const tls of [undefined, true])
    await t.rejects(send({ ...options, to, tls, from: bytes('x') }), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  t.equal(accepted, 4)
  await t.rejects(send({ ...options, tls: { pin: 'x' } }), { code: 'ERR_OPTION' })
  await t.rejects(send({ ...options, pin: 'x' } as SendOptions), {
    code: 'ERR_OPTION',
    message: 'pin belongs in tls',
  })
  await t.rejects(send({ ...options, handshakeTimeout: -1 }), { message: /^handshakeTimeout: -1/ })
  t.equal(accepted, 4)
})

t.test('idleTimeout and maxDuration', async t => {
  const { options } = await target(t, () => {})
  const silence = { ...options, from: silent() }
  await t.rejects(send({ ...silence, idleTimeout: 20 }), { code: 'ERR_TIMEOUT', message: /^idle/ })
  await t.rejects(send({ ...options, from: bytes('x'), idleTimeout: 20 }), {
    code: 'ERR_TIMEOUT',
    message: /^idle/,
  })
  await t.rejects(send({ ...options, from: silent(), maxDuration: 20 }), { code: 'ERR_TIMEOUT', message: /^duration/ })
})

t.test('from: whatever gives data', async t => {
  for (const [name, from] of [
    ['a string', 'data'],
    ['bytes', Buffer.from('data')],
    ['an array', ['da', 'ta']],
    [
      'a generator',
      (function* () {
        yield 'data'
      })(),
    ],
    ['a Web stream', new Blob(['data']).stream()],
    ['a Blob', new Blob(['data'])],
  ] as [string, SendOptions['from']][]) {
    const { options, output } = await target(t, echo)
    await send({ ...options, from })
    t.equal(String(output.data), 'data', name)
  }
})

t.test('from and output are checked before anything is opened', async t => {
  const { options, server } = await target(t, echo)
  server.on('connection', () => t.fail('it was opened'))
  const { writable, readable } = new TransformStream()
  writable.getWriter()
  readable.getReader()
  for (const [more, message] of [
    [{ from: 5 }, /^from: a number is not allowed; expected a stream, an iterable, a Blob, bytes or a string$/],
    [{ from: readable }, /^from: the ReadableStream is locked to another reader$/],
    [{ output: 5 }, /^output: a number is not allowed; expected a Writable, a WritableStream or an address$/],
    [{ output: writable }, /^output: the WritableStream is locked to another writer$/],
  ] as const)
    await t.rejects(send({ ...options, ...(more as object) }), { code: 'ERR_OPTION', message })
  const unused = new Blob(['x']).stream()
  await t.rejects(send({ ...options, from: unused, output: 5 as never }), { code: 'ERR_OPTION' })
  t.notOk(unused.locked, 'what was not taken can be used')
})

t.test('from: one that is not used is let go', async t => {
  let reason: unknown
  const from = () =>
    new ReadableStream({
      cancel(given) {
        reason = given ?? 'no reason'
      },
    })
  await t.rejects(send({ port: 1, from: from() }), { code: 'ECONNREFUSED' })
  await until(() => reason === 'no reason')
  const { options } = await target(t, socket => void socket.once('data', () => socket.resetAndDestroy()))
  const error = await send({ ...options, from: from(), maxDuration: 20 }).catch(error => error)
  await until(() => reason === error)
})

t.test('output: a Web stream, which its owner goes on with', async t => {
  let text = ''
  const output = new WritableStream({
    write(chunk) {
      text += Buffer.from(chunk)
    },
  })
  const { options } = await target(t, echo)
  for (const from of ['one ', 'two ']) await send({ ...options, from, output })
  t.notOk(output.locked)
  await output.getWriter().write(Buffer.from('three'))
  t.equal(text, 'one two three')
  const boom = new Error('boom')
  const failing = new WritableStream({
    write() {
      throw boom
    },
  })
  t.equal(await send({ ...options, from: 'x', output: failing }).catch(error => error), boom)
})

t.test('a signal is heeded whenever it is aborted', async t => {
  const server = await serve({ listen: 'memory:aborts', to: memorySink() })
  t.teardown(() => server.close({ drain: 0 }))
  for (let turns = 0; turns < 20; turns++) {
    const controller = new AbortController()
    const sent = send({ to: 'memory:aborts', from: silent(), output: memorySink(), signal: controller.signal })
    for (let turn = 0; turn < turns; turn++) await null
    controller.abort()
    await t.rejects(sent, { name: 'AbortError' }, `after ${turns} turns`)
  }
})

t.test('onConnect that throws fails the connection', async t => {
  const { options, server } = await target(t, socket => void socket.resume())
  const accepted = once(server, 'connection')
  const from = silent()
  const onConnect = () => {
    throw new Error('not this one')
  }
  const error = await send({ ...options, from, onConnect }).catch(error => error)
  t.match(error, { message: 'not this one', summary: { closedBy: 'error' } })
  t.ok(isSendError(error))
  t.notOk(isSendError(new Error('not connected')))
  const [socket] = (await accepted) as [Socket]
  if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
  t.ok(from.destroyed)
})

t.test('the figures of strings are their bytes in UTF-8', async t => {
  const { options } = await target(t, echo)
  const { directions } = await send({ ...options, from: Readable.from(['ééé']) })
  t.match(
    directions.find(({ direction }) => direction === 'forward'),
    { bytesIn: 6, bytesOut: 6 },
  )
})

t.test('the output may be an address that can be written to', async t => {
  const { options } = await target(t, echo)
  const path = join(t.testdir(), 'reply')
  await send({ ...options, from: Readable.from(['hello']), output: `file:${path}` })
  t.equal(readFileSync(path, 'utf8'), 'hello')
  const from = silent()
  const error = await send({ ...options, from, output: 'gopher://host:70' }).catch(error => error)
  t.match(error, { code: 'ERR_ADDRESS', message: /'gopher:\/\/host:70' is not an address/ })
})

t.test('what fails between the connect and the connection leaves nothing open (G-41)', async t => {
  const { options, server } = await target(t, socket => void socket.resume())
  const accepted = once(server, 'connection')
  const { log } = recorder()
  const child = () => {
    throw new Error('no logger')
  }
  const from = silent()
  const broken = Object.assign(Object.create(log), { child })
  await t.rejects(send({ ...options, from, log: broken }), { message: 'no logger' })
  const [socket] = (await accepted) as [Socket]
  if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
  t.ok(from.destroyed)
})

t.test('onConnect may return a promise; if that rejects, the connection fails (G-41)', async t => {
  const { options } = await target(t, socket => void socket.resume())
  const from = silent()
  const onConnect = async () => {
    throw new Error('not this one')
  }
  const error = await send({ ...options, from, onConnect }).catch(error => error)
  t.match(error, { message: 'not this one', summary: { closedBy: 'error' } })
})

t.test('a source is destroyed if the options of TLS are refused after it was opened (G-41)', async t => {
  const from = silent()
  await t.rejects(send({ to: '127.0.0.1:1', tls: { pin: 'nonsense' }, from }), { code: 'ERR_OPTION' })
  t.ok(from.destroyed)
})

t.test('a frozen error of the user is the cause of an error that has the summary', async t => {
  const server = await serve({ port: 0, to: () => new PassThrough().resume() })
  t.teardown(() => server.close({ drain: 0 }))
  for (const code of ['EOWN', undefined]) {
    const frozen = Object.freeze(Object.assign(new Error('frozen'), code && { code }))
    const from = () =>
      (async function* () {
        yield 'abc'
        throw frozen
      })()
    const error = await send({ port: server.address.port, from: from() }).catch(caught => caught)
    t.ok(isSendError(error))
    t.match(error, { message: 'frozen', cause: frozen, code, summary: { closedBy: 'error' } })
  }
})

t.test('what concerns reliable transfers needs one, and has its limits', async t => {
  for (const [name, value] of Object.entries({
    ...{ name: 'f', size: 1, mode: 0o644, mtime: 0, window: 1, giveUpAfter: 1, linkTimeout: 1, resumeKey: 'k' },
    links: transferLinks(),
  }))
    await t.rejects(send({ port: 1, from: 'x', [name]: value }), {
      code: 'ERR_OPTION',
      message: `${name} needs reliable: it concerns reliable transfers`,
    })
  for (const [options, message] of [
    [{ size: -1 }, 'size: -1 is not allowed; expected a number from 0'],
    [{ size: Number.NaN }, 'size: NaN is not allowed; expected a number from 0'],
    [{ mtime: Number.POSITIVE_INFINITY }, 'mtime: Infinity is not allowed; expected a number'],
    [{ name: 'ä'.repeat(2049) }, 'name: a text of 4098 bytes is not allowed; expected at most 4096'],
    [{ reliable: 'yes' as never }, /^reliable: 'yes' is not allowed/],
    [{ window: 0 }, /^window: 0 is not allowed/],
  ] as const)
    await t.rejects(send({ reliable: true, port: 1, from: 'x', ...options }), { code: 'ERR_OPTION', message })
})

t.test('with an address of sessions, or with reliable, send resolves with a receipt', async t => {
  const taken: string[] = []
  const server = await serve({
    reliable: true,
    port: 0,
    to: () =>
      new Writable({
        write(chunk, _encoding, callback) {
          taken.push(String(chunk))
          callback()
        },
      }),
  })
  t.teardown(() => server.close({ drain: 0 }))
  const { port } = server.address as { port: number }
  const output = () => new PassThrough().resume()
  t.match(await send({ reliable: true, port, from: 'one', output: output() }), { bytes: 3, reconnects: 0 })
  t.match(await send({ to: `reliable://127.0.0.1:${port}`, from: 'two', output: output() }), { bytes: 3 })
  t.same(taken, ['one', 'two'])
})

t.test('a source whose acknowledgements cannot be confirmed is released', async t => {
  const { options } = await target(t, socket => void socket.resume().end())
  const stream = new PassThrough({ autoDestroy: false })
  const failed = async () => {
    throw new Error('not confirmed')
  }
  const from: Source = Object.assign(stream, { acks: { kept() {}, settled: failed, onFull() {} } })
  stream.end('x')
  const { signal } = new AbortController()
  await t.rejects(send({ ...options, from, signal }), { message: 'not confirmed' })
  t.ok(stream.destroyed)
  t.same(getEventListeners(signal, 'abort'), [])
})
