import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { gunzipSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { cli, node, read, root } from './support.js'

const readme = read('README.md')
const [examples] = /## Examples\n.*?\n## /s.exec(read('docs/command-line.md')) as unknown as [string]

/**
 * Each command of the README, then of the examples of docs/command-line.md, run as it stands but for its address: ports
 * are free ones, and on loopback.
 */
const commands: Record<string, (t: Test) => Promise<void>> = {
  'npm ci && npm link': async t => {
    t.match(read(JSON.parse(read('package.json')).bin['tcp-pipe']), /^#!\/usr\/bin\/env node\n/)
  },
  'npm ci && npm start': async t => {
    t.ok(JSON.parse(read('package.json')).scripts.start, 'demo.js has a test of its own')
  },
  'npm ci && npm test': async t => {
    t.ok(JSON.parse(read('package.json')).scripts.test, 'this is it')
  },
  "tcp-pipe serve -t 'gunzip | grep ERROR' -o 'logs/{remote}-{id}.log'": async t => {
    const cwd = t.testdir()
    const { child, port } = await serve(t, ['serve', '-t', 'gunzip | grep ERROR', '-o', 'logs/{remote}-{id}.log'], cwd)
    const log = text(child.stderr as NodeJS.ReadableStream)
    t.equal((await run(t, ['send', '--to', port], gzipSync('INFO a\nERROR b\n'))).code, 0)
    child.kill('SIGTERM')
    const [, file] = /"file":"(logs\/127\.0\.0\.1-\w+\.log)"/.exec(await log) as unknown as [string, string]
    t.equal(read(join(cwd.slice(root.length), file)), 'ERROR b\n')
  },
  'tcp-pipe send a.bin b.bin --to 127.0.0.1:4000 -t gzip': async t => {
    const { port, child } = await serve(t, ['serve', '--once'])
    const output = bytes(child)
    const cwd = t.testdir({ 'a.bin': 'one ', 'b.bin': 'two' })
    t.equal((await run(t, ['send', 'a.bin', 'b.bin', '--to', port, '-t', 'gzip'], '', cwd)).code, 0)
    t.equal(String(gunzipSync(await output)), 'one two')
  },
  "tcp-pipe serve --reliable -o 'incoming/{name}'": async t => {
    const cwd = t.testdir({ photos: { a: 'one' }, 'backup.tar': 'two' })
    const { port } = await serve(t, ['serve', '--reliable', '-o', 'incoming/{name}'], cwd)
    t.equal((await run(t, ['send', '--reliable', 'photos/', 'backup.tar', '--to', port], '', cwd)).code, 0)
    t.equal(read(join(cwd.slice(root.length), 'incoming/photos/a')), 'one')
    t.equal(read(join(cwd.slice(root.length), 'incoming/backup.tar')), 'two')
  },
  'tcp-pipe send --reliable photos/ backup.tar': async t => {
    const cwd = t.testdir({ photos: { a: 'one' }, 'backup.tar': 'two' })
    const { port } = await serve(t, ['serve', '--reliable', '-o', 'in/{name}'], cwd)
    t.equal((await run(t, ['send', '--reliable', 'photos/', 'backup.tar', '--to', port], '', cwd)).code, 0)
  },
  'tcp-pipe proxy 6380 127.0.0.1:6379 --both dump': async t => {
    const { port, child } = await serve(t, ['proxy', await echo(t), '--both', 'dump'])
    const shown = text(child.stderr as NodeJS.ReadableStream)
    t.equal((await run(t, ['send', '--to', port], 'hello\n')).output, 'hello\n')
    child.kill('SIGTERM')
    t.match(await shown, /→ .* 6 bytes\n.*\|hello\.\|\n← .* 6 bytes\n.*\|hello\.\|/)
  },
  'tcp-pipe proxy 6381 127.0.0.1:6379 --ui': async t => {
    const { child, lines } = await logged(t, ['proxy', '127.0.0.1:0', await echo(t), '--ui', '127.0.0.1:0'])
    const [page, listening] = [await lines.next(), await lines.next()].map(({ value }) => JSON.parse(value))
    t.equal((await run(t, ['send', '--to', String(listening.port)], 'hello\n')).output, 'hello\n')
    const { origin } = new URL(page.url)
    t.match(await (await fetch(`${origin}/`)).text(), '<title>')
    t.match(await (await fetch(`${origin}/api/connections`)).json(), { connections: [{ number: 1, bytesIn: 6 }] })
    child.kill('SIGTERM')
  },
  "tcp-pipe proxy 8080 example:80 -t 'throttle rate=64k' -r 'delay latency=200ms jitter=50ms'": async t => {
    const stages = ['-t', 'throttle rate=64k', '-r', 'delay latency=200ms jitter=50ms']
    const { port } = await serve(t, ['proxy', await echo(t), ...stages])
    const started = performance.now()
    t.equal((await run(t, ['send', '--to', port], 'hello\n')).output, 'hello\n')
    t.ok(performance.now() - started >= 200)
  },
  'tcp-pipe check db:5432 tls://127.0.0.1:3099': async t => {
    const { port, pin } = await serve(t, ['serve', '--tls', 'auto'])
    const { code, output } = await run(t, ['check', await echo(t), `tls://127.0.0.1:${port}`], '')
    t.equal(code, 1, 'the certificate does not verify')
    t.match(output, /^127.0.0.1:\d+ +open /)
    t.ok(output.includes(`pin       ${pin}\n`))
  },
  'tcp-pipe serve': async t => {
    t.equal(await through(t, ['serve'], 'abc'), 'abc')
  },
  'tcp-pipe serve 0.0.0.0:4000 --transform hex': async t => {
    t.match(await through(t, ['serve', '--transform', 'hex'], 'abc'), /\|abc\|/)
  },
  "tcp-pipe serve --reply -t 'hex plain=true'": async t => {
    const { port } = await serve(t, ['serve', '--reply', '-t', 'hex plain=true'])
    t.equal((await run(t, ['send', '--to', port], 'abc')).output, '616263\n')
  },
  'tcp-pipe serve --from file': async t => {
    const { port } = await serve(t, ['serve', '--from', 'file'], t.testdir({ file: 'what is in it' }))
    t.equal((await run(t, ['send', '--to', port], '')).output, 'what is in it')
  },
  'tcp-pipe serve --chat': async t => {
    const { port, child } = await serve(t, ['serve', '--chat'])
    const output = bytes(child)
    await run(t, ['send', '--to', port], 'what is said')
    t.equal(String(await output), 'what is said')
  },
  'cat file | tcp-pipe send': async t => {
    t.equal(await through(t, ['serve'], 'what is in it'), 'what is in it')
  },
  'echo hello | tcp-pipe send --to example:7': async t => {
    t.equal((await run(t, ['send', '--to', await echo(t)], 'hello\n')).output, 'hello\n')
  },
  "tcp-pipe proxy 5433 db:5432 -r 'cut on=COMMIT nth=3 seed=42'": async t => {
    const { port } = await serve(t, ['proxy', await echo(t), '-r', 'cut on=COMMIT nth=3 seed=42'])
    const input = 'COMMIT 1\nCOMMIT 2\nCOMMIT 3\nCOMMIT 4\n'
    t.equal((await run(t, ['send', '--to', port], input)).output, 'COMMIT 1\nCOMMIT 2\nCOMMIT')
  },
  'tcp-pipe serve --tls auto': async t => {
    t.match((await serve(t, ['serve', '--tls', 'auto'])).pin, /^sha256\/\/[\w+/]{43}=$/)
  },
  'tcp-pipe send file --to tls://127.0.0.1:3099 --pin sha256//…': async t => {
    const { child, port, pin } = await serve(t, ['serve', '--tls', 'auto', '--once'])
    const output = bytes(child)
    const to = `tls://127.0.0.1:${port}`
    const cwd = t.testdir({ file: 'what is in it' })
    const other = `sha256//${Buffer.alloc(32).toString('base64')}`
    t.equal((await run(t, ['send', 'file', '--to', to, '--pin', other], '', cwd)).code, 1, 'no other server')
    t.equal((await run(t, ['send', 'file', '--to', to, '--pin', pin], '', cwd)).code, 0)
    t.equal(String(await output), 'what is in it')
  },
  'tcp-pipe nc -N 127.0.0.1 3099 < file': async t => {
    const { port, child } = await serve(t, ['serve', '--once'])
    const output = bytes(child)
    const { code, errors } = await run(t, ['nc', '-Nv', '127.0.0.1', port], 'what is in it')
    t.equal(code, 0)
    t.match(errors, `tcp-pipe: same as: tcp-pipe send --to 127.0.0.1:${port}\n`)
    t.equal(String(await output), 'what is in it')
  },
  'tcp-pipe transforms': async t => {
    t.match((await run(t, ['transforms'], '')).output, /^ {2}hex /m)
  },
}

t.test('every command of the README and of the examples has a test here', async t => {
  const blocks = [...(readme + examples).matchAll(/```sh\n(.*?)```/gs)].map(match => match[1] as string).join('')
  const lines = blocks
    .split('\n')
    .filter(Boolean)
    .map(line => line.replace(/\s{2,}#.*$/, '').replaceAll('"', "'"))
  t.same(
    lines.flatMap(line => line.split(/;\s{2,}/)),
    Object.keys(commands),
  )
})

for (const [command, test] of Object.entries(commands)) t.test(command, test)

t.test('the code of the README runs', async t => {
  const [library, transform] = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(match => match[1]) as [string, string]

  await t.test('the library', async t => {
    const [imports, ...code] = library.split('\n\n') as [string, ...string[]]
    const surroundings = `import { PassThrough } from 'node:stream'
      const socket = new PassThrough().end('x'), source = Readable.from(['ERROR\\n']), input = Readable.from(['ERROR\\n'])`
    const program = code
      .join('\n')
      .replaceAll(/(?<!to: \{ )port: \d+/g, 'port: 0')
      .replace('process.stdout)', 'new PassThrough().resume())') // a pipeline ends its sink
      .replace(', socket)', ', new PassThrough().resume())')
    const cwd = t.testdir({ 'main.mjs': `${imports}\n${surroundings}\n${program}\nprocess.exit()` })
    const { code: status, output, errors } = await runNode(t, [join(cwd, 'main.mjs')])
    t.equal(status, 0, errors)
    t.match(output, '|A simple message|')
  })

  await t.test('your own transform', async t => {
    const use = `const stream = without({ word: 'DEBUG' })
      stream.end('DEBUG a\\nINFO b\\n')
      for await (const chunk of stream) process.stdout.write(chunk)`
    const cwd = t.testdir({ 'main.mjs': `${transform}\n${use}` })
    t.equal((await runNode(t, [join(cwd, 'main.mjs')])).output, 'INFO b\n')
  })
})

t.test('what the README links to is there', async t => {
  for (const [, path] of readme.matchAll(/\]\(([^)#]+)/g)) t.ok(existsSync(join(root, path as string)), `${path}`)
})

/** The address of a server that gives back what it gets. */
async function echo(t: Test): Promise<string> {
  const server = createServer({ allowHalfOpen: true }, socket => socket.on('error', () => {}).pipe(socket))
  server.listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  return String((server.address() as { port: number }).port)
}

/** What a server prints of what is sent to it. */
async function through(t: Test, words: string[], input: string): Promise<string> {
  const { child, port } = await serve(t, [...words, '--once'])
  const output = bytes(child)
  t.equal((await run(t, ['send', '--to', port], input)).code, 0)
  return String(await output)
}

/** A program and the lines of its log. */
async function logged(t: Test, words: string[]) {
  const child = spawn('env', [...node, cli, ...words], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  return { child, lines: createInterface(child.stderr)[Symbol.asyncIterator]() }
}

async function serve(
  t: Test,
  words: string[],
  cwd = root,
): Promise<{ child: ChildProcess; port: string; pin: string }> {
  const [name, ...rest] = words as [string]
  const child = spawn('env', [...node, cli, name, '127.0.0.1:0', ...rest], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [line] = await once(child.stderr as NodeJS.ReadableStream, 'data')
  const { port, pin } = JSON.parse(String(line))
  return { child, port: String(port), pin }
}

async function run(t: Test, words: string[], input: string | Buffer, cwd = root) {
  return runNode(t, [cli, ...words], input, cwd)
}

async function runNode(t: Test, words: string[], input: string | Buffer = '', cwd = root) {
  const child = spawn('env', [...node, ...words], { cwd, stdio: ['pipe', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  child.stdin.on('error', () => {}).end(input)
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { output, errors, code: code as number }
}

async function bytes(child: ChildProcess): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of child.stdout as NodeJS.ReadableStream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
