import { once } from 'node:events'
import { statSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { TcpAddress } from '../../../lib/endpoints/tcp.js'
import type { UnixAddress } from '../../../lib/endpoints/unix.js'
import {
  foreignHost,
  type HttpOptions,
  httpUrl,
  isOurHost,
  listenForHttp,
  type Reach,
} from '../../../lib/http/listener.js'
import { clientOf, socketPath, until } from '../network.js'
import { ask, exchange } from '../ui/support.js'

type Answer = HttpOptions['answer']

const get = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'

const hello: Answer = async (_request, response) => void response.end('hello')

async function open(t: Test, answer: Answer = hello, host = '127.0.0.1', mostClients = 10) {
  const listener = await listenForHttp({ scheme: 'tcp', host, port: 0 } as TcpAddress, { mostClients, answer })
  t.teardown(() => listener.close())
  return { ...listener, port: listener.bound.port }
}

function openUnix(t: Test, path: string, answer: Answer = hello, mode?: number) {
  const address: UnixAddress = { scheme: 'unix', path, mode }
  return listenForHttp(address, { mostClients: 10, answer }).then(listener => {
    t.teardown(() => listener.close())
    return listener
  })
}

/** Whoever reads hears of the end, or of a reset. */
function gone(client: Socket): Promise<void> {
  return new Promise(resolve =>
    client
      .once('end', resolve)
      .once('close', () => resolve())
      .resume(),
  )
}

t.test('it answers, and says what can reach it', async t => {
  const seen: Reach[] = []
  const answer = async (_request: IncomingMessage, response: ServerResponse, reach: Reach) => {
    seen.push(reach)
    response.end('hello')
  }
  const { port, bound } = await open(t, answer)
  t.match(bound, { address: '127.0.0.1', family: 'IPv4', port: Number })
  const answered = await ask({ port }, '/')
  t.equal(String(answered.body), 'hello')
  t.equal(answered.headers.connection, 'close')
  for (const host of ['127.0.0.2', '0.0.0.0'])
    await ask({ host, port: (await open(t, answer, host)).port } as never, '/')
  const path = socketPath(t)
  t.same((await openUnix(t, path, answer)).bound, { address: path, family: 'unix', port: 0 })
  await ask({ socketPath: path }, '/')
  t.same(seen, ['loopback', 'loopback', 'network', 'unix'], 'the bound address counts, not the one that is dialled')
})

t.test('the same with IPv6', async t => {
  const seen: Reach[] = []
  for (const host of ['::1', '::', '::ffff:127.0.0.1']) {
    const opened = await open(
      t,
      async (_request, response, reach) => {
        seen.push(reach)
        response.end()
      },
      host,
    ).catch(error => t.comment(String(error)))
    if (!opened) return
    await ask({ host: host === '::1' ? host : '127.0.0.1', port: opened.port } as never, '/')
  }
  t.same(seen, ['loopback', 'network', 'loopback'])
})

t.test('one request of each connection is answered', async t => {
  let count = 0
  const { port } = await open(t, async (_request, response) => {
    await turn()
    response.end(`answer ${++count}`)
  })
  const text = await exchange(t, port, get + get + get)
  t.equal(text.match(/answer/g)?.length, 1)
  t.match(text, /^HTTP\/1.1 200.*answer 1$/s)
  t.equal(count, 1)
})

t.test('requests do not pile up behind an answer that does not end', async t => {
  const { port } = await open(t, async (_request, response) => void response.write('endless'))
  const socket = clientOf(t, { port })
  socket.resume()
  const isOver = gone(socket)
  socket.write(get)
  await once(socket, 'data')
  socket.write(get.repeat(500))
  socket.write(get.repeat(1000))
  await isOver
})

t.test('an answer that fails disconnects its client and no other', async t => {
  const { port } = await open(t, async ({ url }, response) => {
    if (url === '/fails') throw new Error('a mistake')
    response.end('fine')
  })
  await t.rejects(ask({ port }, '/fails'), { code: 'ECONNRESET' })
  t.equal((await ask({ port }, '/')).status, 200)
})

t.test('more clients than allowed: the oldest one makes room', async t => {
  const { port } = await open(t, hello, '127.0.0.1', 2)
  const clients = []
  for (let i = 0; i < 3; i++) {
    const client = clientOf(t, { port })
    await once(client, 'connect')
    clients.push(client)
  }
  const [first, ...others] = clients
  await gone(first as (typeof clients)[number])
  for (const client of others) {
    client.write(get)
    t.match(String((await once(client, 'data'))[0]), /200 OK/)
    await gone(client)
  }
  t.equal((await ask({ port }, '/')).status, 200, 'those that have left do not count')
})

t.test('clients that have asked nothing make room before those that wait for an answer', async t => {
  const { port } = await open(t, async (_request, response) => void response.write('endless'), '127.0.0.1', 3)
  const page = clientOf(t, { port })
  page.write(get)
  await once(page, 'data')
  const silent = Array.from({ length: 6 }, () => clientOf(t, { port }))
  await Promise.all(silent.slice(0, 4).map(gone))
  t.notOk(page.destroyed)
  for (const client of silent.slice(4)) client.write(get)
  await Promise.all(silent.slice(4).map(client => once(client, 'data')))
  const isOver = gone(page)
  await once(clientOf(t, { port }), 'connect')
  await isOver
})

t.test('an expectation that is unknown is ignored, and its requests do not pile up either', async t => {
  let count = 0
  const { port } = await open(t, async (_request, response) => {
    count++
    response.write('endless')
  })
  const socket = clientOf(t, { port })
  socket.resume()
  const isOver = gone(socket)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\n\r\n'.repeat(2000))
  await isOver
  t.equal(count, 1)
})

t.test('what is no HTTP, and what a client leaves unfinished', async t => {
  const read = async (request: IncomingMessage, response: ServerResponse) => {
    for await (const _chunk of request);
    response.end('all')
  }
  const { port } = await open(t, read)
  t.match(await exchange(t, port, 'what?\r\n\r\n'), /^HTTP\/1.1 400/)
  // What is still unread makes the end a reset, which can overtake the answer.
  t.match(await exchange(t, port, `GET / HTTP/1.1\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`), /^(HTTP\/1.1 431|$)/)
  const aborted = clientOf(t, { port })
  aborted.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc')
  await once(aborted, 'connect')
  aborted.resetAndDestroy()
  t.equal((await ask({ port }, '/', { method: 'POST', body: 'x' })).status, 200)
})

t.test('stop lets answers go on, close does not', async t => {
  const answers: ServerResponse[] = []
  const { port, stop, close } = await open(t, async (_request, response) => {
    response.write('begun')
    answers.push(response)
  })
  const [one, other] = [clientOf(t, { port }), clientOf(t, { port })]
  for (const client of [one, other]) client.on('data', () => {}).write(get)
  await until(() => answers.length === 2)
  stop()
  await t.rejects(ask({ port }, '/'), { code: 'ECONNREFUSED' })
  answers[0]?.end()
  await Promise.race([gone(one), gone(other)])
  const last = one.readableEnded ? other : one
  t.notOk(last.readableEnded)
  close()
  await gone(last)
})

t.test('a port in use', async t => {
  const { port } = await open(t)
  const again = listenForHttp({ scheme: 'tcp', host: '127.0.0.1', port } as TcpAddress, {
    mostClients: 1,
    answer: hello,
  })
  await t.rejects(again, { code: 'EADDRINUSE' })
})

t.test('unix sockets: a stale one is replaced, another file is not', async t => {
  const path = socketPath(t)
  await openUnix(t, path, hello, 0o600)
  t.equal(statSync(path).mode & 0o777, 0o600)
  await t.rejects(openUnix(t, path), { code: 'EADDRINUSE' })
  t.equal((await ask({ socketPath: path }, '/')).status, 200)
  const file = socketPath(t)
  writeFileSync(file, 'x')
  await t.rejects(openUnix(t, file), { code: 'ERR_ADDRESS' })
})

t.test('permissions that cannot be set', async t => {
  const path = socketPath(t)
  await t.rejects(openUnix(t, path, hello, Number.NaN))
  t.throws(() => statSync(path), { code: 'ENOENT' }, 'it does not listen any more')
})

t.test('a socket that fails fails nothing else', async t => {
  const { port } = await open(t)
  for (let i = 0; i < 5; i++) {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.resetAndDestroy()
  }
  t.equal((await ask({ port }, '/')).status, 200)
})

t.test('hosts that no page of the web can have', async t => {
  const isOurs = (host?: string) => isOurHost({ headers: { host } } as never)
  for (const host of ['localhost', 'LOCALHOST:80', '127.0.0.1:3098', '[::1]', '[::1]:80', '10.0.0.1', undefined])
    t.ok(isOurs(host), String(host))
  for (const host of [
    'example.org',
    'localhost.example.org',
    '127.0.0.1.example.org:80',
    '',
    ':80',
    '[localhost',
    'a b',
  ])
    t.notOk(isOurs(host), host)
  t.match(foreignHost, /IP address or localhost/)
})

t.test('URLs', async t => {
  t.equal(httpUrl({ address: '127.0.0.1', family: 'IPv4', port: 80 }), 'http://127.0.0.1:80')
  t.equal(httpUrl({ address: '::1', family: 'IPv6', port: 80 }), 'http://[::1]:80')
})
