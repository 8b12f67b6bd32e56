import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import { cleanup, freePort, listen, missing, onTerminal, run, serve, shell, shortDirectory } from '../e2e/support.js'
import { identity, stranger } from '../lib/tls.js'

/** A TLS server of the test's own. */
async function tlsServer(t: Test, where: { path: string } | { port: number; host: string }, options = identity) {
  const server = createTlsServer(options, socket => socket.on('error', () => {}).resume())
  server.on('tlsClientError', () => {}).listen(where)
  await once(server, 'listening')
  cleanup(t, () => server.close())
  const address = server.address()
  return address !== null && typeof address === 'object' ? `tls://localhost:${address.port}` : `tls://unix:${address}`
}

const local = { port: 0, host: '127.0.0.1' }

t.test('open and closed ports: a line for each, in their order; exit 1 if one is closed', async t => {
  const { to } = await listen(t, socket => socket.resume())
  const dead = await freePort()
  const { code, stdout } = await run(t, ['check', to, `:${dead}`])
  t.equal(code, 1)
  const [open, closed, end] = String(stdout).split('\n')
  t.match(open, new RegExp(`^${to} +open +connected in [\\d.]+ ms$`))
  t.match(closed, new RegExp(`^127.0.0.1:${dead} +closed +connect ECONNREFUSED 127.0.0.1:${dead}$`))
  t.equal(end, '')
  t.equal((await run(t, ['check', to])).code, 0)
})

t.test('bare ports, short addresses and long ones stand in one column', async t => {
  const { to } = await listen(t, socket => socket.resume())
  const dead = await freePort()
  const { stdout } = await run(t, ['check', `${dead}`, `:${dead}`, `localhost:${dead}`, to.replace(/.*:/, '')])
  const columns = String(stdout)
    .trimEnd()
    .split('\n')
    .map(line => line.search(/(open|closed) /))
  t.equal(new Set(columns).size, 1, String(stdout))
})

t.test('50 columns: no line is too wide, no address is broken', { skip: missing('script') }, async t => {
  const dead = await freePort()
  const { stdout } = await onTerminal(t, `tcp-pipe check ${dead} :${dead} unix:/a/rather/long/path/of/a/socket`, {
    columns: 50,
  }).ended
  const lines = String(stdout).trimEnd().split('\r\n')
  for (const line of lines) t.ok(line.length <= 50, line)
  t.equal(String(stdout).split(`127.0.0.1:${dead}`).length - 1, 4, 'two addresses, twice each')
  t.match(String(stdout), /connect ENOENT/)
})

t.test('a host that is not found: in words', async t => {
  const { code, stdout } = await run(t, ['check', 'no-such-host.invalid:1'])
  t.equal(code, 1)
  t.match(String(stdout), /closed +the host 'no-such-host\.invalid' (is not found|cannot be looked up) \(E\w+\)/)
})

t.test('the server sees a clean end and no byte', async t => {
  const server = await serve(t, ['0', '--once'])
  t.equal((await run(t, ['check', server.to, '-q'])).stdout.length, 0, '-q prints nothing')
  t.match(await server.logged('connection closed'), { closedBy: 'peer', bytesIn: 0 })
  t.equal((await server.ended).code, 0)
})

t.test('a range of ports of one host', async t => {
  const { to } = await listen(t, socket => socket.resume())
  const port = Number(to.split(':')[1])
  const low = Math.min(port, 65_533)
  const { stdout } = await run(t, ['check', `127.0.0.1:${low}-${low + 2}`, '--json'])
  const findings = String(stdout)
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.same(
    findings.map(({ address }) => address),
    [low, low + 1, low + 2].map(each => `127.0.0.1:${each}`),
  )
  t.equal(findings[port - low].state, 'open')
  t.type(findings[port - low].connectTime, 'number')
})

t.test('a unix socket, also with TLS', async t => {
  const dir = shortDirectory(t)
  const plain = await listen(t, socket => socket.resume(), { path: join(dir, 'plain') })
  const secure = await tlsServer(t, { path: join(dir, 'secure') })
  const { code, stdout } = await run(t, ['check', plain.to, secure, '--insecure', `unix:${dir}/none`])
  t.equal(code, 1)
  t.match(String(stdout), /plain +open .*\n.*secure +open .*TLS handshake in (.*\n)+.*none +closed +connect ENOENT/)
})

t.test('the certificate: its facts, whether it verifies, and the pin that --pin takes', async t => {
  const address = await tlsServer(t, local)
  const dir = t.testdir()
  writeFileSync(join(dir, 'ca.pem'), identity.cert)
  writeFileSync(join(dir, 'other.pem'), stranger.cert)

  const refused = await run(t, ['check', address])
  t.equal(refused.code, 1)
  t.match(String(refused.stdout), /failed +connected in .*, TLS handshake in .*, the certificate does not verify\n/)
  for (const row of [
    /^ {4}protocol {2}TLSv1\.3, TLS_\w+$/m,
    /^ {4}subject {3}CN=tcp-pipe$/m,
    /^ {4}issuer {4}CN=tcp-pipe$/m,
    /^ {4}names {5}DNS:localhost, /m,
    /^ {4}expires {3}\d{4}-\d\d-\d\d, in \d+ days$/m,
    /^ {4}verified {2}no: DEPTH_ZERO_SELF_SIGNED_CERT; if it is the right one, give it as --ca or/m,
  ])
    t.match(String(refused.stdout), row)
  const [, pin = ''] = /pin +(sha256\S+)/.exec(String(refused.stdout)) ?? []

  t.equal((await run(t, ['check', address, '--insecure'])).code, 0)
  const pinned = await run(t, ['check', address, '--pin', pin])
  t.equal(pinned.code, 0)
  t.match(String(pinned.stdout), /^ {4}verified {2}yes, the pin matches$/m)
  const trusted = await run(t, ['check', address, '--ca', join(dir, 'ca.pem'), '--json'])
  t.equal(trusted.code, 0)
  t.match(JSON.parse(String(trusted.stdout)), { state: 'open', tls: { verified: true, pin, subject: 'CN=tcp-pipe' } })

  const otherPin = `sha256//${Buffer.alloc(32).toString('base64')}`
  const wrong = await run(t, ['check', address, '--pin', otherPin])
  t.equal(wrong.code, 1)
  t.match(String(wrong.stdout), /failed +connected in .*, the pin does not match\n/)
  t.match(String(wrong.stdout), `verified  no: the server's public key is ${pin}; expected sha256//AAAA`)
  t.notMatch(String(wrong.stdout), '--pin', 'no advice to do what was done')
  for (const [options, state, facts] of [
    [['--pin', pin], 'open', { verified: true, pinned: true }],
    [['--pin', pin, '--ca', join(dir, 'other.pem')], 'failed', { verified: false, pinned: true }],
    [['--pin', otherPin], 'failed', { verified: false, pinned: false }],
    [['--pin', otherPin, '--ca', join(dir, 'ca.pem')], 'failed', { verified: false, pinned: false }],
  ] as const) {
    const { code, stdout } = await run(t, ['check', address, '--json', ...options])
    t.equal(code, state === 'open' ? 0 : 1)
    t.match(JSON.parse(String(stdout)), { state, tls: facts })
  }
  const name = await run(t, ['check', address, '--ca', join(dir, 'ca.pem'), '--server-name', 'example.com', '--json'])
  t.equal(name.code, 1)
  t.match(JSON.parse(String(name.stdout)), { state: 'failed', code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  t.equal((await run(t, ['check', address, '--ca', join(dir, 'other.pem')])).code, 1)
})

t.test('a port that is open but does not speak TLS', async t => {
  const { to } = await listen(t, socket => void socket.once('data', () => socket.end('what?')))
  const { code, stdout } = await run(t, ['check', `tls://${to}`])
  t.equal(code, 1)
  t.match(String(stdout), /failed +connected in .* ms, .*does not speak TLS/)
})

t.test('--banner: the first line, escaped and bounded; a server that is silent; one that resets', async t => {
  const talker = await listen(t, socket => {
    socket.resume().write('220 \x1b[2Jmail')
    setImmediate(() => socket.write(' ready\r\n'))
  })
  const flood = await listen(t, socket => void socket.resume().write('a'.repeat(5000)))
  const silent = await listen(t, socket => socket.resume())
  const rude = await listen(t, socket => void socket.resetAndDestroy())
  const words = [talker.to, flood.to, silent.to, rude.to, '--wait', '800ms']
  const { code, stdout } = await run(t, ['check', '--banner', ...words, '--json'])
  t.equal(code, 1)
  const findings = String(stdout)
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.equal(findings[0].banner, '220 \x1b[2Jmail ready\r\n')
  t.equal(findings[1].banner, 'a'.repeat(256))
  t.match(findings[2], { state: 'open', banner: undefined })
  t.match(findings[3], { state: /^(failed|closed)$/, code: 'ECONNRESET' }) // the reset may precede the connection
  const quitter = await listen(t, socket => socket.resume().end())
  const asked = await run(t, ['check', '--banner', talker.to, silent.to, quitter.to, '--wait', '800ms'])
  const text = String(asked.stdout)
  t.equal(asked.code, 0)
  t.match(text, /^ {4}banner {4}none came in 800ms$/m)
  t.match(text, /^ {4}banner {4}none: the server ended its side$/m)
  t.match(text, /^ {4}banner {4}220 \\e\[2Jmail ready\\r\\n$/m)
})

t.test('-4, -6 and --bind choose the way', async t => {
  const { to } = await listen(t, socket => socket.resume())
  t.equal((await run(t, ['check', to, '-4', '--bind', '127.0.0.2'])).code, 0)
  const { code, stdout } = await run(t, ['check', to.replace('127.0.0.1', '[::1]'), '-6'])
  t.equal(code, 1)
  t.match(String(stdout), /^\[::1\]:\d+ +closed/)
})

t.test('a reader that leaves early ends it without a stack trace', async t => {
  const { stderr } = await shell(t, 'tcp-pipe check 127.0.0.2:1-200 | head -1; tcp-pipe check 127.0.0.2:1-200 | true')
  t.equal(stderr, '')
})

t.test('usage errors', async t => {
  const many = Array.from({ length: 257 }, (_, i) => `:${i + 1}`)
  for (const [words, says] of [
    [[], "missing required argument 'addresses'"],
    [[':1-65535'], "':1-65535' has 65535 ports; at most 256 are allowed: check is for services that you know"],
    [many, '257 addresses; at most 256 are allowed in one call'],
    [[':20-10'], "':20-10' is not a range of ports"],
    [[':0-10'], "':0-10' is not a range of ports"],
    [[':1-70000'], "':1-70000' is not a range of ports"],
    [['unix:a:1-2', ':1', '--pin', 'x'], '--pin: '],
    [[':1', '--insecure'], '--insecure needs an address tls://…'],
    [[':1', '--wait', '1s'], '--wait needs --banner'],
    [[':1', '--bind', 'unix:/x'], '--bind: unix:/x is not allowed; expected host or host:port'],
    [['memory:x'], 'reaches no other process'],
    [['x:y'], "'x:y': the port must be a whole number"],
  ] as [string[], string][]) {
    const { code } = await run(t, ['check', ...words], { faults: [says] })
    t.equal(code, 2, says)
  }
})
