import { execFileSync } from 'node:child_process'
import dns from 'node:dns'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { Server, Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { Balancers } from '../../../lib/endpoints/endpoint.js'
import { dialSocket, listenForSockets, type SocketArrival, socketLeg } from '../../../lib/endpoints/socket.js'
import { errorMessage } from '../../../lib/text/errors.js'
import {
  clientOf,
  closed,
  collect,
  handles,
  listener,
  memorySink,
  outcome,
  portOf,
  received,
  silentPort,
  slowServer,
  socketPair,
  socketPath,
  unixPair,
  until,
} from '../network.js'

const host = '127.0.0.1'
const ipv4 = (address: string) => ({ address, family: 4 })

/** Listens until the end of the test; the arrivals, in their order. */
async function arrivalsAt(t: Test, address: Parameters<typeof listenForSockets>[0], balancers?: Balancers) {
  const arrivals: SocketArrival[] = []
  let arrived = () => {}
  const server = await listenForSockets(
    address,
    arrival => {
      t.teardown(() => arrival.socket.destroy())
      arrivals.push(arrival)
      arrived()
    },
    balancers,
  )
  t.teardown(() => void server.close())
  const next = async () => {
    if (arrivals.length === 0)
      await new Promise<void>(resolve => {
        arrived = resolve
      })
    return arrivals.shift() as SocketArrival
  }
  return { server, next, arrivals }
}

t.test('listening: the port is the chosen one, and what cannot be bound is told with its address', async t => {
  const { server } = await arrivalsAt(t, { host, port: 0 })
  const { address, family, port } = server.bound
  t.same([address, family], [host, 'IPv4'])
  t.ok(port > 0, 'the system has chosen')
  const listen = (where: Parameters<typeof listenForSockets>[0]) => listenForSockets(where, () => {})
  await t.rejects(listen({ host, port }), { code: 'EADDRINUSE', message: new RegExp(`EADDRINUSE.*${host}:${port}`) })
  await t.rejects(listen({ host: '192.0.2.1', port: 0 }), { code: 'EADDRNOTAVAIL' })
  const path = socketPath(t)
  const unix = await arrivalsAt(t, { path })
  t.same(unix.server.bound, { address: path, family: 'unix', port: 0 })
  await t.rejects(listen({ path }), { code: 'EADDRINUSE', message: new RegExp(path) })
})

t.test('listening: thousands of clients may wait to be accepted', async t => {
  const asked: unknown[] = []
  const { listen } = Server.prototype
  t.intercept(Server.prototype, 'listen', {
    value(this: Server, options: object) {
      asked.push(options)
      return listen.call(this, options)
    },
  })
  for (const address of [
    { scheme: 'tcp', host, port: 0 },
    { scheme: 'unix', path: socketPath(t) },
  ] as const) {
    const { close } = await listenForSockets(address, () => {})
    await close()
  }
  t.match(asked, [{ backlog: 4096 }, { backlog: 4096 }])
})

t.test('listening: the permissions of a unix socket (G-45)', async t => {
  for (const mode of [0o600, 0o666, 0]) {
    const path = socketPath(t)
    await arrivalsAt(t, { path, mode })
    t.equal(statSync(path).mode & 0o777, mode)
  }
  const path = socketPath(t)
  await t.rejects(
    listenForSockets({ path, mode: -1 }, () => {}),
    { code: 'ERR_OUT_OF_RANGE' },
  )
  t.notOk(existsSync(path), 'it listens no longer')
})

t.test('listening on IPv6 only (G-45)', async t => {
  for (const ipv6Only of [true, false]) {
    const { server } = await arrivalsAt(t, { host: '::', port: 0, ipv6Only })
    const [error] = await once(clientOf(t, server.bound), ipv6Only ? 'error' : 'connect')
    t.equal(error?.code, ipv6Only ? 'ECONNREFUSED' : undefined)
  }
})

t.test('a listener that is closed takes no more, and waits for what it has accepted', async t => {
  const { server, next } = await arrivalsAt(t, { host, port: 0 })
  const client = clientOf(t, server.bound)
  const { stream } = (await next()).open()
  const closing = server.close().then(() => stream.destroyed)
  t.match(await outcome(clientOf(t, server.bound)), { code: 'ECONNREFUSED' })
  client.end()
  stream.resume().end()
  client.resume()
  t.equal(await closing, true)
})

t.test('behind a balancer an arrival is what the header names; the header is none of its bytes', async t => {
  const refused: string[] = []
  const balancers: Balancers = {
    ...{ believes: remote => remote === host || remote === 'unix', timeout: 60_000, max: 1 },
    refused: (remote, error) => void refused.push(`${remote}: ${error.message}`),
  }
  for (const address of [{ host, port: 0 }, { path: socketPath(t) }]) {
    const { server, next } = await arrivalsAt(t, address, balancers)
    const dial = () => clientOf(t, 'path' in address ? address.path : server.bound)
    for (const [header, known] of [
      ['PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n', ['192.0.2.1', 1, { address: '192.0.2.2', port: 2 }]],
      ['PROXY UNKNOWN\r\n', undefined],
      [Buffer.concat([Buffer.from('0d0a0d0a000d0a515549540a213100d8', 'hex'), Buffer.alloc(216)]), ['unix', undefined]],
    ] as const) {
      const client = dial()
      client.write(header)
      client.end('12345')
      const arrival = await next()
      const leg = arrival.open()
      t.match([arrival.remote, arrival.port], known ? known.slice(0, 2) : [arrival.socket.remoteAddress ?? 'unix'])
      t.equal(leg.remote, arrival.remote)
      t.same(leg.local, known?.[2] ?? socketLeg(arrival.socket).local)
      t.match(leg.facts, known ? { via: /^(127\.0\.0\.1:\d+|unix)$/ } : {})
      t.equal(String(await collect(leg.stream)), '12345')
      t.same([leg.bytes.in, leg.bytes.out], [5, 0])
      leg.stream.end()
    }
    const wrong = outcome(dial().end('GET / HTTP/1.0\r\n\r\n'))
    t.match(await wrong, 'path' in address ? {} : { ended: false, code: 'ECONNRESET' })
    t.match(refused.pop(), /^(127\.0\.0\.1|unix): no header of the PROXY protocol: it begins with 'GET/)
    const silent = dial()
    await once(silent, 'connect')
    await server.close()
    t.same(refused, [], 'a stop is no refusal')
  }
})

t.test('dialling: the preamble comes first, and is none of the bytes of the leg', async t => {
  const { server, next } = await arrivalsAt(t, { host, port: 0 })
  const preamble = Buffer.from('PROXY UNKNOWN\r\n')
  const { socket, peer } = await dialSocket({ host, port: server.bound.port }, { preamble })
  const leg = socketLeg(socket, peer)
  t.equal(leg.bytes.out, 0)
  socket.end('12345')
  t.equal(String(await collect((await next()).open().stream)), 'PROXY UNKNOWN\r\n12345')
  t.equal(leg.bytes.out, 5)
  socket.destroy()
})

t.test('dialling: onConnect is called when it has connected', async t => {
  const { server } = await arrivalsAt(t, { host, port: 0 })
  let calls = 0
  const { socket } = await dialSocket({ host, port: server.bound.port }, { onConnect: () => calls++ })
  socket.destroy()
  t.equal(calls, 1)
  const path = socketPath(t)
  await t.rejects(dialSocket({ path }, { onConnect: () => calls++ }), { code: 'ENOENT' })
  t.equal(calls, 1, 'not if it fails')
})

t.test('an arrival tells who it is, and is a leg when it is opened', async t => {
  for (const [listen, remote] of [
    [{ host, port: 0 }, host],
    [{ host: '::', port: 0 }, host],
    [{ path: socketPath(t) }, 'unix'],
  ] as const) {
    const { server, next } = await arrivalsAt(t, listen)
    const client = clientOf(t, 'path' in listen ? listen.path : server.bound)
    const arrival = await next()
    t.same([arrival.remote, arrival.port], [remote, client.localPort], JSON.stringify(listen))
    const leg = arrival.open()
    t.equal(leg.stream, arrival.socket)
    t.same([leg.remote, leg.port, leg.facts], [remote, client.localPort, {}])
    t.ok(leg.stream.allowHalfOpen)
  }
})

t.test('a client that is gone before it is accepted has no address', async t => {
  const { server, next } = await arrivalsAt(t, { host, port: 0 })
  const hit = `const s = require('net').connect(${server.bound.port}, '127.0.0.1', () => s.resetAndDestroy())`
  execFileSync(process.execPath, ['-e', hit])
  const arrival = await next()
  t.same([arrival.remote, arrival.port], ['unknown', undefined])
  arrival.refuse(new Error('no'))
  await closed(arrival.socket)
})

t.test('a client that is refused is reset, before anything is read', async t => {
  const { server, next } = await arrivalsAt(t, { host, port: 0 })
  const client = clientOf(t, server.bound)
  const seen = outcome(client)
  client.write('hello')
  const arrival = await next()
  arrival.refuse(new Error('no'))
  t.match(await seen, { ended: false, code: 'ECONNRESET' })
  await closed(arrival.socket)
  t.equal(arrival.socket.bytesRead, 0)
})

t.test('dialling: what cannot be reached is told with its address and its code', async t => {
  const server = await listener(t, () => {})
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  await t.rejects(dialSocket({ host, port }, {}), { code: 'ECONNREFUSED', message: new RegExp(`${host}:${port}`) })
  await t.rejects(dialSocket({ path: socketPath(t) }, {}), { code: 'ENOENT' })
  const several = await dialSocket({ host: 'localhost', port }, {}).catch(error => error)
  t.match(errorMessage(several), /ECONNREFUSED/, 'also of several addresses the message is not empty')
  const ofFamily = dialSocket({ host: 'localhost', port }, { family: 4 })
  await t.rejects(ofFamily, { code: 'ECONNREFUSED', message: /127\.0\.0\.1/ })
  await until(() => !('TCPSocketWrap' in handles()))
})

t.test('dialling a unix socket: its peer has no address', async t => {
  const path = socketPath(t)
  await listener(t, () => {}, path)
  const { socket, peer } = await dialSocket({ path }, {})
  t.same(peer, { remote: 'unix', port: undefined })
  socket.destroy()
})

t.test('dialling from an address of this host', async t => {
  const server = await listener(t, socket => void socket.end(String(socket.remoteAddress)))
  const to = { host, port: portOf(server) }
  const { socket } = await dialSocket(to, { bind: { host: '127.0.0.9', port: 0 }, connectTimeout: 0 })
  t.ok(socket.allowHalfOpen)
  t.equal(await received(socket.end()), '127.0.0.9')
  await t.rejects(dialSocket(to, { bind: { host: '192.0.2.1', port: 0 } }), { code: 'EADDRNOTAVAIL' })
})

t.test('dialling where nobody answers: until its time has passed, or it is aborted', async t => {
  const address = { host, port: await silentPort(t) }
  await t.rejects(dialSocket(address, { connectTimeout: 50 }), {
    code: 'ERR_TIMEOUT',
    timeout: 'connect',
    message: `connect timeout: no answer from ${host}:${address.port} in 50ms`,
  })
  const controller = new AbortController()
  const dialled = dialSocket(address, { connectTimeout: 0, signal: controller.signal, retry: 3 })
  controller.abort(new Error('enough'))
  await t.rejects(dialled, { name: 'AbortError', cause: { message: 'enough' } })
  await t.rejects(dialSocket(address, { signal: controller.signal }), { name: 'AbortError' }, 'aborted before')
})

t.test('dialling a unix socket, when its time has passed already', async t => {
  const path = socketPath(t)
  await listener(t, () => {}, path)
  t.intercept(globalThis, 'setTimeout', { value: (late: () => void) => void late() })
  const message = `connect timeout: no answer from ${path} in 1s`
  await t.rejects(dialSocket({ path }, { connectTimeout: 1000 }), { timeout: 'connect', message })
})

t.test('a name with several addresses has its whole time, and a lookup is part of it (G-22)', async t => {
  const server = await slowServer(t)
  t.intercept(dns.promises, 'lookup', { value: async () => ['127.0.0.1', '127.0.0.2'].map(ipv4) })
  const dialled = dialSocket({ host: 'multi.test', port: server.port }, {})
  await server.answerSoon()
  const { socket, peer } = await dialled
  t.same(peer, { remote: '127.0.0.1', port: server.port })
  socket.destroy()

  const lookup = t.intercept(dns.promises, 'lookup', { value: () => new Promise(() => {}) })
  await t.rejects(dialSocket({ host: 'multi.test', port: 1 }, { connectTimeout: 30 }), { code: 'ERR_TIMEOUT' })
  t.equal(lookup().length, 1)
})

t.test('a peer that has reset the connection already has the address that was dialled (G-23)', async t => {
  const server = await listener(t, () => {})
  const port = portOf(server)
  // Node's own way to ask the system, which knows no peer behind a reset
  t.intercept(Socket.prototype as Socket & { _getpeername?: unknown }, '_getpeername', { value: () => ({}) })
  const { socket, peer } = await dialSocket({ host, port }, {})
  const leg = socketLeg(socket, peer)
  t.same([leg.remote, leg.port], [host, port])
  socket.destroy()
})

t.test('a leg that is reset resets its socket; where the peer is one, it has failed', async t => {
  const [accepted, client] = await socketPair(t)
  const leg = socketLeg(accepted)
  const seen = outcome(client)
  leg.reset(new Error('ours'))
  t.match(await seen, { ended: false, code: 'ECONNRESET' })
  t.match(accepted.errored, { message: 'ours' })
})

t.test('isGone: whether the peer takes nothing any more (G-46)', async t => {
  const [socket, client] = await socketPair(t)
  const leg = socketLeg(socket)
  t.equal(leg.isGone?.(), false)
  client.resetAndDestroy()
  await until(() => leg.isGone?.() === true || socket.destroyed)
})

t.test('a reset that comes together with data is a failure, and no end', async t => {
  const [accepted, client] = await socketPair(t)
  const { stream } = socketLeg(accepted)
  await new Promise<void>(resolve => client.write('x', () => resolve(void client.resetAndDestroy())))
  t.match(await outcome(stream), { code: 'ECONNRESET' })
})

t.test('a leg has the address and the port of this side; a unix socket has none (G-44)', async t => {
  const [accepted] = await socketPair(t)
  t.same(socketLeg(accepted).local, { address: host, port: accepted.localPort })
  t.equal(socketLeg((await unixPair(t))[0]).local, undefined)
  const { server, next } = await arrivalsAt(t, { host: '::', port: 0 })
  clientOf(t, server.bound)
  t.same((await next()).open().local, { address: host, port: server.bound.port }, 'IPv4-mapped IPv6 is IPv4')
})

t.test('an end is an end', async t => {
  const [accepted, client] = await socketPair(t)
  const { stream } = socketLeg(accepted)
  client.end('x')
  t.equal(String(await collect(stream)), 'x')
  t.equal(stream.errored, null)
  t.notOk(stream.destroyed)
})

t.test('bytes out are those that the kernel has taken, and stay known when the socket is closed', async t => {
  for (const pair of [socketPair, unixPair]) {
    const [accepted, client] = await pair(t)
    const { bytes } = socketLeg(accepted)
    t.same([bytes.in, bytes.out], [0, 0])
    client.write('12345')
    await once(accepted, 'readable')
    t.equal(bytes.in, 5)
    const size = 20_000_000
    accepted.end(Buffer.alloc(size))
    await until(() => bytes.out > 0)
    t.ok(bytes.out < size, `${bytes.out} of what nobody has read`)
    t.equal(accepted.bytesWritten, size, 'Node counts what it holds itself')
    t.equal((await collect(client)).length, size)
    t.equal(bytes.out, size)
    client.end()
    accepted.resume()
    await closed(accepted)
    t.same([bytes.in, bytes.out], [5, size])
  }
})

t.test('bytes out of a carrier that does not tell what waits in it', async t => {
  const [socket] = await socketPair(t)
  const { bytes } = socketLeg(socket)
  Object.assign(socket, { _handle: { bytesWritten: 7 } })
  t.equal(bytes.out, 7)
})

t.test('a leg has the notice of its end that it is given', async t => {
  const [socket] = await socketPair(t)
  const notice = { acceptMissing: () => false, omit() {} }
  t.equal(socketLeg(socket, undefined, {}, notice).endNotice, notice)
})

t.test('a client that leaves while it waits for a decision is no failure of ours', async t => {
  const { server, next } = await arrivalsAt(t, { host, port: 0 })
  const client = clientOf(t, server.bound)
  const arrival = await next()
  arrival.hold?.()
  client.resetAndDestroy()
  await closed(arrival.socket)
  t.equal(arrival.socket.errored?.message, 'read ECONNRESET')
})

t.test('a leg lends, releases, and gives every byte', async t => {
  const [accepted, client] = await socketPair(t)
  const leg = socketLeg(accepted)
  t.equal(leg.releases, true)
  const sink = memorySink()
  leg.lend?.(sink)
  leg.stream.pipe(sink)
  client.end('every byte')
  await once(sink, 'finish')
  t.equal(String(sink.data), 'every byte')
  t.equal(leg.bytes.in, 10)
})
