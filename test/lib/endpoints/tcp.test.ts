import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import t, { type Test } from 'tap'
import { dial, listen, tcpSink } from '../../../lib/endpoints/tcp.js'
import { tlsAcceptor } from '../../../lib/endpoints/tls/handshake.js'
import { clientContext, serverContext } from '../../../lib/endpoints/tls/secure-context.js'
import { errorMessage } from '../../../lib/text/errors.js'
import { endless, failOnWarning, handles, listener, outcome, portOf, socketPath, until } from '../network.js'
import { identity } from '../tls.js'

const host = '127.0.0.1'

/** A listener that never accepts and whose backlog is full: what dials it gets no answer. */
async function blackHole(t: Test): Promise<number> {
  const code = `
    import socket, sys, time
    s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(0)
    print(s.getsockname()[1], flush=True); sys.stdin.read()`
  const { spawn } = await import('node:child_process')
  const child = spawn('python3', ['-c', code.replace(/^ {4}/gm, '')], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill())
  const port = Number(String((await once(child.stdout, 'data'))[0]))
  const full = Array.from({ length: 3 }, () => connect(port, host).on('error', () => {}))
  t.teardown(() => full.forEach(socket => void socket.destroy()))
  await once(full[0] as Socket, 'connect')
  return port
}

t.test('listen', async t => {
  const server = await listen({ host, port: 0 })
  t.teardown(() => server.close())
  const { address, family, port } = server.address() as AddressInfo
  t.same([address, family], [host, 'IPv4'])
  t.ok(port > 0, 'the system has chosen')
  await t.rejects(listen({ host, port }), { code: 'EADDRINUSE', message: new RegExp(`EADDRINUSE.*${host}:${port}`) })
  await t.rejects(listen({ host: '192.0.2.1', port: 0 }), { code: 'EADDRNOTAVAIL' })
})

t.test('listen on a unix socket', async t => {
  const path = socketPath(t)
  const server = await listen({ path })
  server.on('connection', socket => socket.destroy())
  await t.rejects(listen({ path }), { code: 'EADDRINUSE' }, 'a live one')
  await t.rejects(listen({ path: join(t.testdir({ file: '' }), 'file') }), { code: 'ERR_ADDRESS' }, 'a regular file')
  server.close()
  await once(server, 'close')
  const again = await listen({ path })
  t.teardown(() => again.close())
  t.equal(again.address(), path)
})

t.test('accepted and dialled sockets allow half-open', async t => {
  const server = await listen({ host, port: 0 })
  t.teardown(() => server.close())
  const [socket, [accepted]] = await Promise.all([dial({ host, port: portOf(server) }), once(server, 'connection')])
  t.teardown(() => socket.destroy())
  t.teardown(() => accepted.destroy())
  t.ok(socket.allowHalfOpen)
  t.ok(accepted.allowHalfOpen)
})

t.test('dial: refused', async t => {
  const server = await listener(t, () => {})
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  await t.rejects(dial({ host, port }), { code: 'ECONNREFUSED', message: new RegExp(`${host}:${port}`) })
  await t.rejects(dial({ path: socketPath(t) }), { code: 'ENOENT' })
  const several = await dial({ host: 'localhost', port }).catch(error => error)
  t.match(errorMessage(several), /ECONNREFUSED/, 'also of several addresses the message is not empty')
  await t.rejects(dial({ host: 'localhost', port }, { family: 4 }), { code: 'ECONNREFUSED', message: /127\.0\.0\.1/ })
  await until(() => !('TCPSocketWrap' in handles()))
})

t.test('dial: bind', async t => {
  const server = await listener(t, socket => void socket.end(String(socket.remoteAddress)))
  const socket = await dial({ host, port: portOf(server) }, { bind: { host: '127.0.0.9', port: 0 }, connectTimeout: 0 })
  t.equal(String((await outcome(socket.end())).data), '127.0.0.9')
  const elsewhere = dial({ host, port: portOf(server) }, { bind: { host: '192.0.2.1', port: 0 } })
  await t.rejects(elsewhere, { code: 'EADDRNOTAVAIL' })
})

t.test('dial: no answer', async t => {
  const port = await blackHole(t)
  const address = { host, port }
  await t.rejects(dial(address, { connectTimeout: 50 }), {
    code: 'ERR_TIMEOUT',
    message: `connect timeout: no answer from ${host}:${port} in 50ms`,
  })
  const controller = new AbortController()
  const dialled = dial(address, { connectTimeout: 0, signal: controller.signal, retry: 3 })
  controller.abort(new Error('enough'))
  await t.rejects(dialled, { name: 'AbortError' })
  await t.rejects(dial(address, { signal: controller.signal }), { name: 'AbortError' }, 'aborted before')
})

t.test('dial: retry', async t => {
  const path = socketPath(t)
  const told: [string | undefined, number][] = []
  const onRetry = (error: unknown, wait: number) => {
    told.push([(error as NodeJS.ErrnoException).code, wait])
    if (told.length === 2) void listener(t, () => {}, path)
  }
  const socket = await dial({ path }, { retry: 3, onRetry })
  t.teardown(() => socket.destroy())
  t.same(
    told.map(([code]) => code),
    ['ENOENT', 'ENOENT'],
  )
  const [first, second] = told.map(([, wait]) => wait) as [number, number]
  t.ok(first >= 50 && first <= 100, `${first} ms`)
  t.ok(second >= 100 && second <= 200, `${second} ms`)
})

t.test('dial: retries run out, or are aborted', async t => {
  const path = socketPath(t)
  let attempts = 0
  await t.rejects(dial({ path }, { retry: 1, onRetry: () => attempts++ }), { code: 'ENOENT' })
  t.equal(attempts, 1)
  const controller = new AbortController()
  const onRetry = () => setImmediate(() => controller.abort())
  await t.rejects(dial({ path }, { retry: 5, signal: controller.signal, onRetry }), { name: 'AbortError' })
})

async function sinkTo(t: Test, work: (socket: Socket) => void) {
  const server = await listener(t, work)
  const sink = await tcpSink({ host, port: portOf(server) }, {})
  t.teardown(() => sink.destroy())
  return { sink, name: `${host}:${portOf(server)}` }
}

t.test('tcpSink finishes when the other end has ended, and counts what that one answers', async t => {
  failOnWarning(t)
  const order: string[] = []
  const { sink, name } = await sinkTo(t, async socket => {
    socket.write('12345')
    const received = outcome(socket)
    await once(socket, 'end')
    setTimeout(() => {
      order.push('ended')
      socket.end('67')
    }, 20)
    order.push(String((await received).data))
  })
  sink.write('hello ')
  sink.end('world')
  await finished(sink)
  order.push('finish')
  await until(() => order.length === 3)
  t.equal(order[0], 'ended')
  t.ok(order.includes('hello world'))
  t.same(sink.report?.(), { to: name, answered: 7 })
  await until(() => !('TCPSocketWrap' in handles()))
})

t.test('tcpSink: a target that ends first goes on being written to', async t => {
  let received: Promise<{ data: Buffer }> | undefined
  const { sink } = await sinkTo(t, socket => {
    received = outcome(socket)
    socket.end()
  })
  await new Promise(resolve => sink.write('a', resolve))
  await new Promise(resolve => setTimeout(resolve, 20))
  await new Promise(resolve => sink.write('b', resolve))
  sink.end('c')
  await finished(sink)
  t.equal(String((await received)?.data), 'abc')
})

t.test('tcpSink: a target that resets', async t => {
  const { sink } = await sinkTo(t, socket => void socket.once('data', () => socket.resetAndDestroy()))
  t.match(await pipeline(endless(), sink).catch(error => error.code), /ECONNRESET|EPIPE/)
  t.ok(sink.destroyed)
})

t.test('tcpSink: a target whose reset comes together with its answer', async t => {
  const { sink } = await sinkTo(t, socket => {
    socket.once('data', () => socket.write('x', () => void socket.resetAndDestroy()))
  })
  sink.write('request')
  await t.rejects(finished(sink), { code: 'ECONNRESET' })
})

t.test('tcpSink: destroyed with an error it resets, without one it closes', async t => {
  for (const error of [new Error('ours'), undefined]) {
    let seen: ReturnType<typeof outcome> | undefined
    let received = false
    const { sink } = await sinkTo(t, socket => {
      seen = outcome(socket)
      socket.once('data', () => {
        received = true
      })
    })
    sink.on('error', () => {})
    await new Promise(resolve => (sink as Writable).write('x', resolve))
    await until(() => received) // libuv reports data and a reset in one event as an end
    sink.destroy(error)
    if (error) t.equal((await seen)?.code, 'ECONNRESET')
    else await until(() => sink.closed)
  }
})

t.test('dial: TLS, where the address says so', async t => {
  const accept = tlsAcceptor(serverContext(identity))
  const server = await listener(t, async raw => {
    const socket = await accept(raw).catch(() => undefined)
    socket?.pipe(socket)
  })
  const to = { host, port: portOf(server), tls: true } as const
  const socket = await dial(to, { tls: clientContext({ ca: identity.cert }) })
  const echoed = outcome(socket)
  socket.end('hello')
  t.match(await echoed, { data: Buffer.from('hello'), ended: true })
  await t.rejects(dial(to, { tls: clientContext({}), retry: 3 }), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })

  const sink = await tcpSink(to, { tls: clientContext({ ca: identity.cert }) })
  sink.end('one way')
  await finished(sink)
  t.same(sink.report?.(), { to: `tls://${host}:${to.port}`, answered: 7 })
})
