import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { lacks, nginxStream, output, program, runs } from './programs.js'
import {
  bounded,
  cleanup,
  closed,
  dial,
  exchange,
  freePort,
  pattern,
  proxy,
  reached,
  serve,
  shortDirectory,
  tcpPipe,
} from './support.js'

/** The client's address, which a balancer at 127.0.0.1 passes on. */
const client = '127.0.0.5'
const data = pattern(300_007)

/** What the tests do with each balancer in front of a server of ours. */
type Balancer = (t: Test, target: number) => Promise<number>

const balancers: Readonly<Record<string, { skip: string | false; start: Balancer }>> = {
  'haproxy, send-proxy': { skip: lacks('haproxy'), start: (t, target) => haproxy(t, target, 'send-proxy') },
  'haproxy, send-proxy-v2': { skip: lacks('haproxy'), start: (t, target) => haproxy(t, target, 'send-proxy-v2') },
  'haproxy, send-proxy-v2 with extensions': {
    skip: lacks('haproxy'),
    start: (t, target) => haproxy(t, target, 'send-proxy-v2 proxy-v2-options unique-id,crc32c'),
  },
  'nginx, proxy_protocol on': { skip: lacks('nginx') || nginxStream.missing, start: nginx },
}

for (const [name, { skip, start }] of Object.entries(balancers))
  t.test(`behind ${name}: the log has the client, and the balancer`, { skip }, async t => {
    for (const options of [[], ['--tls', 'auto'], ['--reliable']]) {
      const server = await serve(
        t,
        [
          '0',
          ...(options[0] === '--reliable' ? ['-o', 'r-{id}'] : ['--reply']),
          '--proxy-protocol',
          '127.0.0.1,::1',
          '-v',
          ...options,
        ],
        {
          cwd: shortDirectory(t),
          faults: null,
        },
      )
      const port = await start(t, server.port)
      await reached(t, port).then(socket => socket.destroy())
      const secure = options[0] === '--tls' ? ['--insecure'] : options
      const to = `${options[0] === '--tls' ? 'tls://' : ''}127.0.0.1:${port}`
      const sender = tcpPipe(t, ['send', '--to', to, '--bind', client, ...secure, '-q'], { input: data, faults: null })
      const { code, stdout, stderr } = await sender.ended
      t.equal(code, 0, stderr)
      if (options[0] !== '--reliable') t.ok(stdout.equals(data), `${stdout.length} bytes`)
      const line = await server.logged('connection closed', ({ remote }) => String(remote).startsWith(client))
      t.match(line, { remote: /^127\.0\.0\.5:\d+$/, via: /^127\.0\.0\.1:\d+$/, bytesIn: data.length })
    }
  })

t.test('curl --haproxy-protocol', { skip: lacks('curl') }, async t => {
  const answer = Buffer.from('HTTP/1.0 200 OK\r\n\r\nhello')
  const file = join(shortDirectory(t), 'answer')
  writeFileSync(file, answer)
  const server = await serve(t, ['0', '-o', '/dev/null', '--from', file, '--proxy-protocol', '127.0.0.0/8'])
  const url = `http://127.0.0.1:${server.port}/`
  t.equal(await output(t, 'curl', ['-sS', '--max-time', '20', '--haproxy-protocol', url]), 'hello')
  t.match(await server.logged('connection closed'), { remote: /^127\.0\.0\.1:\d+$/, bytesIn: /^\d\d+$/ })
})

for (const version of ['v1', 'v2'])
  t.test(`proxy --send-proxy-protocol ${version}: what stands behind sees the client`, async t => {
    for (const [name, start] of Object.entries({ haproxy: haproxyReply, nginx: nginxReply }))
      await t.test(name, { skip: lacks(name, 'curl') }, async t => {
        const target = await start(t)
        const tool = await proxy(t, ['0', `127.0.0.1:${target}`, '--send-proxy-protocol', version])
        const url = `http://127.0.0.1:${tool.port}/`
        const told = await output(t, 'curl', ['-sS', '--fail', '--max-time', '20', '--interface', client, url])
        t.match(told, new RegExp(`^${client.replaceAll('.', '\\.')}:\\d+ 127\\.0\\.0\\.1:${tool.port}$`))
      })
  })

t.test('attacks: forged, slow, endless and missing headers (E-08)', async t => {
  const header = `PROXY TCP4 ${client} 127.0.0.1 4711 80\r\n`
  const behind = ['0', '--reply', '--proxy-protocol', '127.0.0.7', '--proxy-protocol-timeout']
  const server = await serve(t, [...behind, '1m'])

  await t.test('forged by one who is no balancer', async t => {
    t.match(await attack(t, server.port, '127.0.0.8', `${header}hello`), isReset)
    t.match(await server.logged('connections refused'), {
      ...{ refused: { proxyProtocol: 1 }, remote: '127.0.0.8' },
      error: '--proxy-protocol does not list 127.0.0.8',
    })
  })

  await t.test('10,000 bytes without a line feed, and what is no header', async t => {
    const endless = ['x'.repeat(10_000), `PROXY ${'x'.repeat(10_000)}`]
    for (const bytes of [...endless, '\r\n\r\n\0\r\nQUIT\n\xff\xff\xff\xff', 'GET / HTTP/1.1\r\n\r\n'])
      t.match(await attack(t, server.port, '127.0.0.7', bytes), isReset)
  })

  await t.test('byte by byte', async t => {
    const socket = await dial(t, { port: server.port, host: '127.0.0.1', localAddress: '127.0.0.7' })
    socket.setNoDelay(true)
    for (const byte of `${header}hello`)
      await new Promise<void>(resolve => socket.write(byte, () => setImmediate(resolve)))
    socket.end()
    t.equal(String(await bounded(buffer(socket), 'the reply')), 'hello')
    t.match(await server.logged('connection closed'), { remote: `${client}:4711`, bytesIn: 5 })
  })

  await t.test('headers that never end: for a time only, and in no number', async t => {
    const slow = await serve(t, [...behind, '1s', '--max-connections', '5', '-v'])
    const all = Array.from({ length: 20 }, () => attack(t, slow.port, '127.0.0.7', 'PROXY '))
    for (const outcome of await Promise.all(all)) t.match(outcome, isReset)
    slow.kill('SIGTERM')
    t.match(await slow.logged('connections refused in total'), { refused: { proxyProtocol: 20 } })
    t.notOk(slow.logs.some(({ msg }) => msg === 'connection opened'))
  })
  server.kill('SIGTERM')
  t.match(await server.logged('connections refused in total'), { refused: { proxyProtocol: 5 } })
})

t.test('a unix socket: its clients are balancers, and access lists apply to those that they name', async t => {
  const path = join(shortDirectory(t), 'socket')
  const behind = ['--proxy-protocol', 'unix', '--allow', '192.0.2.0/24', '--max-per-ip', '5']
  await serve(t, [`unix:${path}`, '--reply', ...behind])
  const header = (address: string) => `PROXY TCP4 ${address} 127.0.0.1 4711 80\r\n`
  t.equal(String(await exchange(t, { path }, `${header('192.0.2.1')}hello`)), 'hello')
  t.equal(String(await exchange(t, { path }, `${header('198.51.100.1')}hello`).catch(() => '')), '')
})

t.test('a stop does not wait for headers', async t => {
  const server = await serve(t, ['0', '--proxy-protocol', '127.0.0.1', '--proxy-protocol-timeout', '10m'])
  const socket = await dial(t, server.port)
  await new Promise<void>(resolve => socket.write('PROXY ', () => resolve()))
  server.kill('SIGTERM')
  t.equal((await bounded(server.ended, 'the end')).code, 0)
})

const isReset = { bytes: 0, code: /^(ECONNRESET|EPIPE)$/ }

/** Connects from an address, sends and waits: what comes back, and how it ends. */
async function attack(t: Test, port: number, localAddress: string, bytes: string): Promise<object> {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  cleanup(t, () => void socket.destroy())
  let code: string | undefined
  socket.on('error', error => {
    code ??= (error as NodeJS.ErrnoException).code
  })
  socket.write(bytes, 'latin1')
  socket.resume()
  await bounded(closed(socket), 'the end')
  return { bytes: socket.bytesRead, code }
}

async function haproxy(t: Test, target: number, how: string): Promise<number> {
  const port = await freePort()
  const unique = how.includes('unique-id') ? 'unique-id-format %{+X}o\\ %ci:%cp' : ''
  return haproxyOf(t, port, `mode tcp\n  bind 127.0.0.1:${port}\n  ${unique}\n  server one 127.0.0.1:${target} ${how}`)
}

/** An HTTP server that takes the PROXY protocol, and answers with the address of the client. */
async function haproxyReply(t: Test): Promise<number> {
  const port = await freePort()
  const reply =
    'http-request return status 200 content-type text/plain lf-string %[src]:%[src_port]\\ %[dst]:%[dst_port]'
  return haproxyOf(t, port, `mode http\n  bind 127.0.0.1:${port} accept-proxy\n  ${reply}`)
}

async function haproxyOf(t: Test, port: number, listen: string): Promise<number> {
  const file = join(shortDirectory(t), 'haproxy.cfg')
  const times = 'timeout connect 20s\n  timeout client 60s\n  timeout server 60s'
  writeFileSync(file, `defaults\n  ${times}\nlisten it\n  ${listen}\n`)
  runs(t, program('haproxy') as string, ['-db', '-f', file])
  await reached(t, port)
  return port
}

async function nginx(t: Test, target: number): Promise<number> {
  const port = await freePort()
  const server = `listen 127.0.0.1:${port};\n    proxy_pass 127.0.0.1:${target};\n    proxy_protocol on;\n    proxy_half_close on;`
  return nginxOf(t, port, `${nginxStream.load}`, `stream {\n  server {\n    ${server}\n  }\n}`)
}

async function nginxReply(t: Test): Promise<number> {
  const port = await freePort()
  const told = '$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_addr:$proxy_protocol_server_port'
  const server = `listen 127.0.0.1:${port} proxy_protocol;\n    location / { return 200 "${told}"; }`
  return nginxOf(t, port, '', `http {\n  access_log off;\n  server {\n    ${server}\n  }\n}`)
}

async function nginxOf(t: Test, port: number, load: string, body: string): Promise<number> {
  const dir = shortDirectory(t)
  const main = `${load}\ndaemon off;\nmaster_process off;\npid ${dir}/pid;\nerror_log stderr warn;\nevents {}`
  writeFileSync(join(dir, 'nginx.conf'), `${main}\n${body}\n`)
  runs(t, program('nginx') as string, ['-p', dir, '-c', 'nginx.conf', '-e', 'stderr'])
  await reached(t, port)
  return port
}
