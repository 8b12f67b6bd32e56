import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { serve as serveInLibrary } from '../../lib/index.js'
import { certificates, dialTls, exchangeTls, fateOf, forged } from './certificates.js'
import {
  bounded,
  closed,
  dial,
  freePort,
  launch,
  listen,
  missing,
  onTerminal,
  pattern,
  prelude,
  run,
  serve,
  shortDirectory,
} from './support.js'

const noOpenssl = missing('openssl')
const files = certificates(t)
const data = pattern(500_003)
const versions = ['1.2', '1.3'] as const

for (const version of versions) {
  t.test(`openssl s_client, TLS ${version}: what it sends comes back`, { skip: noOpenssl }, async t => {
    const server = await serve(t, ['0', '--tls', ...files.of('server').words, '--reply'], {
      faults: ['ERR_UNEXPECTED_EOF'],
    })
    const words = ['-quiet', '-verify_return_error', '-CAfile', files.of('authority').cert]
    const command = ['s_client', '-connect', server.to, `-tls${underscored(version)}`, ...words]
    const client = launch(t, 'openssl', command, { input: null, faults: null })
    client.child.stdin?.write(data) // it has no half-close: at the end of its input it would leave
    t.ok((await client.printed(data.length)).equals(data))
    client.kill('SIGTERM')
    await client.ended
    const line = await server.logged('connection failed') // without close_notify
    t.match(line, { code: 'ERR_UNEXPECTED_EOF', bytesIn: data.length, tls: { protocol: `TLSv${version}` } })
  })

  t.test(`openssl s_server, TLS ${version}: it gets all, and the trailer (A-01)`, { skip: noOpenssl }, async t => {
    const port = await freePort()
    const { cert, key } = files.of('server')
    const line = ['s_server', '-accept', `127.0.0.1:${port}`, '-cert', cert, '-key', key, '-quiet', '-naccept', '1']
    const peer = launch(t, 'openssl', [...line, `-tls${underscored(version)}`], { input: null, faults: null })
    const to = ['--to', `tls://localhost:${port}`, '--ca', files.of('authority').cert, '--retry', '20']
    const stages = ['-t', "throttle 4MiB | exec sh -c 'cat; sleep 0.1; printf trailer'"]
    const { code, logs } = await run(t, ['send', ...to, ...stages], { input: data })
    t.equal(code, 0)
    t.match(logs.at(-1), { tls: { protocol: `TLSv${version}`, subject: 'CN=server' } })
    t.ok((await peer.ended).stdout.equals(Buffer.concat([data, Buffer.from('trailer')])))
  })

  const max = `openssl-max-proto-version=TLS${version}`
  t.test(
    `socat, TLS ${version}: it half-closes, and gets all (A-01)`,
    { skip: noOpenssl || missing('socat') },
    async t => {
      const stages = ['-t', "throttle 4MiB | exec sh -c 'cat; sleep 0.1; printf trailer'"]
      const server = await serve(t, ['0', '--tls', ...files.of('server').words, '--reply', ...stages])
      const to = `OPENSSL:127.0.0.1:${server.port},cafile=${files.of('authority').cert},${max}`
      const { code, stdout } = await launch(t, 'socat', ['-t', '10', '-', to], { input: data }).ended
      t.equal(code, 0)
      t.ok(stdout.equals(Buffer.concat([data, Buffer.from('trailer')])), `${stdout.length} bytes`)
      t.match(await server.logged('connection closed'), { closedBy: 'peer', tls: { protocol: `TLSv${version}` } })
    },
  )

  t.test(`socat as a server, TLS ${version} (A-01)`, { skip: noOpenssl || missing('socat') }, async t => {
    const port = await freePort()
    const { cert, key } = files.of('server')
    const address = `OPENSSL-LISTEN:${port},bind=127.0.0.1,cert=${cert},key=${key},verify=0,${max}`
    const peer = launch(t, 'socat', ['-t', '10', '-', address], { input: 'answer', faults: null })
    const to = ['--to', `tls://localhost:${port}`, '--ca', files.of('authority').cert, '--retry', '20']
    const { code, stdout } = await run(t, ['send', ...to], { input: data })
    t.equal(code, 0)
    t.equal(String(stdout), 'answer')
    t.ok((await peer.ended).stdout.equals(data))
  })
}

t.test('ncat --ssl ends without close_notify', { skip: missing('ncat') }, async t => {
  t.test('without --ignore-unexpected-eof the connection has failed', async t => {
    const server = await serve(t, ['0', '--tls', 'auto', '--reply'], { faults: ['ERR_UNEXPECTED_EOF'] })
    await launch(t, 'ncat', ['--ssl', '127.0.0.1', `${server.port}`], { input: 'hello', faults: null }).ended
    t.match(await server.logged('connection failed'), { closedBy: 'error', error: /without close_notify/ })
  })

  t.test('with it, it has ended well', async t => {
    const server = await serve(t, ['0', '--tls', 'auto', '--reply', '--ignore-unexpected-eof'])
    const { code, stdout } = await launch(t, 'ncat', ['--ssl', '127.0.0.1', `${server.port}`], { input: data }).ended
    t.equal(code, 0)
    t.ok(stdout.equals(data))
    t.match(await server.logged('connection closed'), { bytesIn: data.length, bytesOut: data.length })
  })

  t.test('without session tickets, which it does not read, its last bytes are not lost (G-46)', async t => {
    const page = readFileSync('docs/command-line.md', 'utf8')
    const settings = join(shortDirectory(t), 'settings')
    writeFileSync(settings, /^cat > no-tickets\.cnf <<'END'\n(.*?)END$/ms.exec(page)?.[1] ?? '')
    const words = ['0', '--tls', 'auto', '--ignore-unexpected-eof', '-t', 'throttle 20MiB', '-o', '/dev/null']
    const server = await serve(t, words, { env: { OPENSSL_CONF: settings } })
    const sent = Buffer.concat(Array.from({ length: 20 }, () => data))
    await launch(t, 'ncat', ['--ssl', '--send-only', '127.0.0.1', `${server.port}`], { input: sent }).ended
    t.match(await server.logged('connection closed'), { bytesIn: sent.length })
  })
})

t.test('curl https://: it accepts the pin that is told, and no other', { skip: missing('curl') }, async t => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n'
  // Whether curl reads our close_notify before it closes is left to chance; if not, that is a reset.
  const server = await serve(t, ['0', '--tls', 'auto', '--from', `${t.testdir({ answer })}/answer`], { faults: null })
  const curl = (pin: string) => {
    const line = ['-sS', '--max-time', '10', '-k', '--pinnedpubkey', pin, `https://localhost:${server.port}/`]
    return launch(t, 'curl', line, { faults: null }).ended
  }
  t.match(await curl(String(server.logs[0]?.pin)), { code: 0, stdout: Buffer.from('hello\n') })
  t.match(await curl(`sha256//${'A'.repeat(43)}=`), { code: 90, stderr: /public key does not match/ })
})

t.test('clients that do not finish a handshake are closed in time, and harm nobody (D-02)', async t => {
  const limit = 1000
  const server = await serve(t, ['0', '--tls', 'auto', '--handshake-timeout', `${limit}ms`, '--reply'])
  const good = await dialTls(t, server.port)
  const hello = await clientHello()

  const outsiders: [name: string, talk: (client: Awaited<ReturnType<typeof dial>>) => void, says: object][] = [
    ['a plaintext client', client => client.write('GET / HTTP/1.0\r\n\r\n'), { code: 'ERR_SSL_HTTP_REQUEST' }],
    ['another one', client => client.write('hello\n'), { code: 'ERR_SSL_WRONG_VERSION_NUMBER' }],
    ['one that ends', client => client.end(), { code: 'ECONNRESET' }],
    ['a silent one', () => {}, { timeout: 'handshake', code: 'ERR_TIMEOUT' }],
    [
      'one that sends a byte at a time',
      client => dribble(client, hello),
      { timeout: 'handshake', code: 'ERR_TIMEOUT' },
    ],
    ['one that stops in the middle', client => client.write(hello.subarray(0, 100)), { timeout: 'handshake' }],
  ]
  const started = performance.now()
  const ends = outsiders.map(async ([name, talk, says]) => {
    const client = await dial(t, server.port)
    const remote = `127.0.0.1:${client.localPort}`
    talk(client.resume())
    await bounded(closed(client), `the end of ${name}`)
    const took = performance.now() - started
    t.ok(took < limit + 2000, `${name}: after ${took} ms`)
    if ('timeout' in says) t.ok(took >= limit - 1, `${name}: not before its time`)
    if (!client.writableEnded) t.match(client.failed, { code: 'ECONNRESET' }, name)
    else t.ok(took < limit, `${name}: at once`)
    const line = await server.logged('TLS handshake failed', line => line.remote === remote)
    t.match(line, { level: 40, ...says }, name)
  })
  const all = Promise.all(ends)
  const over = all.then(() => true)
  while (!(await Promise.race([over, echo(good).then(() => false)])));
  await all
  await echo(good)
  good.end()
  t.equal(await fateOf(good), 'end')
  await server.logged('connection closed')
  t.equal(server.logs.length, outsiders.length + 2, 'one line each')
})

t.test('a client that renegotiates again and again is told no, and harms nobody', { skip: noOpenssl }, async t => {
  const server = await serve(t, ['0', '--tls', ...files.of('server').words, '--reply'], { faults: null })
  const client = launch(t, 'openssl', ['s_client', '-tls1_2', '-connect', server.to], { input: null, faults: null })
  await client.printed('Verify return code')
  const timer = setInterval(() => client.child.stdin?.write('R\n'), 50)
  const { stderr } = await client.ended.finally(() => clearInterval(timer))
  t.match(stderr, /no renegotiation/)
  t.equal(String(await exchangeTls(t, server.port, 'hello')), 'hello')
  t.equal(server.child.signalCode, null)
})

t.test('failed handshakes are counted apart from connections (D-02)', async t => {
  await using server = await serveInLibrary({ port: 0, tls: 'auto', handshakeTimeout: 100, reply: true })
  const clients = [await dial(t, server.address.port), await dial(t, server.address.port)]
  clients[0]?.write('no TLS')
  await Promise.all(clients.map(client => closed(client.resume())))
  await exchangeTls(t, server.address.port, 'hello')
  t.match(server.stats(), { accepted: 1, failed: 0, handshakeFailures: 2 })
})

t.test('TLS and no TLS: each side says what is wrong (D-02)', async t => {
  t.test('send without TLS to a TLS server', async t => {
    const server = await serve(t, ['0', '--tls', 'auto'])
    const { code } = await run(t, ['send', '--to', server.to], { input: 'hello\n', faults: [/ECONNRESET|EPIPE/] })
    t.equal(code, 1)
    t.match(await server.logged('TLS handshake failed'), { level: 40, error: /the peer does not speak TLS/ })
  })

  t.test('send --tls to a server that answers without TLS, closes, or is silent', async t => {
    const servers: [what: string, answer: (socket: import('node:net').Socket) => void, says: string][] = [
      ['answers', socket => void socket.end('220 ready\r\n'), 'the peer does not speak TLS'],
      ['gives back what it gets', socket => void socket.pipe(socket), 'the peer does not speak TLS'],
      ['closes', socket => void socket.once('data', () => socket.end()), 'it may not speak TLS'],
      ['closes at once', socket => void socket.end(), 'it may not speak TLS'],
      ['resets at once', socket => void socket.resetAndDestroy(), 'ECONNRESET'],
      ['is silent', () => {}, 'handshake timeout: no TLS with tls://127.0.0.1:'],
    ]
    for (const [what, answer, says] of servers) {
      const got: Buffer[] = []
      const server = await listen(t, socket => {
        socket.on('data', chunk => got.push(chunk))
        answer(socket)
      })
      const line = ['send', '--tls', '--to', server.to, '--handshake-timeout', '400ms']
      const { code } = await run(t, line, { input: 'secret', faults: [says] })
      t.equal(code, 1, what)
      t.notOk(Buffer.concat(got).includes('secret'))
    }
  })

  t.test('a TLS client on a port without TLS: others are served', { skip: noOpenssl }, async t => {
    const server = await serve(t, ['0', '--reply'])
    const line = ['s_client', '-connect', server.to]
    const client = await launch(t, 'openssl', line, { input: null, faults: null }).ended
    t.equal(client.code, 1)
    t.match(client.stderr, /unexpected message|wrong version/)
    t.match(await server.logged('connection closed'), { level: 30, bytesIn: Number })
    t.match(await run(t, ['send', '--to', server.to], { input: 'hello' }), { code: 0, stdout: Buffer.from('hello') })
  })
})

t.test('names that peers choose cannot forge a log line', { skip: noOpenssl }, async t => {
  const words = ['0', '--tls', ...files.of('server').words, '--client-ca', files.of('authority').cert]

  t.test('a certificate that is one line of the log, under one key (C-11, C-12)', async t => {
    const server = await serve(t, [...words, '--log-level', 'trace'])
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      await exchangeTls(t, server.port, 'hello', { ...files.of('forgedClient').pem, maxVersion })
      const line = await server.logged('connection closed', ({ tls }) => (tls as Facts).protocol === maxVersion)
      t.match(line, { level: 30, msg: 'connection closed', tls: { subject: /fake/ } })
      t.same(known(line), [])
    }
    t.notOk(server.logs.some(({ level, msg }) => level === 60 || msg === 'fake'))
    t.notMatch(server.stderr(), dangerous)
  })

  t.test('the same as text, and on a terminal (C-11)', async t => {
    const server = await serve(t, words)
    server.kill('SIGTERM')
    const line = `tcp-pipe serve ${words.map(word => `'${word}'`).join(' ')} --once -v`
    const text = launch(t, 'bash', ['-c', `${prelude}${line} --log-format text`], { input: null, faults: null })
    const screen = onTerminal(t, line)
    for (const [shown, output] of [
      [text, () => text.stderr()],
      [screen, () => String(screen.stdout()).replaceAll('\r\n', '\n')],
    ] as const) {
      const port = await portIn(output)
      await exchangeTls(t, port, 'hello', files.of('forgedClient').pem)
      await shown.ended
      t.match(output().replaceAll(/\s+/g, ' '), / received 5 B in .* tls=.*fake/) // on a terminal it is wrapped
      t.notMatch(output(), dangerous)
      t.notMatch(output(), /^\S*\{"level":60/m)
    }
  })

  t.test('an SNI of odd bytes (C-11, C-12)', async t => {
    const server = await serve(t, ['0', '--tls', ...files.of('server').words, '--reply'])
    const names = [forged, '"}\n{"level":60}', '\u2028\u0085', '../../etc', 'x'.repeat(250)]
    for (const name of names) {
      const before = server.logs.length
      const line = ['s_client', '-connect', server.to, '-servername', name]
      spawnSync('openssl', line, { input: '', timeout: 10_000 })
      const told = await server.logged('connection closed', line => server.logs.indexOf(line) >= before)
      t.match(told, { level: 30, tls: { serverName: String } })
      t.same(known(told), [])
      t.equal(server.logs.length, before + 1, 'one line')
    }
    t.notMatch(server.stderr(), dangerous)
  })
})

interface Facts {
  protocol: string
}

/** ESC, BEL, other C0 but LF, C1, what turns the direction of text, and separators. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const dangerous = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/

/** The keys of a line that no connection has. */
function known(line: object): string[] {
  const own = 'level time connection remote bytesIn bytesOut duration closedBy tls msg'.split(' ')
  return Object.keys(line).filter(key => !own.includes(key))
}

function underscored(version: string): string {
  return version.replace('.', '_')
}

async function portIn(output: () => string): Promise<number> {
  for (;;) {
    const port = /listening on \S*:(\d+)/.exec(output())?.[1]
    if (port) return Number(port)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

async function echo(socket: Awaited<ReturnType<typeof dialTls>>): Promise<void> {
  const answer = once(socket, 'data')
  socket.write('still here')
  await bounded(answer, 'an echo')
}

/** The first message of a real client. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({ ...(server.address() as { port: number }), host: '127.0.0.1' }).on('error', () => {})
  const [socket] = await once(server, 'connection')
  const [hello] = await once(socket, 'data')
  client.destroy()
  server.close()
  return hello
}

function dribble(socket: Awaited<ReturnType<typeof dial>>, bytes: Buffer): void {
  let sent = 0
  const timer = setInterval(() => socket.write(bytes.subarray(sent, ++sent)), 50)
  socket.once('close', () => clearInterval(timer))
}
