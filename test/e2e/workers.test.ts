/** `--workers`: several processes that share an address, and are one server for everybody else. */
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { certificates, dialTls, fateOf } from './certificates.js'
import {
  bounded,
  cleanup,
  closed,
  dial,
  eventually,
  exchange,
  launch,
  missing,
  type Options,
  onTerminal,
  pattern,
  proxy,
  run,
  type ServerProcess,
  serve as serveAlone,
  shortDirectory,
} from './support.js'

/** Two workers. */
function serve(t: Test, args: readonly string[], options?: Options): Promise<ServerProcess> {
  return serveAlone(t, ['0', '--workers', '2', ...args], options)
}

/** The processes that it has begun. */
function workersOf({ pid }: ServerProcess): number[] {
  return childrenOf(pid)
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
}

/** Resolves when the server has ended or reset the connection. */
async function over(client: Socket): Promise<void> {
  client.resume()
  if (client.readableEnded) client.destroy()
  else client.once('end', () => client.destroy())
  await bounded(closed(client), 'the end of a client')
}

/** The answer of the server to a client that it has taken, which knows by it that it is in. */
async function greeted(t: Test, port: number): Promise<Socket & { failed?: Error }> {
  const client = await dial(t, port)
  client.write('hello\n')
  await bounded(new Promise(resolve => client.once('data', resolve)), 'an answer')
  return client
}

/** Clients that come at once and say something: counts those that get an answer, and those whose connection ends. */
function burst(t: Test, port: number, size: number) {
  const count = { answers: 0, ends: 0 }
  const clients = Array.from({ length: size }, () => {
    const client = connect(port, '127.0.0.1').on('error', () => {})
    cleanup(t, () => void client.destroy())
    client.on('data', () => count.answers++).on('close', () => count.ends++)
    client.write('hello\n')
    return client
  })
  return { clients, count }
}

function errorsOf(clients: readonly (Socket & { failed?: NodeJS.ErrnoException })[]): (string | undefined)[] {
  return clients.map(({ failed }) => failed?.code)
}

async function metric(server: ServerProcess, name: string): Promise<number> {
  const { address, port } = await server.logged('metrics')
  const body = await (await fetch(`http://${address}:${port}/metrics`)).text()
  const line = body.split('\n').find(each => each.startsWith(`${name} `))
  return Number(line?.slice(name.length))
}

/** What the control socket says. */
async function stats(t: Test, server: ServerProcess) {
  const { control } = await server.logged('control socket')
  const path = String(control).slice('unix:'.length)
  return JSON.parse(String(await exchange(t, { path }, '{"id":1,"method":"stats"}\n'))).result
}

function controlled(t: Test): string[] {
  return ['--control', join(shortDirectory(t), 'control')]
}

t.test('connections go to all workers in turn; their ids are unique, and one line says where it listens', async t => {
  const folder = shortDirectory(t)
  const server = await serve(t, ['-o', join(folder, '{id}')])
  const names = Array.from({ length: 8 }, (_, i) => `client ${i}`)
  for (const name of names) await exchange(t, server.port, name)
  await eventually('eight lines', () => server.logs.filter(({ msg }) => msg === 'connection closed').length === 8)
  const lines = server.logs.filter(({ msg }) => msg === 'connection closed')
  t.same([...new Set(lines.map(({ worker }) => worker))].sort(), [1, 2])
  const ids = readdirSync(folder)
  t.same(ids.toSorted(), lines.map(({ connection }) => connection).sort())
  t.ok(
    ids.every(id => /^[0-9a-z]{10}$/.test(id)),
    'they have the usual form',
  )
  t.same(ids.map(id => readFileSync(join(folder, id), 'utf8')).sort(), names)
  server.kill('SIGTERM')
  t.equal((await server.ended).code, 0)
  const [listening, ...others] = server.logs.filter(({ msg }) => msg === 'listening')
  t.match(listening, { address: '127.0.0.1', family: 'IPv4', port: Number, workers: 2, maxConnections: Number })
  t.notMatch(listening, { worker: Number })
  t.same(others, [])
})

t.test('--append: several processes write to one file, whole records of each', async t => {
  const file = join(shortDirectory(t), 'all')
  const server = await serve(t, ['-o', file, '--append', '-t', 'grep .'])
  const texts = ['a', 'b', 'c', 'd'].map(letter => `${letter.repeat(9999)}\n`.repeat(20))
  await Promise.all(texts.map(text => exchange(t, server.port, text)))
  server.kill('SIGTERM')
  t.equal((await server.ended).code, 0)
  t.equal(readFileSync(file, 'utf8').split('\n').toSorted().join('\n'), `\n${texts.join('').trimEnd()}`)
})

t.test('--max-connections is exact over all workers (W-05)', async t => {
  const server = await serve(t, ['--reply', '--max-connections', '10', '--metrics', '0'])
  const { clients, count } = burst(t, server.port, 200)
  await eventually('ten answers and 190 resets', () => count.answers + count.ends === 200)
  t.equal(count.answers, 10)
  t.equal(await metric(server, 'tcp_pipe_connections_open'), 10)
  t.equal(await metric(server, 'tcp_pipe_connections_refused_total{reason="maxConnections"}'), 190)
  for (const client of clients) client.destroy()
  await eventually('room', async () => (await metric(server, 'tcp_pipe_connections_open')) === 0)
  const later = await Promise.all(Array.from({ length: 10 }, () => greeted(t, server.port)))
  server.kill('SIGTERM')
  for (const client of later) client.end()
  t.equal((await server.ended).code, 0)
  t.match(await server.logged('connections refused in total'), { refused: { maxConnections: 190 }, total: 190 })
  t.equal(server.logs.filter(({ msg }) => msg === 'connections refused in total').length, 1)
})

t.test('--max-per-ip is exact over all workers (W-05)', async t => {
  const server = await serve(t, ['--reply', '--max-per-ip', '3', '--metrics', '0'])
  const { count } = burst(t, server.port, 20)
  await eventually('three answers and 17 resets', () => count.answers + count.ends === 20)
  t.equal(count.answers, 3)
  t.equal(await metric(server, 'tcp_pipe_connections_refused_total{reason="maxPerIp"}'), 17)
})

t.test('a killed worker loses only its own connections, and is replaced (W-01)', async t => {
  const died = 'worker died'
  const args = ['--reply', '--max-connections', '4', ...controlled(t)]
  const server = await serve(t, args, { faults: [died] })
  const clients = [await greeted(t, server.port), await greeted(t, server.port)]
  clients.push(await greeted(t, server.port), await greeted(t, server.port))
  const open = (await stats(t, server)).connections as { number: number; port: number }[]
  const ofFirst = new Set(open.filter(({ number }) => number % 2 === 1).map(({ port }) => port))
  const [lost, others] = [true, false].map(is =>
    clients.filter(client => ofFirst.has(client.localPort as number) === is),
  )
  process.kill(workersOf(server)[0] as number, 'SIGKILL')
  t.match(await server.logged(died), { level: 50, signal: 'SIGKILL', connections: 2, worker: 1 })
  await Promise.all((lost as Socket[]).map(over))
  for (const client of others as Socket[]) {
    const data = pattern(300_000)
    const answer = buffer(client)
    client.end(data)
    t.ok(data.equals(await bounded(answer, 'the rest')), 'the clients of the other one go on')
  }
  await eventually('another worker', () => workersOf(server).length === 2)
  await eventually('room for four', async () => (await stats(t, server)).connections.length === 0)
  const later = await Promise.all([1, 2, 3, 4].map(() => greeted(t, server.port)))
  const { connections, accepted, failed, closed: causes } = await stats(t, server)
  t.equal(accepted, 8, 'what the dead one has counted stays')
  t.match([failed, causes], [2, { error: 2 }])
  const numbers = connections.map(({ number }: { number: number }) => number)
  t.equal(new Set(numbers).size, 4)
  t.ok(
    numbers.every((number: number) => number > 4),
    'numbers are not used again',
  )
  for (const client of later) client.destroy()
})

t.test('a client on its way to a worker that dies is reset (W-02)', async t => {
  const server = await serve(t, ['--reply'], { faults: ['worker died'] })
  const [first] = workersOf(server) as [number]
  process.kill(first, 'SIGSTOP')
  const { clients, count } = burst(t, server.port, 6)
  await eventually('the answers of the other one', () => count.answers >= 5)
  process.kill(first, 'SIGKILL')
  await server.logged('worker died')
  for (const client of clients.filter(({ bytesRead }) => bytesRead === 0)) await over(client)
  await eventually('an end', () => count.ends > 0)
  t.same(count, { answers: 5, ends: 1 })
})

t.test('workers that die again and again end it (W-03)', async t => {
  const stage = join(shortDirectory(t), 'die.mjs')
  writeFileSync(stage, 'export default () => process.exit(7)')
  const faults = ['worker died', 'worker died', 'worker died', 'worker died', 'worker died', /again and again/]
  const server = await serve(t, ['--reply', '-t', stage], { faults })
  for (let deaths = 1; deaths <= 5; deaths++) {
    const isDead = () => server.logs.filter(({ msg }) => msg === 'worker died').length >= deaths
    await eventually('a death', async () => {
      const client = await dial(t, server.port).catch(() => undefined)
      client?.write('x')
      if (client) await over(client)
      return isDead()
    })
  }
  const { code } = await server.ended
  t.equal(code, 1)
  t.match(
    server.logs.find(({ msg }) => msg === 'worker died'),
    { code: 7, connections: Number },
  )
})

t.test('a worker that cannot start ends it at once (W-03)', async t => {
  const stage = join(shortDirectory(t), 'not-here.mjs')
  writeFileSync(
    stage,
    `import cluster from 'node:cluster'
     if (cluster.isWorker) throw new Error('not in a worker')
     export default () => chunk => chunk`,
  )
  const { code, stderr, logs } = await run(t, ['serve', '0', '--workers', '2', '--reply', '-t', stage], {
    faults: null,
  })
  t.equal(code, 1)
  t.match(stderr, /^tcp-pipe: .*not in a worker/m)
  t.match(stderr, /^tcp-pipe: worker \d cannot start: it ended with exit code 2$/m)
  t.same(logs, [])
})

t.test('an address in use: the error of a single process', async t => {
  const server = await serve(t, ['--reply'])
  const { code, stderr } = await run(t, ['serve', String(server.port), '--workers', '2', '--reply'], {
    faults: ['EADDRINUSE'],
  })
  t.equal(code, 1)
  t.match(stderr, /^tcp-pipe: [^\n]*EADDRINUSE/)
})

t.test('a signal drains all workers: what runs completes, and nobody comes in (W-06)', async t => {
  const folder = shortDirectory(t)
  const server = await serve(t, ['-o', join(folder, '{id}')])
  const clients = await Promise.all([1, 2, 3, 4].map(() => dial(t, server.port)))
  for (const client of clients) client.write('begin ')
  await eventually('four files', () => readdirSync(folder).length === 4)
  process.kill(-server.pid, 'SIGINT') // as a terminal sends it, to all
  t.match(await server.logged('draining'), { signal: 'SIGINT', connections: 4 })
  await t.rejects(dial(t, server.port), { code: 'ECONNREFUSED' })
  for (const client of clients) client.end('end')
  t.equal((await server.ended).code, 0)
  t.same(
    readdirSync(folder).map(name => readFileSync(join(folder, name), 'utf8')),
    Array(4).fill('begin end'),
  )
  t.equal(server.logs.filter(({ msg }) => msg === 'draining').length, 1)
  t.equal(server.logs.filter(({ msg }) => msg === 'connection closed').length, 4)
})

t.test('the line about the drain does not wait for a worker that hangs', async t => {
  const server = await serve(t, ['--reply', '--drain-timeout', 'off'])
  const [halted] = workersOf(server) as [number]
  process.kill(halted, 'SIGSTOP')
  server.kill('SIGTERM')
  await server.logged('draining')
  process.kill(halted, 'SIGCONT')
  t.equal((await server.ended).code, 0)
})

t.test('what has not ended after the drain timeout is reset, in all workers', async t => {
  const faults = [/"cut":2/, 'connection failed', 'connection failed']
  const server = await serve(t, ['--reply', '--drain-timeout', '200ms'], { faults })
  const clients = await Promise.all([1, 2].map(() => greeted(t, server.port)))
  server.kill('SIGTERM')
  await Promise.all(clients.map(closed))
  t.match(errorsOf(clients), ['ECONNRESET', 'ECONNRESET'])
  t.equal((await server.ended).code, 1)
})

t.test('a second signal resets at once (W-06)', async t => {
  const server = await serve(t, ['--reply'], { faults: null })
  const clients = await Promise.all([1, 2].map(() => greeted(t, server.port)))
  process.kill(-server.pid, 'SIGTERM')
  await server.logged('draining')
  process.kill(-server.pid, 'SIGINT')
  await Promise.all(clients.map(closed))
  t.match(errorsOf(clients), ['ECONNRESET', 'ECONNRESET'])
  const { signal, logs } = await server.ended
  t.equal(signal, 'SIGINT')
  t.match(logs.at(-1), { msg: 'connections reset at a second signal', signal: 'SIGINT', cut: 2 })
  t.notOk(logs.some(({ msg }) => msg.includes('after the drain timeout')))
})

t.test('a primary that is killed takes its workers with it, and their clients see a reset (W-04)', async t => {
  const server = await serve(t, ['--reply'], { faults: null })
  const workers = workersOf(server)
  const clients = await Promise.all([1, 2].map(() => greeted(t, server.port)))
  process.kill(server.pid, 'SIGKILL')
  await bounded(Promise.all(clients.map(closed)), 'the end of the clients')
  t.match(errorsOf(clients), ['ECONNRESET', 'ECONNRESET'])
  await eventually('no worker', () => !workers.some(isAlive))
})

t.test('--tls auto: one certificate for all workers, also for a later one, and after SIGHUP', async t => {
  // With a limit, the beginning of a handshake waits for the answer of the primary.
  const server = await serve(t, ['--reply', '--tls', 'auto', '--max-connections', '9'], { faults: ['worker died'] })
  const { pin } = await server.logged('listening')
  const send = () => run(t, ['send', '--to', `tls://${server.to}`, '--pin', String(pin), '-q'], { input: 'hello' })
  const sent = async (count: number) => {
    for (let i = 0; i < count; i++) t.match(await send(), { code: 0, stdout: Buffer.from('hello') })
  }
  await sent(2)
  server.kill('SIGHUP')
  t.equal((await server.logged('certificates reloaded')).pin, pin)
  process.kill(workersOf(server)[0] as number, 'SIGKILL')
  await server.logged('worker died')
  await eventually('another worker', () => workersOf(server).length === 2)
  await sent(3)
})

t.test('SIGHUP reloads the certificates of all workers', { skip: missing('openssl') }, async t => {
  const files = certificates(t)
  const folder = shortDirectory(t)
  const [cert, key] = [join(folder, 'cert'), join(folder, 'key')]
  const install = (name: 'server' | 'renewed') => {
    copyFileSync(files.of(name).cert, cert)
    copyFileSync(files.of(name).key, key)
  }
  install('server')
  const faults = ['keeping the old ones', 'worker died']
  const server = await serve(t, ['--reply', '--tls', '--cert', cert, '--key', key], { faults })
  const subject = async () => {
    const client = await dialTls(t, server.port)
    const { CN } = client.getPeerCertificate().subject
    client.end()
    t.equal(await fateOf(client), 'end')
    return CN
  }
  t.same([await subject(), await subject()], ['server', 'server'])
  writeFileSync(cert, 'broken')
  server.kill('SIGHUP')
  await server.logged('certificates not reloaded; keeping the old ones')
  t.same([await subject(), await subject()], ['server', 'server'])
  install('renewed')
  server.kill('SIGHUP')
  t.equal((await server.logged('certificates reloaded')).pin, files.pin('renewed'))
  t.same([await subject(), await subject()], ['renewed', 'renewed'])
  process.kill(workersOf(server)[0] as number, 'SIGKILL')
  await server.logged('worker died')
  await eventually('another worker', () => workersOf(server).length === 2)
  t.same([await subject(), await subject(), await subject()], ['renewed', 'renewed', 'renewed'])
})

t.test('a unix socket with its permissions: a stale one is replaced, and it is gone at the end', async t => {
  const path = join(shortDirectory(t), 'socket')
  const stale = `require('net').createServer().listen('${path}', () => process.kill(process.pid, 'SIGKILL'))`
  await launch(t, process.execPath, ['-e', stale]).ended
  t.ok(existsSync(path))
  const server = await serveAlone(t, [`unix:${path}`, '--workers', '2', '--reply', '--socket-mode', '600'])
  t.equal(statSync(path).mode & 0o777, 0o600)
  for (const text of ['one', 'two', 'three']) t.equal(String(await exchange(t, { path }, text)), text)
  server.kill('SIGTERM')
  t.equal((await server.ended).code, 0)
  t.equal(server.logs.filter(({ msg }) => msg === 'connection closed').length, 3, 'nobody else has come')
  t.notOk(existsSync(path))
})

t.test('the metrics, the control socket and top show the sums of what was sent', async t => {
  const server = await serve(t, ['-t', 'grep .', '-o', '/dev/null', '--metrics', '0', ...controlled(t)])
  const sizes = [1, 10, 100, 1000, 10_000, 100_000]
  await Promise.all(sizes.map(size => exchange(t, server.port, `${'x'.repeat(size - 1)}\n`)))
  const sum = 111_111
  await eventually(
    'all ended',
    async () => (await metric(server, 'tcp_pipe_connections_closed_total{reason="peer"}')) === 6,
  )
  const shown = await stats(t, server)
  t.match(shown, { accepted: 6, bytesIn: sum, closed: { peer: 6 }, durations: { count: 6 }, pid: server.pid })
  t.match(shown.stages, [{ name: 'grep', direction: 'forward', bytesIn: sum }])
  t.equal(shown.stages.length, 1)
  for (const [name, value] of [
    ['tcp_pipe_connections_accepted_total', 6],
    ['tcp_pipe_bytes_total{direction="in"}', sum],
    ['tcp_pipe_connection_duration_seconds_count', 6],
    ['tcp_pipe_stage_bytes_total{stage="grep",direction="forward",flow="in"}', sum],
  ] as const)
    t.equal(await metric(server, name), value, name)
  for (const worker of ['primary', '1', '2'])
    t.ok((await metric(server, `process_resident_memory_bytes{worker="${worker}"}`)) > 1e6, worker)
  const { control } = await server.logged('control socket')
  const { stdout } = await run(t, ['top', '--json', '--once', String(control)])
  t.match(JSON.parse(String(stdout).split('\n')[0] as string), { accepted: 6, bytesIn: sum })
})

t.test('the control socket closes and resets a connection, whichever worker has it', async t => {
  const server = await serve(t, ['--reply', ...controlled(t)], { faults: ['reset through the control socket'] })
  const clients = [await greeted(t, server.port), await greeted(t, server.port)]
  const { connections } = await stats(t, server)
  const numbers = connections.map(({ number }: { number: number }) => number) as number[]
  t.same(numbers.toSorted(), [1, 2])
  const path = String((await server.logged('control socket')).control).slice('unix:'.length)
  for (const [i, method] of ['close', 'reset'].entries()) {
    const request = JSON.stringify({ id: 1, method, connection: numbers[i] })
    t.match(JSON.parse(String(await exchange(t, { path }, `${request}\n`))), { result: { connection: numbers[i] } })
  }
  await Promise.all(clients.map(over))
  await server.logged('connection closed', ({ reason }) => reason === 'closed through the control socket')
})

t.test('proxy: the same', async t => {
  const target = await serveAlone(t, ['0', '--reply'])
  const server = await proxy(t, ['0', target.to, '--workers', '2'])
  t.match(await server.logged('listening'), { to: target.to, workers: 2 })
  for (const text of ['one', 'two']) t.equal(String(await exchange(t, server.port, text)), text)
  const lines = () => server.logs.filter(({ msg }) => msg === 'connection closed')
  await eventually('two lines', () => lines().length === 2)
  t.same(
    lines()
      .map(({ worker }) => worker)
      .sort(),
    [1, 2],
  )
})

t.test('--stats: the reports of all workers, whole', async t => {
  const server = await serve(t, ['--reply', '-t', 'grep .', '--stats', 'json'])
  for (const text of ['one\n', 'two\n']) await exchange(t, server.port, text)
  await eventually('two reports', () => server.logs.filter(({ msg }) => msg === 'stats').length === 2)
  t.same(
    server.logs
      .filter(({ msg }) => msg === 'stats')
      .map(({ worker }) => worker)
      .sort(),
    [1, 2],
  )
})

t.test('a person sees who connects, and which worker has died', async t => {
  const words = 'tcp-pipe serve 0 --workers 2 --reply'
  const terminal = onTerminal(t, words)
  const where = /listening on 127\.0\.0\.1:(\d+); 2 workers/
  const port = Number(where.exec(String(await terminal.printed(where)))?.[1])
  const client = await greeted(t, port)
  await terminal.printed(`127.0.0.1:${client.localPort} connected`)
  client.end()
  await terminal.printed(`127.0.0.1:${client.localPort} received 6`)
  terminal.child.stdin?.write('\x03')
  await terminal.ended
})

t.test('what one process must do alone is a mistake', async t => {
  const file = join(shortDirectory(t), 'x')
  const mistakes: [string[], string][] = [
    [
      ['serve', '--workers', '0', '--reply'],
      "--workers: '0' is not allowed; expected auto or a whole number from 1 to 256",
    ],
    [['serve', '--workers', 'many', '--reply'], "--workers: 'many' is not allowed; expected auto or a whole number"],
    [['serve', '--workers', '257', '--reply'], "--workers: '257' is not allowed"],
    [
      ['serve', '--workers', '2', '--once', '--reply'],
      '--workers and --once exclude each other: it takes one connection',
    ],
    [['serve', '--workers', '2', '--chat'], '--workers and --chat exclude each other'],
    [['serve', '--workers', '2', '--reliable', '-o', `${file}{name}`], '--workers and --reliable exclude each other'],
    [['serve', 'reliable://:0', '--workers', '2', '-o', `${file}{id}`], '--workers and reliable:// exclude each other'],
    [['serve', '--workers', '2'], '--workers and stdout exclude each other: several processes would tear the lines'],
    [['serve', '--workers', '2', '--from', '-', '--once', '--reply'], 'exclude each other'],
    [['proxy', '--workers', '2', '--once', '0', ':1'], '--workers and --once exclude each other'],
  ]
  for (const [line, says] of mistakes) {
    const { code, stderr } = await run(t, line, { faults: [says] })
    t.equal(code, 2, line.join(' '))
    t.match(stderr, /^tcp-pipe: [^\n]*\n$/)
  }
})
