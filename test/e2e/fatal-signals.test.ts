import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
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
  onTerminal,
  type Process,
  proxy,
  serve,
  shortDirectory,
  tcpPipe,
} from './support.js'

const signals = (
  [
    ...(['SIGHUP', 'SIGQUIT', 'SIGABRT', 'SIGUSR2', 'SIGALRM', 'SIGXCPU', 'SIGVTALRM', 'SIGPROF'] as const),
    ...(['SIGIO', 'SIGPWR', 'SIGSTKFLT'] as const),
  ] satisfies NodeJS.Signals[]
).filter(signal => signal in constants.signals)

const program = `'${process.execPath}' '${cli}'`

/** A server of the test's own, its first client, and the error that this one gets. */
async function peer(t: Test): Promise<{ to: string; socket: Promise<Socket>; failure: Promise<unknown> }> {
  let accept: (socket: Socket) => void
  const socket = new Promise<Socket>(resolve => {
    accept = resolve
  })
  const { to } = await listen(t, socket => accept(socket.resume()))
  const failure = socket.then(each => new Promise(resolve => each.once('error', resolve).once('end', resolve)))
  return { to, socket, failure: bounded(failure, 'the reset') }
}

for (const signal of signals) {
  t.test(`send: ${signal} resets the peer, and the process ends by it (G-30)`, async t => {
    const { to, socket, failure } = await peer(t)
    const client = tcpPipe(t, ['send', '--to', to], { cwd: t.testdir(), input: null, faults: null })
    client.child.stdin?.write('half of it')
    await once(await socket, 'data')
    client.kill(signal)
    t.match(await failure, { code: 'ECONNRESET' })
    t.equal((await client.ended).signal, signal)
  })
}

t.test('SIGHUP to the sender: the output file keeps its unfinished name (G-30)', async t => {
  const cwd = t.testdir()
  const args = ['0', '--once', '-o', 'f', '-t', 'throttle 20m']
  const server = await serve(t, args, { cwd, faults: ['ECONNRESET'] })
  const client = tcpPipe(t, ['send', '/dev/zero', '--to', server.to], { faults: null })
  await eventually('bytes in the file', () => readdirSync(cwd).some(name => readFileSync(join(cwd, name)).length > 0))
  client.kill('SIGHUP')
  t.equal((await client.ended).signal, 'SIGHUP')
  t.equal((await server.ended).code, 1)
  t.notOk(existsSync(join(cwd, 'f')))
  t.equal(readdirSync(cwd).length, 1, 'what came before is kept')
})

for (const signal of ['SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const) {
  t.test(`serve: ${signal} resets its clients and logs their lines (G-30)`, async t => {
    const server = await serve(t, ['0'], { cwd: t.testdir(), faults: ['"closedBy":"signal"'] })
    const socket = await dial(t, server.port)
    socket.write('x')
    await server.printed('x')
    server.kill(signal)
    await bounded(closed(socket), 'the reset')
    t.match(socket.failed, { code: 'ECONNRESET' })
    t.equal((await server.ended).signal, signal)
  })

  t.test(`serve --from: ${signal} fails the client (G-30)`, async t => {
    const args = ['0', '--from', '/dev/zero', '-r', 'throttle 5m']
    const server = await serve(t, args, { cwd: t.testdir(), faults: null })
    const client = tcpPipe(t, ['send', '--to', server.to], { faults: ['ECONNRESET'] })
    await client.printed(1)
    server.kill(signal)
    t.equal((await client.ended).code, 1)
    t.equal((await server.ended).signal, signal)
  })

  t.test(`proxy: ${signal} resets both sides, also while it drains (G-30)`, async t => {
    const { to, socket, failure } = await peer(t)
    const server = await proxy(t, ['0', to], { cwd: t.testdir(), faults: null })
    const client = await dial(t, server.port)
    client.write('x')
    await once(await socket, 'data')
    server.kill('SIGTERM')
    await server.logged('draining')
    server.kill(signal)
    await bounded(closed(client), 'the reset')
    t.match(client.failed, { code: 'ECONNRESET' })
    t.match(await failure, { code: 'ECONNRESET' })
    t.equal((await server.ended).signal, signal)
  })
}

t.test('SIGHUP removes the unix socket, and ends the programs of exec (G-30)', async t => {
  const path = join(shortDirectory(t), 'socket')
  const stubborn = `exec sh -c 'trap "" TERM HUP; echo $$; exec sleep 60'`
  const server = await serve(t, [`unix:${path}`, '--reply', '-t', stubborn], { faults: null })
  const socket = await dial(t, { path })
  socket.write('x')
  const pid = Number(String((await bounded(once(socket, 'data'), 'the id of the program'))[0]))
  t.ok(isRunning(pid))
  server.kill('SIGHUP')
  t.equal((await server.ended).signal, 'SIGHUP')
  t.notOk(existsSync(path))
  await eventually('the program has ended', () => !isRunning(pid))
})

t.test('signals of Node’s own tools keep their meaning (G-30)', async t => {
  const dir = t.testdir()
  const tools = ['--cpu-prof', `--cpu-prof-dir=${dir}`, '--report-on-signal', `--report-directory=${dir}`]
  const server = launch(t, process.execPath, [...tools, cli, 'serve', '0', '--reply'], { input: null, faults: null })
  const { port } = await server.logged('listening')
  server.kill('SIGUSR2')
  await eventually('a report', () => readdirSync(dir).some(name => name.startsWith('report.')))
  t.equal(String(await exchange(t, Number(port), 'still there')), 'still there')
  server.kill('SIGTERM')
  t.equal((await server.ended).code, 0)
  t.ok(readdirSync(dir).some(name => name.endsWith('.cpuprofile')))
})

t.test('nohup: SIGHUP does not end it (G-31)', { skip: missing('nohup') }, async t => {
  const script = `nohup ${program} serve 0 --reply`
  const server = launch(t, 'bash', ['-c', script], { input: null })
  const { port } = await server.logged('listening')
  await survives(t, server, Number(port))
  server.kill('SIGTERM')
  t.equal((await server.ended).code, 0)
})

t.test('nohup: with TLS, SIGHUP still reloads the certificate (G-31)', { skip: missing('nohup') }, async t => {
  const script = `nohup ${program} serve 0 --tls auto`
  const server = launch(t, 'bash', ['-c', script], { input: null })
  await server.logged('listening')
  server.kill('SIGHUP')
  await server.logged('certificates reloaded')
  server.kill('SIGTERM')
  t.equal((await server.ended).code, 0)
})

const skip = missing('nohup') || missing('script')

t.test('nohup on a terminal: it outlives the terminal (G-31)', { skip }, async t => {
  const cwd = t.testdir()
  const script = `echo $$ > pid; exec env -u _ nohup ${program} serve 0 --reply > out 2> log`
  const terminal = onTerminal(t, script, { cwd })
  const { pid, port } = await listening(t, cwd)
  terminal.kill('SIGKILL')
  await terminal.ended
  await survives(t, { kill: signal => void process.kill(pid, signal) }, port)
})

t.test('a terminal that closes resets the clients (G-31)', { skip: missing('script') }, async t => {
  const cwd = t.testdir()
  const terminal = onTerminal(t, `echo $$ > pid; exec ${program} serve 0 2> log`, { cwd })
  const { pid, port } = await listening(t, cwd)
  const socket = await dial(t, port)
  socket.write('arrived')
  await terminal.printed('arrived')
  terminal.kill('SIGKILL')
  await bounded(closed(socket), 'the reset')
  t.match(socket.failed, { code: 'ECONNRESET' })
  await eventually('it has ended', () => !isRunning(pid))
})

/** A server that has written its id and its log to files. */
async function listening(t: Test, cwd: string): Promise<{ pid: number; port: number }> {
  const line = () => /^\{.*\n/m.exec(existsSync(join(cwd, 'log')) ? readFileSync(join(cwd, 'log'), 'utf8') : '')?.[0]
  await eventually('the line `listening`', () => line() !== undefined)
  const pid = Number(readFileSync(join(cwd, 'pid'), 'utf8'))
  cleanup(t, () => isRunning(pid) && process.kill(pid, 'SIGKILL'))
  return { pid, port: Number(JSON.parse(line() as string).port) }
}

async function survives(t: Test, server: Pick<Process, 'kill'>, port: number): Promise<void> {
  for (const text of ['once', 'again']) {
    server.kill('SIGHUP')
    t.equal(String(await exchange(t, port, text)), text)
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
