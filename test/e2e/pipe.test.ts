import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { cli, eventually, launch, listen, pattern, shortDirectory } from './support.js'

const shared = { input: null, faults: null, env: { TCP_PIPE_LOG_FORMAT: 'text' } }

/** Starts `tcp-pipe`. */
function start(t: Test, words: readonly string[], options: { cwd?: string; input?: string | Buffer | null } = {}) {
  return launch(t, process.execPath, [cli, ...words], { ...shared, ...options })
}

/** Runs it to its end. */
const run = (...given: Parameters<typeof start>) => start(...given).ended

t.test('a file to a file, with a line about it', async t => {
  const cwd = t.testdir({ from: 'some text' })
  const { code, stderr } = await run(t, ['pipe', 'file:from', '-t', 'gzip', '-o', 'to'], { cwd })
  t.equal(code, 0, stderr)
  t.equal(String(gunzipSync(readFileSync(join(cwd, 'to')))), 'some text')
  t.match(stderr, /✓ file:from moved 9 B in .* → to\n/)
})

t.test('stdin and stdout with a peer, as nc; and one way', async t => {
  const server = await listen(t, socket => void socket.pipe(socket))
  const both = await run(t, ['pipe', '-', '--to', server.to], { input: 'typed' })
  t.same([both.code, String(both.stdout)], [0, 'typed'])
  t.match(both.stderr, /received 5 B, sent 5 B/)
  const one = await run(t, ['pipe', '-', '--to', server.to, '--one-way'], { input: 'typed' })
  t.same([one.code, String(one.stdout)], [0, ''])
  const speaker = await listen(t, socket => void socket.end('spoken'))
  const heard = await run(t, ['pipe', speaker.to])
  t.same([heard.code, String(heard.stdout)], [0, 'spoken'])
})

t.test('two clients are joined', async t => {
  const paths = ['a', 'b'].map(name => join(shortDirectory(t), name)) as [string, string]
  const joined = start(t, ['pipe', `listen:unix:${paths[0]}`, '--to', `listen:unix:${paths[1]}`])
  const [a, b] = paths.map(async path => {
    await eventually(path, () => existsSync(path))
    const socket = connect({ path, allowHalfOpen: true }).end(`from ${path.at(-1)}`)
    return text(socket)
  })
  t.same(await Promise.all([a, b]), ['from b', 'from a'])
  t.match(await joined.ended, { code: 0 })
})

t.test('a log that is followed and rotated; SIGINT is its ordinary end', async t => {
  const cwd = t.testdir({ log: 'one\n' })
  const words = ['pipe', 'file:log', '--follow', '-t', 'gzip', '-o', 'part-{id}.gz', '--rotate-size', '4']
  const following = start(t, words, { cwd })
  const parts = () =>
    readdirSync(cwd)
      .filter(name => name.endsWith('.gz'))
      .sort()
  await eventually('the first part', () => parts().length === 1)
  appendFileSync(join(cwd, 'log'), 'two\n')
  await eventually('the second one', () => parts().length === 2)
  following.kill('SIGINT')
  t.match(await following.ended, { code: 0, stderr: /SIGINT: ending after what was read; a second Ctrl-C resets/ })
  t.same(
    parts().map(name => String(gunzipSync(readFileSync(join(cwd, name))))),
    ['one\n', 'two\n'],
  )
})

t.test('a warning of any part is exit 1', async t => {
  const cwd = t.testdir({ log: 'a long line\n' })
  const words = ['pipe', 'file:log', '--follow', '-o', 'part-{id}', '--rotate-size', '1']
  const following = launch(t, process.execPath, [cli, ...words], { input: null, faults: null, cwd })
  const parts = () => readdirSync(cwd).filter(name => /^part-\w+$/.test(name)).length
  await eventually('the first part', () => parts() === 1)
  writeFileSync(join(cwd, 'log'), 'short\n')
  t.match(await following.logged('the file was truncated, reading it from its start'), { file: 'log', at: 12 })
  await eventually('what follows the truncation', () => parts() === 2)
  appendFileSync(join(cwd, 'log'), 'last\n')
  await eventually('the last part', () => parts() === 3)
  following.kill('SIGINT')
  t.match(await following.ended, { code: 1, stderr: /truncated at 12 bytes/ })
})

t.test('a signal resets what is incomplete', async t => {
  const cwd = t.testdir({})
  const server = await listen(t, socket => void socket.resume().write('the first half'))
  const piping = start(t, ['pipe', server.to, '-o', 'out'], { cwd })
  await eventually('a part', () => existsSync(join(cwd, 'out.part')) && readFileSync(join(cwd, 'out.part')).length > 0)
  piping.kill('SIGTERM')
  const { signal, stderr } = await piping.ended
  t.equal(signal, 'SIGTERM')
  t.match(stderr, /interrupted after moving 14 B.* are kept in out\.part/)
  t.notOk(existsSync(join(cwd, 'out')))
})

t.test('send --from and --follow', async t => {
  const cwd = t.testdir({ file: pattern(100_000) })
  const got: Promise<Buffer>[] = []
  const server = await listen(t, socket => void got.push(buffer(socket).finally(() => socket.end())))
  t.match(await run(t, ['send', '--from', 'file:file', '--to', server.to], { cwd }), { code: 0 })
  t.ok((await got[0])?.equals(pattern(100_000)))
  const following = start(t, ['send', '--follow', 'file', '--to', server.to], { cwd })
  await eventually('connected', () => got.length === 2)
  following.kill('SIGTERM')
  t.match(await following.ended, { code: 0 })
})

t.test('stdout that is closed', async t => {
  const cwd = t.testdir({ file: pattern(3_000_000) })
  const { stdout, code } = await launch(
    t,
    'bash',
    ['-c', `${process.execPath} ${cli} pipe file:file | head -c 3 >/dev/null; exit "$\{PIPESTATUS[0]}"`],
    { ...shared, cwd },
  ).ended
  t.same([code, String(stdout)], [141, ''])
})

t.test('a peer that cannot be reached is exit 1, a mistake is exit 2', async t => {
  const cwd = t.testdir({ file: 'x', out: 'there' })
  const server = await listen(t, socket => socket.destroy())
  server.close()
  t.match(await run(t, ['pipe', server.to, '-o', 'new'], { cwd }), { code: 1, stderr: /ECONNREFUSED/ })
  for (const [words, message] of [
    [['file'], "'file' is not an address; did you mean file:file?"],
    [['file:missing'], "'missing' cannot be read: ENOENT"],
    [['file:file', '-o', 'out'], "--output: 'out' exists; --force replaces it, --append adds to it"],
    [['file:file', '-o', ''], "--output: '' is not allowed; expected a file name or '-'"],
    [['file:file', '-o', 'x', '--to', '80'], '--to and --output exclude each other'],
    [['file:file', '-o', 'x', '--rotate', '1h'], "--rotate: 'x' is one file; several need a placeholder"],
    [['-', '--to', '80', '--rotate', '1h'], '--rotate needs one direction'],
    [['80', '--follow'], '--follow needs a file: file:PATH'],
    [['file:file', '-r', 'hex'], '--reply-transform needs two ends with two directions'],
    [['file:file', '--append'], '--append needs --output FILE'],
    [['file:file', '-o', 'x', '--append', '--force'], '--append and --force exclude each other'],
    [['80', '--pin', 'sha256//x'], '--pin'],
    [['80', '--ca', 'x'], '--ca needs an end tls://…'],
    [['memory:x'], "'memory:x' reaches no other process"],
    [[], "missing required argument 'from'"],
  ] as const) {
    const { code, stderr } = await run(t, ['pipe', ...words], { cwd })
    t.equal(code, 2, words.join(' '))
    t.match(stderr.replace(/\n +/g, ' '), message)
  }
  for (const [words, message] of [
    [['--from', 'file:file', 'file'], "--from and file 'file' exclude each other"],
    [['--from', 'file:file', '--wait', '1'], '--from and --wait exclude each other'],
    [['--from', 'file:file', '--tls'], '--from and --tls exclude each other; use --to tls://'],
    [['--follow'], '--follow needs one file'],
  ] as const) {
    const { code, stderr } = await run(t, ['send', ...words], { cwd })
    t.equal(code, 2, words.join(' '))
    t.match(stderr.replace(/\n +/g, ' '), message)
  }
})
