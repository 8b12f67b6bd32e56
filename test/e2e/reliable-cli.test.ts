import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  eventually,
  launch,
  listen,
  missing,
  type Options,
  onTerminal,
  pattern,
  proxy,
  run,
  type ServerProcess,
  serve,
  tcpPipe,
} from './support.js'

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

/** A folder with `in` for the receiver, and the key of the sender in it. */
function place(t: Test, files: Record<string, Uint8Array | string> = {}) {
  const dir = t.testdir({ in: {} })
  for (const [name, data] of Object.entries(files)) {
    mkdirSync(join(dir, name, '..'), { recursive: true })
    writeFileSync(join(dir, name), data)
  }
  const own: Options = { cwd: dir, env: { XDG_STATE_HOME: join(dir, 'state') } }
  const found = (name: string) => readFileSync(join(dir, 'in', name))
  return {
    ...{ dir, own, found },
    receive: (words: readonly string[] = [], options: Options = {}, at = '0') =>
      serve(t, [at, '--reliable', '-o', 'in/{name}', ...words], { ...own, ...options }),
    send: ({ to }: Pick<ServerProcess, 'to'>, words: readonly string[], options: Options = {}) =>
      run(t, ['send', '--reliable', '--to', to, ...words], { ...own, ...options }),
    left: () => readdirSync(join(dir, 'in'), { recursive: true }).sort(),
  }
}

t.test('files, folders and stdin over one connection, each with a receipt', async t => {
  const big = pattern(3_000_000)
  const files = { 'x/a.bin': big, 'x/photos/b.jpg': 'b', 'x/photos/in/c.jpg': 'c', 'x/photos/d': '' }
  const { dir, found, receive, send, left } = place(t, files)
  const server = await receive(['--once'])
  const words = ['x/a.bin', 'x/photos/', '-', '--name', 'dir/std.in', '--receipt', 'receipts']
  const { code, logs, stdout } = await send(server, words, { input: 'input' })
  t.same([code, String(stdout)], [0, ''])
  t.equal((await server.ended).code, 0, '--once takes all files of a call')
  const names = ['a.bin', 'photos/b.jpg', 'photos/d', 'photos/in/c.jpg', 'dir/std.in']
  const data = [big, Buffer.from('b'), Buffer.alloc(0), Buffer.from('c'), Buffer.from('input')]
  const receipts = readFileSync(join(dir, 'receipts'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.match(
    receipts,
    names.map((name, i) => ({
      ...{ name, bytes: data[i]?.length, sha256: sha256(data[i] as Buffer), reconnects: 0 },
      duration: Number,
    })),
  )
  for (const [i, name] of names.entries()) t.ok(found(name).equals(data[i] as Buffer), name)
  t.same(
    left().filter(name => /part|session/.test(String(name))),
    [],
  )
  const ends = logs.filter(({ msg }) => msg === 'connection closed')
  t.same(
    ends.map(({ session }) => (session as { sha256: string }).sha256),
    receipts.map(each => each.sha256),
  )
  t.equal(new Set(server.logs.filter(({ msg }) => msg === 'connection closed').map(({ remote }) => remote)).size, 1)
})

t.test('the digest of a receipt is that of sha256sum', { skip: missing('sha256sum') }, async t => {
  const { dir, own, receive, send } = place(t, { 'a.bin': pattern(100_000) })
  await send(await receive(), ['a.bin', '--receipt', 'r'])
  const { stdout } = await launch(t, 'sha256sum', ['in/a.bin'], own).ended
  t.equal(JSON.parse(readFileSync(join(dir, 'r'), 'utf8')).sha256, String(stdout).slice(0, 64))
})

t.test('an equal file is skipped, another one is refused, and the next one is sent; --force replaces it', async t => {
  const { found, receive, send } = place(t, { 'a/f': 'first', 'b/f': 'another', 'b/g': 'g', 'c/f': 'ANOTHER' })
  const faults = ["'in/f' exists"]
  const server = await receive([], { faults })
  t.equal((await send(server, ['a/f'])).code, 0)
  const again = await send(server, ['a/f', '--receipt', 'r'], { env: { TCP_PIPE_LOG_FORMAT: 'text' }, faults: null })
  t.match([again.code, again.stderr], [0, /✓ f {2}5 B {2}sha256 \w{12}… {2}.*; skipped: equal file is there\n/])
  t.match(await server.logged('connection closed', ({ sink }) => 'skipped' in (sink as object)), { session: {} })
  const refused = await send(server, ['b/f', 'b/g'], { faults: ['not sent'] })
  t.equal(refused.code, 1)
  t.match(refused.logs[0], { msg: 'not sent', file: 'b/f', error: /^refused: 'in\/f' exists; --force replaces it/ })
  t.same([String(found('f')), String(found('g'))], ['first', 'g'])
  const replaces = await receive(['--force'], { faults: ['the receiver has other bytes'] }) // that of c/f, of the same size
  for (const [file, data] of [
    ['b/f', 'another'],
    ['c/f', 'ANOTHER'],
  ] as const) {
    t.equal((await send(replaces, [file])).code, 0)
    t.equal(String(found('f')), data)
  }
})

t.test('links and sockets in a folder are skipped, which is exit code 1', async t => {
  const { dir, receive, send, found } = place(t, { 'f/a': 'a', 'f/z': 'z' })
  symlinkSync('a', join(dir, 'f/link'))
  const { code, logs } = await send(await receive(), ['f'])
  t.equal(code, 1)
  t.match(logs[0], { msg: 'skipped', file: 'f/link', why: 'it is a symbolic link' })
  t.same([String(found('f/a')), String(found('f/z'))], ['a', 'z'])
})

t.test('stages run on both sides; the receipt has what was sent and what was written', async t => {
  const { dir, receive, send, found } = place(t, { a: 'text' })
  const server = await receive(['-t', 'gunzip'])
  t.equal((await send(server, ['a', '-t', 'gzip', '--receipt', 'r'])).code, 0)
  t.equal(String(found('a')), 'text')
  const receipt = JSON.parse(readFileSync(join(dir, 'r'), 'utf8'))
  t.match(receipt, { name: 'a', written: { bytes: 4, sha256: sha256(Buffer.from('text')) } })
  t.not(receipt.sha256, receipt.written.sha256)
})

t.test('--preserve keeps permissions and times; without it they are those of a new file', async t => {
  const { dir, receive, send } = place(t, { a: 'a', b: 'a' })
  utimesSync(join(dir, 'a'), 1e9, 1e9)
  const server = await receive()
  t.equal((await send(server, ['a', '--preserve'])).code, 0)
  t.equal((await send(server, ['b'])).code, 0)
  t.equal(statSync(join(dir, 'in/a')).mtimeMs, 1e12)
  t.not(statSync(join(dir, 'in/b')).mtimeMs, 1e12)
})

t.test('the reply of the receiver is on stdout; without -o it writes to stdout', async t => {
  const { own, send } = place(t)
  const echo = await serve(t, ['0', '--reliable', '--reply', '-t', 'hex plain=true'], own)
  t.equal(String((await send(echo, [], { input: 'hi' })).stdout), '6869\n')
  const printing = await serve(t, ['reliable://127.0.0.1:0', '--once'], own)
  t.equal((await send(printing, [], { input: 'data' })).code, 0)
  t.equal(String((await printing.ended).stdout), 'data')
})

t.test('a receiver that needs a name gets one, or the transfer is refused', async t => {
  const { receive, send } = place(t)
  const needs = 'the sender gives no name; it needs --name'
  const server = await receive([], { faults: [needs] })
  t.equal((await send(server, [], { input: 'x', faults: [needs] })).code, 1)
})

for (const [title, listen, words] of [
  ['--tls', ['0', '--reliable', '--tls', 'auto'], (to: string) => ['--reliable', '--tls', '--to', to]],
  ['tls://', ['tls://:0', '--reliable', '--tls', 'auto'], (to: string) => ['--reliable', '--to', `tls://${to}`]],
  ['reliable+tls://', ['reliable+tls://:0', '--tls', 'auto'], (to: string) => ['--to', `reliable+tls://${to}`]],
] as const)
  t.test(`over TLS: ${title}`, async t => {
    const { own, found } = place(t, { a: 'secret' })
    const server = await serve(t, [...listen, '-o', 'in/{name}'], own)
    const { pin } = await server.logged('listening')
    const { code } = await run(t, ['send', ...words(server.to), '--pin', String(pin), 'a'], own)
    t.same([code, String(found('a'))], [0, 'secret'])
  })

const large = pattern(8_000_000)
/** Takes seconds: a slow machine does not miss the middle. */
const slow = ['-t', 'throttle rate=2m']
/** Takes longer than anything that is awaited before its end. */
const endless = ['-t', 'throttle rate=1m']
/** With a check, from which a receiver goes on, at each quarter. */
const window = ['--window', '2m']

const partIs = (dir: string, size: number) =>
  eventually('a part', () => existsSync(join(dir, 'in/a.part')) && statSync(join(dir, 'in/a.part')).size > size)

/** The receiver has noted a digest, after the line that says whose part it is. */
const isNoted = (dir: string) =>
  eventually('a note', () => {
    const path = join(dir, 'in/a.part.session')
    return existsSync(path) && readFileSync(path, 'utf8').split('\n').length > 2
  })

t.test('the receiver is killed and started again: the transfer goes on', async t => {
  const { dir, own, receive, found, left } = place(t, { a: large })
  const first = await receive([], { faults: null })
  const sender = tcpPipe(t, ['send', '--reliable', '--to', first.to, 'a', '--receipt', 'r', ...window, ...slow], own)
  await isNoted(dir)
  process.kill(-first.pid, 'SIGKILL')
  await first.ended
  const second = await receive([], {}, String(first.port))
  t.equal((await sender.ended).code, 0)
  t.ok(found('a').equals(large))
  t.match(JSON.parse(readFileSync(join(dir, 'r'), 'utf8')), { sha256: sha256(large), reconnects: 1 })
  await second.logged('connection closed', ({ sink }) => Number((sink as { resumed?: number }).resumed) > 0)
  t.same(left(), ['a'])
})

t.test('the sender is killed and started again: the receiver keeps what it has', async t => {
  const { dir, own, receive, send, found, left } = place(t, { a: large })
  const server = await receive()
  const sender = tcpPipe(t, ['send', '--reliable', '--to', server.to, 'a', ...window, ...endless], {
    ...own,
    faults: null,
  })
  await partIs(dir, 1_000_000)
  process.kill(-sender.pid, 'SIGKILL')
  await sender.ended
  t.equal((await send(server, ['a', '--receipt', 'r'])).code, 0)
  t.ok(found('a').equals(large))
  t.equal(JSON.parse(readFileSync(join(dir, 'r'), 'utf8')).sha256, sha256(large))
  t.same(left(), ['a'])
  t.equal(statSync(join(dir, 'state/tcp-pipe/key')).mode & 0o777, 0o600)
})

t.test('Ctrl-C: exit code 130, no file under its name, and the same command goes on', async t => {
  const { dir, own, receive, send, found } = place(t, { a: large, b: 'b' })
  const server = await receive([], { faults: ['interrupted by SIGINT'] })
  const faults = ['interrupted by SIGINT', 'not all sent']
  const sender = tcpPipe(t, ['send', '--reliable', '--to', server.to, 'a', 'b', ...window, ...endless], {
    ...own,
    faults,
  })
  await partIs(dir, 1_000_000)
  sender.kill('SIGINT')
  const { signal, logs } = await sender.ended
  t.equal(signal, 'SIGINT')
  t.match(logs.at(-2), { msg: 'the same command goes on where this transfer has stopped' })
  t.notOk(existsSync(join(dir, 'in/a')))
  t.equal((await send(server, ['a', 'b', '-t', 'throttle rate=100m'])).code, 0)
  t.ok(found('a').equals(large))
})

t.test('the receiver stays away: the sender gives up, and sends no further file', async t => {
  const { dir, own, receive } = place(t, { a: large, b: 'b' })
  const server = await receive([], { faults: null })
  const faults = ['gave up after 1s without a connection', 'not all sent']
  const words = ['a', 'b', '--give-up-after', '1s', ...endless]
  const sender = tcpPipe(t, ['send', '--reliable', '--to', server.to, ...words], { ...own, faults })
  await partIs(dir, 0)
  process.kill(-server.pid, 'SIGKILL')
  t.equal((await sender.ended).code, 1)
  t.notOk(existsSync(join(dir, 'in/a')))
})

t.test('the sender stays away: the receiver says what it keeps, and why', async t => {
  const { dir, own, receive } = place(t, { a: large })
  const faults = ['the client did not come back within 1s']
  const server = await receive(['--give-up-after', '1s'], { faults })
  const sender = tcpPipe(t, ['send', '--reliable', '--to', server.to, 'a', ...endless], { ...own, faults: null })
  await partIs(dir, 1_000_000)
  process.kill(-sender.pid, 'SIGKILL')
  const { sink } = await server.logged('connection failed')
  t.match(sink, { file: 'in/a.part', bytes: statSync(join(dir, 'in/a.part')).size })
})

t.test('a plain peer is named, and nothing is written', async t => {
  const { dir, own, receive, send } = place(t)
  const received: Buffer[] = []
  const plain = await listen(t, socket => void socket.on('data', (chunk: Buffer) => received.push(chunk)))
  const faults = ['the other end is not reliable: it sent nothing within 1s']
  t.equal((await send(plain, ['--connect-timeout', '1s'], { input: 'x', faults })).code, 1)
  t.same(received, [])
  const server = await receive()
  const reset = { ...own, input: 'plain', faults: ['reset'] }
  t.equal((await run(t, ['send', '--to', server.to], reset)).code, 1)
  t.match(await server.logged('no reliable session'), {
    error: 'the other end is not reliable: it speaks another protocol',
  })
  t.same(readdirSync(join(dir, 'in')), [])
})

t.test('check finds a reliable address open, and begins no transfer', async t => {
  const { receive, left } = place(t)
  const server = await receive()
  const { code, stdout } = await run(t, ['check', `reliable://${server.to}`])
  t.match([code, String(stdout)], [0, /^reliable:\/\/\S+ +open/])
  t.same(left(), [])
})

t.test('a connection between two proxies survives its link, with both half-closes', async t => {
  const echo = await serve(t, ['0', '--reply'])
  const far = await proxy(t, ['reliable://127.0.0.1:0', echo.to])
  const link = await proxy(t, ['0', far.to], { faults: null })
  const near = await proxy(t, ['0', `reliable://${link.to}`])
  const client = tcpPipe(t, ['send', '--to', near.to, ...slow], { input: large })
  await client.printed(1_000_000)
  process.kill(-link.pid, 'SIGKILL')
  await link.ended
  await proxy(t, [String(link.port), far.to])
  const { code, stdout } = await client.ended
  t.equal(code, 0)
  t.ok(stdout.equals(large))
  t.match(await near.logged('connection closed'), { target: { session: { reconnects: 1 } } })
  t.match(await far.logged('connection closed'), { session: { reconnects: 1 } })
  await near.logged('connected again')
})

t.test('on a terminal: lines for people', async t => {
  const { own, receive, dir } = place(t, { a: 'a', 'f/b': 'b' })
  const server = await receive()
  const terminal = onTerminal(t, `cd ${dir}; tcp-pipe send --reliable a f --to ${server.to}`, own)
  const text = String((await terminal.ended).stdout).replaceAll('\r', '')
  t.match(text, /^\S+ ● 127.0.0.1:\d+ connected\n\S+ ✓ a {2}1 B {2}sha256 ca978112ca1b… {2}\d.*\n\S+ ✓ f\/b {2}1 B/)
})

const mistakes: [words: string[], says: string][] = [
  [['send', '--window', '1m'], '--window needs --reliable or an address reliable://…'],
  [['send', '--name', 'x'], '--name needs --reliable'],
  [['send', '--receipt', 'x'], '--receipt needs --reliable'],
  [['serve', '0', '--give-up-after', '1s'], '--give-up-after needs --reliable'],
  [['proxy', '0', '1', '--link-timeout', '1s'], '--link-timeout needs an address reliable://…'],
  [['send', '--reliable', '--link-timeout', '0'], "--link-timeout: '0' is not allowed; expected more than 0"],
  [['send', '--reliable', '--receive-only'], '--reliable and --receive-only exclude each other'],
  [['send', '--reliable', '--on-eof', 'close'], '--reliable and --on-eof close exclude each other'],
  [['send', '--reliable', '--name', '../x'], "--name: '../x' is not allowed; expected a relative path"],
  [['send', '--reliable', '--name', '/x'], "--name: '/x' is not allowed; expected a relative path"],
  [['send', '--reliable', 'lib', 'README.md', '--name', 'x'], '--name is for stdin or for a single file'],
  [['send', '--reliable', 'lib', '--name', 'x'], "'lib' is a folder"],
  [['send', '--reliable', 'lib', './lib'], "'lib' and './lib' would both be 'lib' at the receiver"],
  [['send', '--reliable', 'none'], "'none' cannot be read: ENOENT"],
  [['send', '--reliable', '--preserve'], '--preserve needs a file'],
  [['send', '--reliable', '--receipt', 'none/x'], "--receipt: 'none/x' cannot be written: ENOENT"],
  [['send', '--reliable', 'lib', '--ui'], '--ui shows a single transfer'],
  [['serve', '0', '-o', 'x/{name}'], '{name} needs --reliable'],
  [['serve', '0', '--reliable', '--chat'], '--reliable and --chat exclude each other'],
  [['serve', 'reliable://:0', '--from', 'README.md'], '--reliable and --from exclude each other'],
]

t.test('mistakes exit with 2 and one line', async t => {
  t.jobs = 4
  for (const [words, says] of mistakes)
    t.test(words.join(' '), async t => {
      const { code, stdout, stderr } = await run(t, words, { faults: [says] })
      t.same([code, String(stdout)], [2, ''])
      t.match(stderr, /^tcp-pipe: [^\n]+\n$/)
    })
})
