import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { existsSync, lstatSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { slowServer } from '../lib/network.js'
import {
  cleanup,
  cli,
  dial,
  exchange,
  freePort,
  launch,
  listen,
  pattern,
  run,
  serve,
  shell,
  shortDirectory,
  tcpPipe,
} from './support.js'

const noName = await lookup('localhost', { family: 6 }).then(
  () => false as const,
  () => "the name 'localhost' has no ::1 here",
)
const noIpv6 = Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === '::1'))
  ? false
  : 'this machine has no ::1'

t.test('port 0: the line `listening` tells the real port, and it can be dialled at once (B-02)', async t => {
  const server = await serve(t, ['0', '--reply'])
  const line = await server.logged('listening')
  t.match(line, { level: 30, address: '127.0.0.1', family: 'IPv4', port: Number })
  t.equal(String(await exchange(t, line.port as number, 'hello')), 'hello')
})

t.test('port 0 in a shell script: the port is that of the line `listening` (B-02)', async t => {
  const script = `touch log; tcp-pipe serve 0 --once 2> log > out &
    until port=$(grep -o '"port":[0-9]*' log | cut -d: -f2) && [ "$port" ]; do sleep 0.05; done
    echo hello | tcp-pipe send --to "$port" && wait && cat out`
  const { stdout } = await shell(t, script, { cwd: t.testdir() })
  t.equal(String(stdout), 'hello\n')
})

t.test('without a host it is loopback, whatever the form of the address', async t => {
  for (const form of ['0', ':0', 'tcp://:0', 'localhost:0']) {
    const server = await serve(t, [form])
    t.match(server.logs[0]?.address, /^(127\.0\.0\.1|::1)$/, form)
  }
})

t.test('[::1]:0', { skip: noIpv6 }, async t => {
  const server = await serve(t, ['[::1]:0', '--reply'])
  t.match(server.logs[0], { address: '::1', family: 'IPv6' })
  t.equal(String((await run(t, ['send', '--to', server.to], { input: 'six' })).stdout), 'six')
  t.match((await server.logged('connection closed')).remote, /^\[::1\]:\d+$/)
})

t.test('--ipv6-only: [::] does not take an IPv4 client (G-45)', { skip: noIpv6 }, async t => {
  const server = await serve(t, ['[::]:0', '--ipv6-only', '--reply'])
  const four = await run(t, ['send', '--to', `127.0.0.1:${server.port}`], { input: 'x', faults: ['ECONNREFUSED'] })
  t.equal(four.code, 1)
  const six = await run(t, ['send', '--to', `[::1]:${server.port}`], { input: 'six' })
  t.equal(String(six.stdout), 'six')
  const link = await serve(t, ['[::]:0', '--reply'])
  t.equal(String((await run(t, ['send', '--to', `127.0.0.1:${link.port}`], { input: 'four' })).stdout), 'four')
})

t.test('--socket-mode: the permissions of a unix socket (G-45)', async t => {
  for (const mode of ['600', '0666']) {
    const path = join(shortDirectory(t), 's')
    const server = await serve(t, [`unix:${path}`, '--socket-mode', mode, '--reply'])
    t.equal(lstatSync(path).mode & 0o777, Number.parseInt(mode, 8))
    t.equal(String((await run(t, ['send', '--to', server.to], { input: 'x' })).stdout), 'x')
  }
})

t.test('--ipv6-only and --socket-mode with another address, or another value: exit 2 (G-45)', async t => {
  for (const [args, message] of [
    [['--ipv6-only'], '--ipv6-only needs an IPv6 address, such as [::]:3099'],
    [['127.0.0.1:0', '--ipv6-only'], '--ipv6-only needs an IPv6 address, such as [::]:3099; 127.0.0.1:0 is another'],
    [['unix:x', '--ipv6-only'], '--ipv6-only needs an IPv6 address, such as [::]:3099; unix:x is another'],
    [['--socket-mode', '600'], '--socket-mode needs the address of a unix socket, such as unix:/run/x'],
    [['0', '--socket-mode', '600'], 'such as unix:/run/x; 127.0.0.1:0 is another'],
    [['unix:x', '--socket-mode', 'rw'], "--socket-mode: 'rw' is not allowed; expected three octal digits, such as 660"],
    [['unix:x', '--socket-mode', '1777'], "--socket-mode: '1777' is not allowed"],
  ] as const)
    t.equal((await run(t, ['serve', ...args], { faults: [message] })).code, 2, message)
})

t.test('-4 and -6 choose the family of a name that has both', { skip: noIpv6 || noName }, async t => {
  const port = await freePort()
  const four = await listenOn(t, '127.0.0.1', port, 'four')
  const six = await listenOn(t, '::1', port, 'six')
  t.ok(four && six)
  for (const [option, answer] of [
    ['-4', 'four'],
    ['-6', 'six'],
  ] as const) {
    const { stdout } = await run(t, ['send', option, '--to', `localhost:${port}`])
    t.equal(String(stdout), answer, option)
  }
})

t.test('-4 and -6 against an address of the other family: exit 2', async t => {
  for (const line of [
    ['-6', '--to', '127.0.0.1:1'],
    ['-4', '--to', '[::1]:1'],
    ['-6', '--bind', '127.0.0.1:0', '--to', 'localhost:1'],
  ])
    t.equal((await run(t, ['send', ...line], { faults: [`${line[1]} ${line[2]}`] })).code, 2, line.join(' '))
})

/** Gives a name two addresses. */
const twoAddresses = `data:text/javascript,${encodeURIComponent(`import dns from 'node:dns'
const found = ['127.0.0.1', '127.0.0.2'].map(address => ({ address, family: 4 }))
const { lookup, promises } = dns
const { lookup: later } = promises
const isIt = host => host === 'multi.test'
dns.lookup = (host, ...rest) => (isIt(host) ? process.nextTick(rest.at(-1), null, found) : lookup(host, ...rest))
promises.lookup = async (host, ...rest) => (isIt(host) ? found : later(host, ...rest))`)}`

t.test('a name with several addresses, of which one is slow and one refuses, is reached in time (G-22)', async t => {
  t.jobs = 3
  for (const [command, words] of [
    ['send', (to: string) => ['--to', to]],
    ['proxy', (to: string) => ['0', to]],
    ['serve', (to: string) => ['0', '--to', to]],
  ] as const) {
    t.test(command, async t => {
      const slow = await slowServer(t)
      const to = `multi.test:${slow.port}`
      const line = ['--import', twoAddresses, cli, command, ...words(to), '--connect-timeout', '10s']
      const tool = launch(t, process.execPath, line)
      if (command === 'send') await slow.answerSoon()
      else {
        const client = await dial(t, Number((await tool.logged('listening')).port))
        client.resume().end('x')
        await slow.answerSoon()
      }
      const { remote } = await tool.logged('connection closed')
      if (command === 'send') t.equal(remote, `127.0.0.1:${slow.port}`)
    })
  }
})

t.test('--bind takes an address or a name, with or without a port (G-24)', async t => {
  const server = await serve(t, ['0'])
  for (const bind of ['127.0.0.2', '127.0.0.2:0', 'localhost', 'localhost:0'])
    t.equal((await run(t, ['send', '--to', server.to, '--bind', bind], { input: 'x' })).code, 0, bind)
  const closed = server.logs.filter(({ msg }) => msg === 'connection closed').map(({ remote }) => remote)
  t.match(closed, [/^127\.0\.0\.2:\d+$/, /^127\.0\.0\.2:\d+$/, /^127\.0\.0\.1:\d+$/, /^127\.0\.0\.1:\d+$/])
})

t.test('--bind is the source address', async t => {
  const server = await serve(t, ['0', '--once'])
  t.equal((await run(t, ['send', '--to', server.to, '--bind', '127.0.0.2:0'], { input: 'x' })).code, 0)
  t.match((await server.ended).logs[1]?.remote, /^127\.0\.0\.2:\d+$/)
})

t.test('--bind to an address that is not ours: exit 1', async t => {
  const server = await serve(t, ['0'])
  const args = ['send', '--to', server.to, '--bind', '192.0.2.1:0']
  t.equal((await run(t, args, { input: 'x', faults: ['EADDRNOTAVAIL'] })).code, 1)
})

t.test('a port in use: EADDRINUSE with host and port, exit 1, within a second of the start (B-01)', async t => {
  const server = await serve(t, ['0'])
  const started = performance.now()
  await run(t, ['--version'])
  const startTime = performance.now() - started
  for (const line of [
    ['serve', server.to],
    ['proxy', server.to, ':1'],
  ]) {
    const begun = performance.now()
    const { code, stderr } = await run(t, line, { faults: [`EADDRINUSE`] })
    t.ok(performance.now() - begun - startTime < 1000)
    t.equal(code, 1)
    t.match(stderr, `127.0.0.1:${server.port}`)
    t.equal(stderr.split('\n').length, 2, 'one line')
  }
})

t.test(
  'a port below 1024 without the right: EACCES, exit 1',
  { skip: process.getuid?.() === 0 && 'root may' },
  async t => {
    t.equal((await run(t, ['serve', '1'], { faults: ['EACCES'] })).code, 1)
  },
)

t.test('nobody listens: ECONNREFUSED with the address, exit 1', async t => {
  const to = `127.0.0.1:${await freePort()}`
  const { code, stderr } = await run(t, ['send', '--to', to], { input: 'x', faults: ['ECONNREFUSED'] })
  t.equal(code, 1)
  t.match(stderr, to)
})

t.test('a name that does not exist: exit 1 and the name', async t => {
  const args = ['send', '--to', 'no-such-host.invalid:1']
  t.equal((await run(t, args, { input: 'x', faults: ['no-such-host.invalid'] })).code, 1)
})

t.test('serve --to: a target that ends before the data does has not taken it: exit 1 on both sides (G-35)', async t => {
  const targets: Socket[] = []
  const target = await listen(t, socket => void targets.push(socket.pause().end()))
  const server = await serve(t, ['0', '--to', target.to, '--once'], { faults: ['ended before the data did'] })
  const client = tcpPipe(t, ['send', '--to', server.to], { input: null, faults: ['ECONNRESET'] })
  client.child.stdin?.write(pattern(100_000))
  t.equal((await client.ended).code, 1)
  const { code, logs } = await server.ended
  t.equal(code, 1)
  t.match(logs.at(-1), { msg: 'connection failed', code: 'ERR_TARGET' })
  for (const socket of targets) socket.resetAndDestroy()
})

t.test('unix socket', async t => {
  t.test('serves, and is removed on exit (B-07)', async t => {
    const path = join(shortDirectory(t), 'socket')
    const server = await serve(t, [`unix:${path}`, '--reply', '--once'])
    t.equal(String((await run(t, ['send', '--to', `unix:${path}`], { input: 'hello' })).stdout), 'hello')
    const { code, logs } = await server.ended
    t.equal(code, 0)
    t.match(logs[1], { msg: 'connection closed', remote: 'unix', bytesIn: 5 })
    t.notOk(existsSync(path))
  })

  t.test('is removed after a signal (B-07)', async t => {
    const path = join(shortDirectory(t), 'socket')
    const server = await serve(t, [`unix:${path}`])
    t.ok(lstatSync(path).isSocket())
    server.kill('SIGTERM')
    t.equal((await server.ended).code, 0)
    t.notOk(existsSync(path))
  })

  t.test('in use: exit 1, and its server is left alone (B-07)', async t => {
    const path = join(shortDirectory(t), 'socket')
    const server = await serve(t, [`unix:${path}`, '--reply'])
    const { code } = await run(t, ['serve', `unix:${path}`], { faults: [/EADDRINUSE.*socket/] })
    t.equal(code, 1)
    t.equal(String(await exchange(t, { path }, 'still there')), 'still there')
    t.ok(server.child.exitCode === null)
  })

  t.test('left behind by a dead server: taken over (B-07)', async t => {
    const path = join(shortDirectory(t), 'socket')
    const dead = await serve(t, [`unix:${path}`])
    dead.kill('SIGKILL')
    await dead.ended
    t.ok(lstatSync(path).isSocket(), 'it was left behind')
    await serve(t, [`unix:${path}`, '--reply'])
    t.equal(String(await exchange(t, { path }, 'anew')), 'anew')
  })

  t.test('a regular file or a directory in its place is not touched (B-07)', async t => {
    const dir = shortDirectory(t)
    writeFileSync(join(dir, 'file'), 'precious')
    for (const path of [join(dir, 'file'), dir]) {
      const { code } = await run(t, ['serve', `unix:${path}`], { faults: ['the path exists and is not a socket'] })
      t.ok(code === 1 || code === 2)
    }
    t.ok(lstatSync(join(dir, 'file')).isFile())
  })

  t.test('a path that does not exist, and one where nobody listens: exit 1', async t => {
    const path = join(shortDirectory(t), 'nothing')
    t.equal((await run(t, ['send', '--to', `unix:${path}`], { faults: [/ENOENT.*nothing/] })).code, 1)
    writeFileSync(path, '')
    t.equal((await run(t, ['send', '--to', `unix:${path}`], { faults: [/ECONNREFUSED.*nothing/] })).code, 1)
  })
})

t.test('--retry', async t => {
  t.test('a server that appears later is found; the waits grow and are jittered', async t => {
    const port = await freePort()
    const client = tcpPipe(t, ['send', '--to', `127.0.0.1:${port}`, '--retry', '20'], { input: 'patient' })
    const third = await client.logged('not connected, trying again', () => client.logs.length >= 3)
    const waits = client.logs.map(({ wait }) => wait as number)
    for (const [i, wait] of waits.entries()) t.ok(wait >= 50 * 2 ** i && wait <= 100 * 2 ** i, `wait ${wait} ms`)
    t.match(third, { level: 40, error: /ECONNREFUSED/ })
    const server = await serve(t, [String(port), '--once'])
    t.equal(String((await server.ended).stdout), 'patient')
    t.equal((await client.ended).code, 0)
  })

  t.test('gives up after so many further attempts: exit 1', async t => {
    const port = await freePort()
    const args = ['send', '--to', `127.0.0.1:${port}`, '--retry', '2']
    const { code, logs } = await run(t, args, { input: 'x', faults: ['ECONNREFUSED'] })
    t.equal(code, 1)
    t.equal(logs.length, 3)
  })
})

async function listenOn(t: import('tap').Test, host: string, port: number, answer: string): Promise<boolean> {
  const server = createServer(socket => socket.on('error', () => {}).end(answer)).listen(port, host)
  cleanup(t, () => server.close())
  await once(server, 'listening')
  return true
}
