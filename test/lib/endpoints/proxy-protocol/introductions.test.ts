import t from 'tap'
import type { Balancers } from '../../../../lib/endpoints/endpoint.js'
import { isFault, openIntroductions } from '../../../../lib/endpoints/proxy-protocol/introductions.js'
import { collect, socketPair } from '../../network.js'

const host = '127.0.0.1'
const header = 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'
const code = 'ERR_PROXY_PROTOCOL'

const balancers = (given: Partial<Balancers> = {}): Balancers => ({
  ...{ believes: remote => remote === host, timeout: 60_000, max: 10, refused: () => {} },
  ...given,
})

t.test('what follows a header is left, however it is cut; so is an end', async t => {
  for (const rest of ['', 'hello', 'x'.repeat(100_000)])
    for (const at of [0, 1, 20, header.length, header.length + 1]) {
      const [socket, client] = await socketPair(t)
      const reading = openIntroductions(balancers()).read(socket, host)
      const all = header + rest
      client.write(all.slice(0, at))
      await new Promise<void>(resolve => setImmediate(resolve))
      client.end(all.slice(at))
      t.match(await reading, { length: header.length, ends: { source: { address: '192.0.2.1' } } })
      t.equal(socket.readableFlowing, null, 'as it was')
      t.equal(String(await collect(socket)), rest)
    }
})

t.test('a header that comes with the end leaves both to the next reader', async t => {
  const [socket, client] = await socketPair(t)
  client.end(header)
  await openIntroductions(balancers()).read(socket, host)
  t.notOk(socket.readableEnded)
  t.equal(String(await collect(socket)), '')
})

t.test('no header, a part, none at all, too late: each is told', async t => {
  for (const [send, message, timeout] of [
    ['GET / HTTP/1.0\r\n', /begins with 'GET/],
    ['PROXY TCP4 nonsense\r\n', /names no client/],
    ['x'.repeat(10_000), /begins with 'xxx/],
    [`PROXY ${'x'.repeat(10_000)}`, /longer than 107/],
    ['PROXY TCP4 ', /^no header in 50ms$/, 50],
    ['', /^no header in 50ms$/, 50],
  ] as [string, RegExp, number?][]) {
    const [socket, client] = await socketPair(t)
    client.write(send)
    await t.rejects(openIntroductions(balancers(timeout ? { timeout } : {})).read(socket, host), { code, message })
  }
  for (const leave of ['end', 'resetAndDestroy'] as const) {
    const [socket, client] = await socketPair(t)
    const reading = openIntroductions(balancers()).read(socket, host)
    client.write('PROXY', () => client[leave]())
    await t.rejects(reading, { code, message: 'the connection has ended before its header' })
  }
})

t.test('a socket that breaks is told as one that has ended', async t => {
  const [socket] = await socketPair(t)
  const reading = openIntroductions(balancers()).read(socket, host)
  socket.destroy(new Error('broken'))
  await t.rejects(reading, { code, message: 'the connection has ended before its header' })
})

t.test('who is not believed is not read', async t => {
  const [socket, client] = await socketPair(t)
  client.write(header)
  const message = 'proxyProtocol does not list 10.0.0.1'
  await t.rejects(openIntroductions(balancers()).read(socket, '10.0.0.1'), { code, message })
  t.equal(socket.listenerCount('readable'), 0)
})

t.test('so many are awaited, and no more; one that has come makes room', async t => {
  const introductions = openIntroductions(balancers({ max: 1 }))
  const [[first, client], [second]] = [await socketPair(t), await socketPair(t)]
  const reading = introductions.read(first, host)
  await t.rejects(introductions.read(second, host), { code, message: '1 clients are awaited already' })
  client.write(header)
  await reading
  const third = introductions.read(second, host)
  introductions.end()
  await t.rejects(third, { code: 'ERR_CLOSED' })
})

t.test('the end ends what is awaited, and what has come in the same moment', async t => {
  const introductions = openIntroductions(balancers())
  const [socket, client] = await socketPair(t)
  const reading = introductions.read(socket, host).catch(error => error)
  socket.once('readable', () => introductions.end()) // after the header was read
  client.write(header)
  const error = await reading
  t.match(error, { code: 'ERR_CLOSED' })
  t.notOk(isFault(error), 'a stop is no fault of the client')
})
