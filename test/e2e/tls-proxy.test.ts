import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect as connectHttp2, createServer as createH2cServer, createSecureServer } from 'node:http2'
import { get } from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { certificates, dialTls, fateOf, listenTls, type RecipeName, type SecureEnd, secured } from './certificates.js'
import {
  bounded,
  cleanup,
  cli,
  closed,
  dial,
  eventually,
  exchange,
  launch,
  listen,
  missing,
  pattern,
  proxy,
  serve,
  shortDirectory,
  tcpPipe,
} from './support.js'

const skip = missing('openssl')
const files = certificates(t)
const ca = () => ['--ca', files.of('authority').cert]

t.test('a proxy with TLS on the leg of the client, on that of the target, and on both', { skip }, async t => {
  for (const [client, target] of [
    [true, false],
    [false, true],
    [true, true],
  ] as const) {
    const title = [client && 'client', target && 'target'].filter(Boolean).join(' and ')
    for (const first of ['client', 'target'] as const) {
      t.test(`${title}: stages in between, the ${first} ends first`, async t => {
        const { open, tool } = await link(t, { client, target, words: ['-t', 'delay 5ms', '-r', 'throttle 16MiB'] })
        const [near, far] = await open()
        const sent = pattern(1_000_003)
        const [ender, sender] = first === 'client' ? [near, far] : [far, near]
        ender.end('all of it')
        t.equal(String(await whole(sender)), 'all of it')
        sender.end(sent)
        t.ok((await whole(ender)).equals(sent))
        const line = await tool.logged('connection closed')
        t.match(line, { closedBy: 'peer', side: first, target: { bytesIn: Number } })
        t.equal('tls' in line, client)
        t.equal('tls' in (line.target as object), target)
      })
    }
  }

  t.test('20 MB each way at once, unchanged', async t => {
    const { open, tool } = await link(t, { client: true, target: true })
    const [near, far] = await open()
    const sent = pattern(20_000_003)
    const both = [whole(near), whole(far)]
    near.end(sent)
    far.end(sent)
    for (const received of await Promise.all(both)) t.ok(received.equals(sent))
    t.match(await tool.logged('connection closed'), {
      bytesIn: sent.length,
      bytesOut: sent.length,
      tls: { protocol: 'TLSv1.3', serverName: 'localhost' },
      target: { bytesIn: sent.length, bytesOut: sent.length, tls: { protocol: 'TLSv1.3', subject: 'CN=server' } },
    })
  })
})

t.test('what ends in the middle resets the other leg, never with an end', { skip }, async t => {
  const breaks: [what: string, by: (end: SecureEnd) => unknown, code: string][] = [
    ['a reset', ({ raw }) => raw.resetAndDestroy(), 'ECONNRESET'],
    ['a FIN without close_notify', ({ raw }) => raw.end(), 'ERR_UNEXPECTED_EOF'],
  ]
  for (const [what, by, code] of breaks) {
    for (const side of ['client', 'target'] as const) {
      t.test(`${what} of the ${side}`, async t => {
        const { open, tool } = await link(t, { client: true, target: true, faults: [code] })
        const [near, far] = (await open()) as [SecureEnd, SecureEnd]
        const [bad, other] = side === 'client' ? [near, far] : [far, near]
        const fate = fateOf(other)
        const half = once(other, 'data')
        bad.write('half of it')
        await half
        by(bad)
        t.equal(await fate, 'ECONNRESET')
        t.match(await tool.logged('connection failed'), { side, code })
      })
    }
  }
})

t.test('an end without close_notify after the last answer (G-46)', { skip }, async t => {
  t.test('a client: the end is passed on as it is, through two proxies', async t => {
    const inner = await link(t, { client: true, target: true })
    const words = ['--tls', ...files.of('server').words, ...ca()]
    const outer = await proxy(t, ['0', `tls://localhost:${inner.tool.port}`, ...words])
    const far = inner.arrival()
    const near = await dialTls(t, outer.port)
    await ask(near, await far)
    near.raw.end()
    t.equal(String(await whole(await far)), '')
    ;(await far).end()
    for (const tool of [outer, inner.tool])
      t.match(await tool.logged('connection closed'), { closedBy: 'peer', side: 'client', tls: { closeNotify: false } })
  })

  t.test('a client, to a target without TLS: a reset, since a FIN would vouch for it', async t => {
    const { open, tool } = await link(t, { client: true, target: false })
    const [near, far] = (await open()) as [SecureEnd, Socket & { failed?: NodeJS.ErrnoException }]
    await ask(near, far)
    const isReset = once(far, 'error')
    near.raw.end()
    t.match(await bounded(isReset, 'the reset'), [{ code: 'ECONNRESET' }])
    t.match(await tool.logged('connection closed'), { closedBy: 'peer', side: 'client', tls: { closeNotify: false } })
  })

  t.test('a target, after our end', async t => {
    const { open, tool } = await link(t, { client: false, target: true })
    const [near, far] = (await open()) as [Socket, SecureEnd]
    await ask(near, far)
    near.end()
    await whole(far)
    const isClosed = closed(near)
    far.raw.end()
    await bounded(isClosed, 'the reset')
    t.match((near as SecureEnd).failed, { code: 'ECONNRESET' }, 'without TLS, a FIN would vouch for it')
    t.match(await tool.logged('connection closed'), { side: 'client', target: { tls: { closeNotify: false } } })
  })

  t.test('a target that has answered after our end: the answer may be cut, a failure', async t => {
    const { open, tool } = await link(t, { client: false, target: true, faults: ['ERR_UNEXPECTED_EOF'] })
    const [near, far] = (await open()) as [Socket & { failed?: NodeJS.ErrnoException }, SecureEnd]
    near.end('question')
    t.equal(String(await whole(far)), 'question')
    far.write('half of the answer')
    await once(near, 'data')
    far.raw.end()
    await bounded(closed(near), 'the reset')
    t.match(near.failed, { code: 'ECONNRESET' })
    t.match(await tool.logged('connection failed'), { side: 'target', code: 'ERR_UNEXPECTED_EOF' })
  })
})

t.test('a proxy whose first dial meets the limit of open files recovers (G-21)', { skip }, async t => {
  const target = await listenTls(t, files.of('server').pem, socket => void socket.pipe(socket))
  const words = ['0', `tls://127.0.0.1:${target.port}`, ...ca(), '--max-connections', '1000']
  const line = ['-c', 'ulimit -n 100; exec "$@"', 'bash', process.execPath, cli, 'proxy', ...words]
  const tool = launch(t, 'bash', line, { input: null, faults: null })
  const port = Number((await tool.logged('listening')).port)
  tool.kill('SIGSTOP') // so that all clients come at once
  const clients = await Promise.all(Array.from({ length: 150 }, () => dial(t, port)))
  tool.kill('SIGCONT')
  await eventually('the limit', () => openFiles(tool.pid) >= 90) // met by a dial or by the server itself
  for (const client of clients) client.destroy()
  await eventually('the ends of all clients', () => openFiles(tool.pid) < 40)
  const answer = () => exchange(t, port, 'hello').catch(() => '') // clients that waited in the backlog may still be accepted
  await eventually('an answer', async () => String(await answer()) === 'hello')
})

t.test('a target that cannot be verified: the client is reset and gets nothing', { skip }, async t => {
  for (const [name, code] of [
    ['selfSigned', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['otherName', 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ] as [RecipeName, string][]) {
    const received: string[] = []
    const target = await listenTls(t, files.of(name).pem, socket => {
      socket.on('data', chunk => received.push(String(chunk)))
      secured(socket).then(() => socket.end('for friends'))
    })
    const tool = await proxy(t, ['0', `tls://127.0.0.1:${target.port}`, ...ca()], { faults: [code] })
    await t.rejects(exchange(t, tool.port, 'secret'), { code: 'ECONNRESET' })
    t.match(await tool.logged('connection failed'), { code, closedBy: 'error', bytesOut: 0 })
    t.equal(tool.logs.length, 2, 'one line')
    t.same(received, [])
  }
})

t.test('proxy --target-cert, for a target that wants one', { skip }, async t => {
  const authority = ['--client-ca', files.of('authority').cert]
  const target = await serve(t, ['0', '--tls', ...files.of('server').words, ...authority, '--reply'])
  const { cert, key } = files.of('client')
  const identity = ['--target-cert', cert, '--target-key', key]
  const tool = await proxy(t, ['0', `tls://${target.to}`, ...ca(), ...identity])
  t.equal(String(await exchange(t, tool.port, 'hello')), 'hello')
  t.match(await target.logged('connection closed'), { tls: { subject: 'CN=client' } })
})

t.test('HTTP/2 passes: the target speaks the protocol that the client has chosen (G-29)', { skip }, async t => {
  const alpn = ['--alpn', 'h2,http/1.1', '--ignore-unexpected-eof'] // Node's HTTP servers send no close_notify
  const own = ['--tls', ...files.of('server').words]
  const pem = files.of('server').pem
  const trust = { ca: files.of('authority').pem.cert }
  const answer = (request: { httpVersion: string }, response: { end(text: string): void }) =>
    response.end(`HTTP/${request.httpVersion}`)
  const secure = await listening(t, createSecureServer({ ...pem, allowHTTP1: true }, answer))
  const path = join(shortDirectory(t), 's')
  const atPath = await listening(t, createSecureServer({ ...pem, allowHTTP1: true }, answer), path)
  const clear = await listening(t, createH2cServer(answer))
  t.equal(atPath, 0)
  for (const [title, target, words] of [
    ['TLS on both sides', `tls://127.0.0.1:${secure}`, ca()],
    ['TLS to a unix socket', `tls://unix:${path}`, ca()],
    ['TLS with the client only', `127.0.0.1:${clear}`, []],
  ] as const) {
    t.test(title, async t => {
      const tool = await proxy(t, ['0', target, ...own, ...words, ...alpn])
      t.equal(await overHttp2(t, tool.port, trust), 'HTTP/2.0')
      const expected = { tls: { alpn: 'h2' }, ...(words.length > 0 && { target: { tls: { alpn: 'h2' } } }) }
      t.match(await tool.logged('connection closed'), expected)
      if (words.length > 0) t.equal(await overHttp1(tool.port, trust), 'HTTP/1.1')
    })
  }

  t.test('without a common protocol there is no TLS', async t => {
    const tool = await proxy(t, ['0', ':1', ...own, '--alpn', 'x'])
    await t.rejects(overHttp2(t, tool.port, trust), { code: /ERR_SSL_.*NO_APPLICATION_PROTOCOL/ })
    t.match(await tool.logged('TLS handshake failed'), { error: /see --alpn$/ })
  })
})

t.test('serve --to tls://…', { skip }, async t => {
  const target = await serve(t, ['0', '--tls', ...files.of('server').words])
  let expected = ''
  for (const words of [ca(), ['--pin', files.pin('server')], ['--insecure']]) {
    const server = await serve(t, ['0', '--to', `tls://${target.to}`, ...words])
    await exchange(t, server.port, `${words[0]} `)
    t.match(await server.logged('connection closed'), { sink: { to: `tls://${target.to}` } })
    expected += `${words[0]} `
    t.equal(String(await target.printed(expected.length)), expected)
  }

  t.test('that cannot be verified', async t => {
    const faults = ['UNABLE_TO_VERIFY_LEAF_SIGNATURE']
    const server = await serve(t, ['0', '--to', `tls://${target.to}`], { faults })
    await t.rejects(exchange(t, server.port, 'secret'), { code: 'ECONNRESET' })
    t.match(await server.logged('connection failed'), { code: faults[0] })
    t.equal(String(target.stdout()), expected)
  })
})

t.test('a failure is a reset for the peer, never an end', { skip }, async t => {
  t.test('serve --max-bytes, and a client that reads', async t => {
    const words = ['0', '--tls', ...files.of('server').words, '--max-bytes', '10k', '--reply']
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const server = await serve(t, words, { faults: ['ERR_LIMIT'] })
      const client = await dialTls(t, server.port, { maxVersion })
      client.write(pattern(20_000))
      t.equal(await fateOf(client), 'ECONNRESET')
      await server.logged('connection failed')
    }
  })

  t.test('openssl s_client says so', async t => {
    const words = ['0', '--tls', ...files.of('server').words, '--reply', '-t', 'reset after=10k']
    const server = await serve(t, words, { faults: ['ERR_FAULT'] })
    const line = ['s_client', '-quiet', '-connect', server.to]
    const client = launch(t, 'openssl', line, { input: null, faults: null })
    client.child.stdin?.write(pattern(20_000))
    const { code, stderr } = await client.ended
    t.not(code, 0)
    t.match(stderr, /errno=104|unexpected eof/)
  })

  t.test('send that is interrupted; the server keeps what has come as .part', async t => {
    const dir = t.testdir()
    const words = ['0', '--tls', ...files.of('server').words, '-o', join(dir, '{id}')]
    const server = await serve(t, words, { faults: ['ECONNRESET'] })
    const to = ['--to', `tls://${server.to}`, '--pin', files.pin('server')]
    const client = tcpPipe(t, ['send', ...to], { input: null, faults: ['ERR_CLOSED'] })
    client.child.stdin?.write('half of it')
    await eventually('the first half', () => partOf(dir) === 'half of it')
    client.kill('SIGINT')
    t.equal((await client.ended).signal, 'SIGINT')
    t.match(await server.logged('connection failed'), { closedBy: 'reset', sink: { bytes: 10 } })
    t.equal(partOf(dir), 'half of it')
  })
})

t.test('what is cut off is not taken for whole', { skip }, async t => {
  for (const [what, by, code, fateOfThePeer] of [
    ['a FIN without close_notify', (raw: Socket) => void raw.end(), 'ERR_UNEXPECTED_EOF', 'ECONNRESET'],
    ['a reset', (raw: Socket) => void raw.resetAndDestroy(), 'ECONNRESET', 'closed'],
  ] as const) {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      t.test(`${what}, ${version}: send ends with 1`, async t => {
        const target = await listenTls(t, { ...files.of('server').pem, maxVersion: version }, async socket => {
          await secured(socket)
          socket.write('half of it', () => by(socket.raw))
        })
        const line = ['send', '--to', `tls://127.0.0.1:${target.port}`, ...ca()]
        const client = tcpPipe(t, line, { input: null, faults: [code] })
        const { code: exit, stdout } = await client.ended
        t.equal(exit, 1)
        t.ok('half of it'.startsWith(String(stdout)))
      })

      if (what !== 'a reset') {
        t.test(`${what} at once, ${version}: what came before it is kept, and its size reported (G-26)`, async t => {
          for (const size of [10_000, 300_000]) {
            const dir = t.testdir()
            const words = ['0', '--tls', ...files.of('server').words, '-o', join(dir, '{id}')]
            const server = await serve(t, words, { faults: [code] })
            const client = await dialTls(t, server.port, { maxVersion: version })
            client.write(pattern(size), () => by(client.raw))
            t.match(await server.logged('connection failed'), { code, sink: { bytes: size } })
            t.equal(Buffer.byteLength(partOf(dir, 'latin1') ?? '', 'latin1'), size)
          }
        })
      }

      t.test(`${what}, ${version}: serve -o keeps .part, and resets the client`, async t => {
        const dir = t.testdir()
        const words = ['0', '--tls', ...files.of('server').words, '-o', join(dir, '{id}')]
        const server = await serve(t, words, { faults: [code] })
        const client = await dialTls(t, server.port, { maxVersion: version })
        client.write('half of it')
        await eventually('the first half', () => partOf(dir) === 'half of it')
        const fate = fateOf(client)
        by(client.raw)
        t.match(await server.logged('connection failed'), { code, sink: { bytes: 10 } })
        t.equal(partOf(dir), 'half of it')
        t.equal(readdirSync(dir).length, 1)
        t.equal(await fate, fateOfThePeer)
      })
    }
  }
})

/** A proxy between ends of the test's own. */
async function link(t: Test, { client, target, words = [], faults = [] }: Legs) {
  const arrived: ((socket: Socket) => void)[] = []
  const take = (socket: Socket) => arrived.shift()?.(socket)
  const far = target
    ? `tls://127.0.0.1:${(await listenTls(t, files.of('server').pem, socket => void secured(socket).then(() => take(socket)))).port}`
    : (await listen(t, take)).to
  const tool = await proxy(
    t,
    ['0', far, ...(client ? ['--tls', ...files.of('server').words] : []), ...(target ? ca() : []), ...words],
    { faults },
  )
  const arrival = () => new Promise<Socket>(resolve => arrived.push(resolve))
  const open = async (): Promise<[near: Socket, far: Socket]> => {
    const other = arrival()
    const near = client ? await dialTls(t, tool.port) : await dial(t, tool.port)
    return [near, await bounded(other, 'the connection to the target')]
  }
  return { tool, open, arrival }
}

/** A question, and its answer. */
async function ask(near: Socket, far: Socket): Promise<void> {
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    const heard = once(to, 'data')
    from.write('word')
    await bounded(heard, 'the word')
  }
}

interface Legs {
  client: boolean
  target: boolean
  words?: string[]
  faults?: string[]
}

/** Everything up to the end; unlike an iteration it leaves the other direction alone. */
async function whole(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  await bounded(once(socket, 'end'), 'the end')
  return Buffer.concat(chunks)
}

/** What the one file there holds, if it is not whole. */
function partOf(dir: string, encoding: BufferEncoding = 'utf8'): string | undefined {
  const name = readdirSync(dir).find(name => name.endsWith('.part'))
  return name && readFileSync(join(dir, name), encoding)
}

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** The port of a server that is closed at the end of the test; 0 at a path. */
async function listening(t: Test, server: Pick<Server, 'listen' | 'address' | 'close' | 'once'>, path?: string) {
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path })
  await new Promise<void>(resolve => server.once('listening', resolve))
  cleanup(t, () => void server.close())
  return path === undefined ? (server.address() as AddressInfo).port : 0
}

async function overHttp2(t: Test, port: number, trust: { ca: string }): Promise<string> {
  const session = connectHttp2(`https://localhost:${port}`, trust)
  cleanup(t, () => session.destroy())
  const failed = new Promise<never>((_, reject) => session.once('error', reject))
  failed.catch(() => {})
  const answer = await bounded(Promise.race([text(session.request({ ':path': '/' })), failed]), 'an answer')
  session.close()
  return answer
}

async function overHttp1(port: number, trust: { ca: string }): Promise<string> {
  const [response] = await once(get({ host: 'localhost', port, agent: false, ...trust }), 'response')
  return text(response)
}
