import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { sizedStarts } from '../../../../lib/endpoints/tls/first-bytes.js'
import { tlsAcceptor } from '../../../../lib/endpoints/tls/handshake.js'
import { serverContext } from '../../../../lib/endpoints/tls/secure-context.js'
import { closed, collect, failOnWarning, socketPair } from '../../network.js'
import { identity, tlsPair } from '../../tls.js'

t.test('the first sockets start at once, the others with their first bytes; one that closes makes room', async t => {
  const [[first], [second, peer], [third]] = await Promise.all([socketPair(t), socketPair(t), socketPair(t)])
  const whenSized = sizedStarts(1)
  const started: string[] = []
  const start = (socket: Socket, name: string) => whenSized(socket, () => started.push(name))
  start(first, 'first')
  start(second, 'second')
  t.same(started, ['first'])
  const spoken = once(second, 'readable')
  peer.write('x')
  await spoken
  t.same(started, ['first', 'second'])
  await once(first.destroy(), 'close')
  start(third, 'third')
  t.same(started, ['first', 'second', 'third'])
})

t.test('what has come is read in pieces that do not fill a small buffer, and then as ever', async t => {
  const [socket, peer] = await socketPair(t)
  const bytes = Buffer.from(Array.from({ length: 2500 }, (_, i) => i))
  peer.write(bytes)
  await once(socket, 'readable')
  const pieces: Buffer[] = []
  sizedStarts(0)(socket, () => {
    for (let piece = socket.read(); piece !== null; piece = socket.read()) pieces.push(piece)
  })
  t.same(
    pieces.map(({ length }) => length),
    [1000, 1000, 500],
  )
  t.same(Buffer.concat(pieces), bytes)
  await new Promise(setImmediate)
  peer.write(bytes)
  await once(socket, 'readable')
  t.equal(socket.read().length, bytes.length)
})

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(`${version}: every byte in both directions, and each end, behind a small hello and a large one`, async t => {
    failOnWarning(t)
    for (const alpn of [undefined, Array.from({ length: 400 }, (_, i) => `protocol-${i}`)]) {
      const pair = await tlsPair(t, {
        version,
        early: 0,
        server: { alpn: ['protocol-7'] },
        handshake: { ...(alpn && { alpn }) },
      })
      if (alpn) t.equal(pair.facts.server?.alpn, 'protocol-7')
      const data = Buffer.alloc(3_000_000, 'x')
      pair.client.end(data)
      t.equal((await collect(pair.server)).length, data.length)
      pair.server.end(data)
      t.equal((await collect(pair.client)).length, data.length)
      t.equal(pair.server.bytesRead, data.length)
      await Promise.all([pair.serverRaw, pair.clientRaw].map(raw => raw.closed || closed(raw)))
    }
  })
}

t.test('a client that ends or resets before its first byte, and one that says nothing', async t => {
  const accept = tlsAcceptor(serverContext(identity), sizedStarts(0))
  for (const leave of ['end', 'resetAndDestroy', 'pause'] as const) {
    const [socket, peer] = await socketPair(t)
    const shaken = accept(socket, { handshakeTimeout: leave === 'pause' ? 50 : 0 })
    peer[leave]()
    await t.rejects(shaken, { code: leave === 'pause' ? 'ERR_TIMEOUT' : 'ECONNRESET' }, leave)
    await closed(socket)
  }
})
