/** `--control`: the socket of a running server, its permissions, its protocol and its end. */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { closed, dial, eventually, exchange, proxy, run, type ServerProcess, serve, shortDirectory } from './support.js'

interface Controlled {
  server: ServerProcess
  path: string
  env: Record<string, string>
}

async function controlled(t: Test, faults: readonly string[] = []): Promise<Controlled> {
  const env = { XDG_RUNTIME_DIR: shortDirectory(t) }
  const server = await serve(t, ['0', '--reply', '--control'], { env, faults })
  const { control } = await server.logged('control socket')
  return { server, env, path: String(control).replace(/^unix:/, '') }
}

async function asked(t: Test, path: string, ...lines: string[]): Promise<unknown[]> {
  const answers = String(await exchange(t, { path }, lines.map(line => `${line}\n`).join('')))
  return answers
    .trim()
    .split('\n')
    .map(answer => JSON.parse(answer))
}

const stats = '{"id":1,"method":"stats"}'

t.test('the default socket is in the runtime folder, of its user alone', async t => {
  const { server, path, env } = await controlled(t)
  t.equal(path, join(env.XDG_RUNTIME_DIR as string, 'tcp-pipe', `${server.pid}.sock`))
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(statSync(join(path, '..')).mode & 0o777, 0o700)
  const result = { pid: server.pid, name: 'serve', address: server.to, command: 'tcp-pipe serve 0 --reply --control' }
  t.match(await asked(t, path, stats), [{ id: 1, result: { ...result, accepted: 0, connections: [] } }])
})

t.test('without XDG_RUNTIME_DIR it is in a folder of the user, in that for temporary files', async t => {
  const TMPDIR = shortDirectory(t)
  for (const XDG_RUNTIME_DIR of ['', join(TMPDIR, 'missing'), 'relative']) {
    const server = await serve(t, ['0', '--control', '--once'], { env: { XDG_RUNTIME_DIR, TMPDIR } })
    const folder = join(TMPDIR, `tcp-pipe-${process.getuid?.()}`)
    t.equal(statSync(folder).mode & 0o777, 0o700)
    t.equal(statSync(join(folder, `${server.pid}.sock`)).mode & 0o777, 0o600)
    await exchange(t, server.port, '')
    t.equal((await server.ended).code, 0)
    t.same(readdirSync(folder), [])
  }
})

t.test('an address of its own, for a proxy', async t => {
  const path = join(shortDirectory(t), 'own')
  const target = await serve(t, ['0', '--reply'])
  for (const words of [[`--control=${path}`], ['--control', path], ['--control', `unix:${path}`]]) {
    const server = await proxy(t, [...words, '0', target.to])
    t.match(await asked(t, path, stats), [{ result: { name: 'proxy', address: server.to } }])
    t.equal(statSync(path).mode & 0o777, 0o600)
    server.kill('SIGTERM')
    await server.ended
    t.notOk(existsSync(path))
  }
})

t.test('an address to listen on is not taken for that of the socket', async t => {
  const env = { XDG_RUNTIME_DIR: shortDirectory(t) }
  for (const address of ['0', '127.0.0.1:0', ':0', 'tcp://127.0.0.1:0']) {
    const server = await serve(t, ['--control', address], { env })
    t.ok(server.port > 0, address)
  }
})

t.test('the environment can ask for it', async t => {
  const XDG_RUNTIME_DIR = shortDirectory(t)
  const server = await serve(t, ['0'], { env: { XDG_RUNTIME_DIR, TCP_PIPE_SERVE_CONTROL: '1' } })
  await server.logged('control socket')
  t.same(readdirSync(join(XDG_RUNTIME_DIR, 'tcp-pipe')), [`${server.pid}.sock`])
})

t.test('close and reset of a connection', async t => {
  const { server, path } = await controlled(t, ['reset through the control socket'])
  const first = await dial(t, server.port)
  const second = await dial(t, server.port)
  await eventually('two connections', async () => {
    const [answer] = (await asked(t, path, stats)) as [{ result: { accepted: number } }]
    return answer.result.accepted === 2
  })
  const lines = ['{"id":"a","method":"close","connection":1}', '{"id":"b","method":"reset","connection":2}']
  t.same(await asked(t, path, ...lines), [
    { id: 'a', result: { connection: 1 } },
    { id: 'b', result: { connection: 2 } },
  ])
  first.resume().end()
  await Promise.all([closed(first), closed(second.resume())])
  t.notOk(first.failed)
  t.match(second.failed, { code: 'ECONNRESET' })
  await server.logged('connection closed', line => line.reason === 'closed through the control socket')
  await server.logged('connection failed', line => line.error === 'reset through the control socket')
  t.match(await asked(t, path, lines[0] as string), [
    { error: { message: /1 is not the number of an open connection/ } },
  ])
})

t.test('malformed lines are answered with errors, and the connection goes on', async t => {
  const { path } = await controlled(t)
  const answers = await asked(t, path, 'x', `"${'x'.repeat(1_000_000)}"`, '{"id":5,"method":"exit"}', stats)
  t.match(answers, [
    { id: null, error: { message: /a request is a JSON object/ } },
    { id: null, error: { message: /longer than 65536 bytes/ } },
    { id: 5, error: { message: /"exit" is not allowed; expected stats, close or reset/ } },
    { id: 1, result: { accepted: 0 } },
  ])
})

t.test('many clients at once, and one that reads nothing holds nobody', async t => {
  const { path, server } = await controlled(t)
  const slow = await dial(t, { path })
  slow.pause()
  slow.write(`${stats}\n`.repeat(20_000))
  const answers = await Promise.all(Array.from({ length: 25 }, () => asked(t, path, stats, stats)))
  t.equal(answers.flat().length, 50)
  t.equal(String(await exchange(t, server.port, 'hello')), 'hello')
})

t.test('every end that can be caught removes the socket', async t => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) {
    const { server, path } = await controlled(t)
    t.ok(existsSync(path))
    server.kill(signal)
    await server.ended
    t.notOk(existsSync(path), signal)
  }
})

t.test('the socket answers while the server drains, and is removed after the drain timeout', async t => {
  const env = { XDG_RUNTIME_DIR: shortDirectory(t) }
  const faults = ['connection failed', 'connections reset after the drain timeout']
  const server = await serve(t, ['0', '--reply', '--control', '--drain-timeout', '1'], { env, faults })
  const client = await dial(t, server.port)
  client.resume().write('x')
  const { control } = await server.logged('control socket')
  const path = String(control).slice('unix:'.length)
  await eventually('the connection', async () => JSON.stringify(await asked(t, path, stats)).includes('"number":1'))
  server.kill('SIGTERM')
  await server.logged('draining')
  t.match(await asked(t, path, stats), [{ result: { connections: [{ number: 1 }] } }])
  t.equal((await server.ended).code, 1)
  t.notOk(existsSync(path))
})

t.test('a server that cannot listen leaves no socket', async t => {
  const { server, env } = await controlled(t)
  const result = await run(t, ['serve', `${server.port}`, '--control'], { env, faults: ['EADDRINUSE'] })
  t.equal(result.code, 1)
  t.same(readdirSync(join(env.XDG_RUNTIME_DIR as string, 'tcp-pipe')), [`${server.pid}.sock`])
})

t.test('after kill -9 the next server takes over the socket', async t => {
  const path = join(shortDirectory(t), 'own')
  const first = await serve(t, ['0', '--control', path])
  first.kill('SIGKILL')
  await first.ended
  t.ok(existsSync(path))
  const second = await serve(t, ['0', '--control', path])
  t.match(await asked(t, path, stats), [{ result: { pid: second.pid } }])
  const third = await run(t, ['serve', '0', '--control', path], { faults: ['EADDRINUSE'] })
  t.equal(third.code, 1)
  t.match(await asked(t, path, stats), [{ result: { pid: second.pid } }])
})

const isRoot = process.getuid?.() === 0

t.test('a folder that others may write to, or that belongs to another user, is refused', async t => {
  const refused = async (env: Record<string, string>, why: string, ...words: string[]) => {
    const { code } = await run(t, ['serve', '0', '--control', ...words], { env, faults: [why] })
    t.equal(code, 1, why)
  }
  const open = shortDirectory(t)
  chmodSync(open, 0o770)
  await refused({ XDG_RUNTIME_DIR: open }, `cannot be in ${open}: other users may write to it (mode 770)`)
  await refused({ XDG_RUNTIME_DIR: `${open}/` }, `cannot be in ${open}: other users may write to it (mode 770)`)
  await refused({}, `cannot be in ${open}: other users may write to it`, join(open, 'own'))
  const base = shortDirectory(t)
  mkdirSync(join(base, 'tcp-pipe'))
  chmodSync(join(base, 'tcp-pipe'), 0o702)
  await refused({ XDG_RUNTIME_DIR: base }, 'other users may write to it (mode 702)')
  const TMPDIR = shortDirectory(t)
  symlinkSync(base, join(TMPDIR, `tcp-pipe-${process.getuid?.()}`))
  await refused({ XDG_RUNTIME_DIR: '', TMPDIR }, 'it is not a folder')
  await refused({}, 'ENOENT', join(base, 'missing/own'))
})

t.test('a folder of another user is refused', { skip: !isRoot && 'needs root' }, async t => {
  const base = shortDirectory(t)
  mkdirSync(join(base, 'tcp-pipe'), { mode: 0o700 })
  chownSync(join(base, 'tcp-pipe'), 12345, 12345)
  const env = { XDG_RUNTIME_DIR: base }
  const faults = ['it belongs to another user']
  t.equal((await run(t, ['serve', '0', '--control'], { env, faults })).code, 1)
  t.equal((await run(t, ['top', '--once'], { env, faults })).code, 1)
})

t.test('usage errors', async t => {
  for (const [words, message] of [
    [['serve', '0', '--control=:4000'], "--control: ':4000' is not allowed; expected unix:path or a path"],
    [['serve', '0', '--control='], '--control: '],
    [['proxy', '--control=tcp://x:1', '0', '1'], "--control: 'tcp://x:1' is not allowed"],
    [['send', '--control'], "unknown option '--control'"],
  ] as const)
    t.equal((await run(t, words, { faults: [message] })).code, 2, message)
})

t.test('explain knows it', async t => {
  const { stdout } = await run(t, ['explain', 'serve', '--control', '0'])
  t.match(String(stdout), /--control +yes \(command line\)/)
  const other = await run(t, ['explain', 'serve', '--control', '/run/x', '0'])
  t.match(String(other.stdout), /--control +unix:\/run\/x \(command line\)/)
})
