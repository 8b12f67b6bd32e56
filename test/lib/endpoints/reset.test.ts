import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, Server, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import t from 'tap'
import { isResting, lendReads } from '../../../lib/endpoints/big-reads.js'
import {
  hasReadEnd,
  hiddenReset,
  resetError,
  resetOnDestroy,
  resetOnError,
  takesNothing,
} from '../../../lib/endpoints/reset.js'
import { needs } from '../../laws/support.js'
import { closed, collect, handles, memorySink, outcome, socketPair, unixPair, until } from '../network.js'
import { settled } from '../pipes.js'
import { tlsPair } from '../tls.js'

/** A client that reads only when it is told to, and tells a reset from an end in all cases: libuv takes both for an end. */
const reader = `
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
sys.stdin.readline()
try:
    while s.recv(65536): pass
    print('end')
except ConnectionResetError: print('reset')`

t.test('hasReadEnd: sockets that wait for their turn have read no end', async t => {
  const pairs = await Promise.all([socketPair(t), socketPair(t), socketPair(t)])
  const sockets = pairs.map(([socket]) => socket)
  const size = 16_000_000
  for (const [socket, peer] of pairs) {
    const sink = memorySink()
    lendReads(socket, sink)
    socket.pipe(sink)
    peer.write(Buffer.alloc(size))
  }
  let ends = 0
  let waits = 0
  while (sockets.some(socket => socket.bytesRead < size)) {
    waits += sockets.filter(isResting).length
    ends += sockets.filter(socket => hasReadEnd(socket)).length
    await setImmediate()
  }
  t.ok(waits > 0)
  t.equal(ends, 0)
})

t.test('resetOnError: a failure resets though we have ended, while data waits', needs('python3'), async t => {
  const server = new Server({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = spawn('python3', ['-c', reader, String((server.address() as { port: number }).port)])
  const [socket] = (await once(server, 'connection')) as [Socket]
  server.close()
  resetOnError(socket)
  const errors: Error[] = []
  socket.on('error', error => errors.push(error))
  socket.end(Buffer.alloc(20_000_000))
  await settled(() => socket.writableLength) // the kernel has taken what it can hold
  socket.destroy(new Error('ours'))
  socket.destroy(new Error('again'))
  await closed(socket)
  t.match(errors, [{ message: 'ours' }])
  t.equal(errors.length, 1)
  client.stdin.end('\n')
  t.equal(String(await collect(client.stdout)).trim(), 'reset', 'a part is never taken for the whole')
  await until(() => !('TCPSocketWrap' in handles()))
})

t.test(
  'resetOnError: what was just written arrives first, so that every peer can tell the reset from an end (G-50)',
  async t => {
    for (const side of ['TCP', 'TLS'] as const) {
      const pair = side === 'TLS' ? await tlsPair(t) : undefined
      const [socket, client] = pair ? [pair.server, pair.client] : await socketPair(t)
      resetOnError(socket)
      const errors: Error[] = []
      socket.on('error', error => errors.push(error))
      const failure = once(client, 'error')
      const ended = once(client, 'end').then(
        () => 'end',
        () => 'reset',
      )
      let text = ''
      client.on('data', chunk => {
        text += chunk
      })
      socket.write('x')
      socket.destroy(new Error('ours'))
      socket.destroy(new Error('again'))
      socket.destroy()
      socket.end() // no end precedes the reset
      t.match(await failure, [{ code: 'ECONNRESET' }], side)
      t.equal(await ended, 'reset')
      t.equal(text, 'x')
      await closed(socket)
      t.match(errors, [{ message: 'ours' }])
      t.equal(errors.length, 1)
    }
    await until(() => !('TCPSocketWrap' in handles()))
  },
)

t.test('hiddenReset: no reset is found where there is none', async t => {
  const [socket, client] = await socketPair(t)
  t.equal(hiddenReset(socket), undefined, 'nothing has come')
  client.end()
  await collect(socket)
  t.equal(hiddenReset(socket), undefined, 'a clean end')
  socket.destroy()
  t.equal(hiddenReset(socket), undefined, 'no descriptor')
})

t.test('takesNothing: a peer that has closed its socket is told from one that has half-closed (G-46)', async t => {
  const [socket, client] = await socketPair(t)
  socket.on('error', () => {})
  client.end()
  await collect(socket)
  t.notOk(takesNothing(socket), 'a half-close')
  client.destroy()
  socket.write('to nobody') // the kernel of the peer answers with a reset
  await until(() => takesNothing(socket))
  socket.destroy()
  t.notOk(takesNothing(socket), 'no descriptor')
})

t.test('resetOnError: a peer that has reset the connection is not waited for (G-50)', async t => {
  for (const isGone of [true, false]) {
    const [socket, client] = await socketPair(t)
    resetOnError(socket)
    socket.on('error', () => {})
    client.resume()
    await new Promise(resolve => socket.write('x', resolve))
    if (isGone) client.resetAndDestroy()
    if (isGone) await until(() => takesNothing(socket) || socket.destroyed)
    socket.destroy(new Error('ours'))
    t.equal(socket.destroyed, isGone)
    await closed(socket)
  }
})

t.test('resetOnError: an error behind our FIN is told once, and leaves no socket', async t => {
  for (const wait of [false, true]) {
    const [socket, client] = await socketPair(t)
    resetOnError(socket)
    const errors: Error[] = []
    socket.on('error', error => errors.push(error))
    client.resume()
    socket.end()
    if (wait) await once(socket, 'finish')
    else await new Promise(resolve => process.nextTick(resolve))
    socket.destroy(new Error('ours'))
    await closed(socket)
    t.match(errors, [{ message: 'ours' }])
    t.equal(errors.length, 1)
    client.destroy()
  }
  await until(() => !('TCPSocketWrap' in handles()))
})

t.test('resetOnError: a socket that has its own destroy keeps it, and twice is once', async t => {
  const [socket, peer] = await socketPair(t)
  const { destroy } = socket
  const given: (Error | undefined)[] = []
  socket.on('error', () => {})
  socket.destroy = error => {
    given.push(error)
    return destroy.call(socket, error)
  }
  resetOnError(socket)
  resetOnError(socket)
  const seen = outcome(peer)
  socket.destroy(new Error('ours'))
  t.match(await seen, { ended: false, code: 'ECONNRESET' })
  t.match(given, [{ message: 'ours' }])
})

t.test('resetOnError: without an error it is an end, and the reset of a peer keeps its error', async t => {
  const [one, other] = await socketPair(t)
  resetOnError(one)
  one.destroy()
  await collect(other)
  t.notOk(other.errored, 'an end')
  const [socket, client] = await socketPair(t)
  resetOnError(socket)
  client.resetAndDestroy()
  const [error] = await once(socket.resume(), 'error')
  t.equal(error.code, 'ECONNRESET')
})

t.test('resetOnError: the reset of a peer has one text, however it is found (G-28)', async t => {
  const message = 'the peer has reset the connection'
  for (const [code, syscall] of [
    ['ECONNRESET', 'read'],
    ['ECONNRESET', 'write'],
    ['EPIPE', 'write'],
  ] as const) {
    const [socket] = await socketPair(t)
    resetOnError(socket)
    const found = Object.assign(new Error(`${syscall} ${code}`), { code, syscall })
    const seen = once(socket, 'error')
    socket.destroy(found)
    t.match(await seen, [{ message, code, syscall, cause: found }])
  }
  const [reading, peer] = await socketPair(t)
  resetOnError(reading)
  const read = once(reading.resume(), 'error')
  peer.resetAndDestroy()
  t.match(await read, [{ message, code: 'ECONNRESET' }])
  const [kept] = await socketPair(t)
  resetOnError(kept)
  const own = Object.assign(new Error('ours'), { code: 'ECONNRESET' })
  const seen = once(kept, 'error')
  kept.destroy(own)
  t.same(await seen, [own], 'an error of our own stays')
  t.match(resetError('EPIPE', 'write'), { message, code: 'EPIPE', syscall: 'write' })
})

t.test('resetOnError: a socket that is connecting is closed with the error', async t => {
  const server = new Server().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1')
  resetOnError(socket)
  server.on('connection', accepted =>
    accepted
      .on('error', () => {})
      .resume()
      .destroy(),
  )
  const error = once(socket, 'error')
  socket.destroy(new Error('ours'))
  t.match(await error.catch(reason => [reason]), [{ message: 'ours' }])
  server.close()
  await until(() => !('TCPSocketWrap' in handles()))
})

t.test('hiddenReset: a reset that has come together with data is found', async t => {
  const [socket, client] = await socketPair(t)
  await new Promise<void>(resolve => client.write('x', () => resolve(void client.resetAndDestroy())))
  const seen = new Promise<Error | undefined>(resolve => {
    socket.on('end', () => resolve(hiddenReset(socket)))
    socket.on('error', resolve) // a libuv that tells it by itself
  })
  socket.resume()
  t.match(await seen, { code: 'ECONNRESET' })
})

t.test('the socket below TLS is the one that is reset, and whose reset is looked for', async t => {
  for (const side of ['server', 'client'] as const) {
    const pair = await tlsPair(t)
    const [failing, other] = side === 'server' ? [pair.server, pair.client] : [pair.client, pair.server]
    resetOnError(failing)
    const errors: Error[] = []
    failing.on('error', error => errors.push(error))
    const seen = once(other.resume(), 'error')
    failing.end(Buffer.alloc(5_000_000))
    failing.destroy(new Error('ours'))
    t.match(await seen, [{ code: 'ECONNRESET' }])
    t.match(errors, [{ message: 'ours' }])
  }
  const { server, clientRaw } = await tlsPair(t, { server: { ignoreUnexpectedEof: true } })
  t.equal(hiddenReset(server), undefined, 'nothing has come')
  const over = new Promise<Error | undefined>(resolve => {
    server.on('end', () => resolve(hiddenReset(server)))
    server.on('error', resolve)
  })
  server.resume()
  clientRaw.resetAndDestroy()
  t.match(await over, { code: 'ECONNRESET' })
  await until(() => !('TCPSocketWrap' in handles()))
})

t.test('resetOnDestroy: any destroy is a reset, until that is taken back', async t => {
  const [socket, client] = await socketPair(t)
  resetOnDestroy(socket)
  socket.destroy()
  t.match(await once(client.resume(), 'error'), [{ code: 'ECONNRESET' }])
  const [kept, peer] = await socketPair(t)
  resetOnDestroy(kept)()
  kept.destroy()
  t.equal((await collect(peer)).length, 0, 'an end')
  const [unix, other] = await unixPair(t)
  resetOnDestroy(unix)
  unix.destroy()
  t.equal((await collect(other)).length, 0, 'there is no reset')
})

t.test(
  'resetOnDestroy: while the end of TLS is under way, the socket below is closed, not left open (G-25)',
  async t => {
    const [raw, client] = await socketPair(t)
    const errors: Error[] = []
    raw.on('error', error => errors.push(error))
    raw.allowHalfOpen = false // TLS answers an end
    const secure = new TLSSocket(raw, { isServer: true }).on('error', () => {})
    resetOnDestroy(raw, () => !hasReadEnd(raw))
    const { _final } = secure
    secure._final = callback => {
      _final.call(secure, callback)
      raw.destroy()
    }
    client.end()
    await closed(raw)
    t.same(errors, [])
    await until(() => !('TCPSocketWrap' in handles()))
  },
)

t.test('hasReadEnd: only behind an end', async t => {
  const [socket, client] = await socketPair(t)
  t.notOk(hasReadEnd(socket), 'nothing is read')
  socket.resume()
  await setImmediate()
  t.notOk(hasReadEnd(socket))
  client.end()
  await once(socket, 'end')
  t.ok(hasReadEnd(socket))
  socket.destroy()
  t.notOk(hasReadEnd(socket), 'it is closed')
})
