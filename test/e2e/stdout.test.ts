import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  cleanup,
  dial,
  eventually,
  exchange,
  launch,
  listen,
  pattern,
  prelude,
  residentBytes,
  run,
  serve,
  shell,
  shortDirectory,
  tcpPipe,
} from './support.js'

const lines = 'a line of text\n'.repeat(200_000)

t.test('serve | head -1: 141, as a shell reports a program that SIGPIPE ended (C-05)', async t => {
  const server = await serveInShell(t, `tcp-pipe serve 0 | head -1; exit \${PIPESTATUS[0]}`)
  const socket = await dial(t, server.port)
  socket.write(lines)
  const { code, stdout, logs } = await server.ended
  t.equal(code, 141)
  t.equal(String(stdout), 'a line of text\n')
  t.match(logs.slice(1), [{ level: 30, msg: 'stdout was closed by its reader' }], 'at most one line')
  if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
  t.match(socket.failed, { code: /ECONNRESET|EPIPE/ })
})

t.test('send | head -1: 141, and nothing but one info line (C-05)', async t => {
  const source = await listen(t, socket => socket.end(lines))
  const script = `tcp-pipe send --to ${source.to} < /dev/null | head -1; exit \${PIPESTATUS[0]}`
  const { code, stdout, logs } = await shell(t, script)
  t.equal(code, 141)
  t.equal(String(stdout), 'a line of text\n')
  t.match(
    logs.map(({ level }) => level),
    [30],
  )
})

t.test('help and the list of transforms into a reader that has gone: no stack trace', async t => {
  for (const words of ['--help', 'serve --help', 'transforms', 'transforms --markdown']) {
    const { stderr, code } = await shell(t, `tcp-pipe ${words} | true; exit \${PIPESTATUS[0]}`)
    t.equal(stderr, '', words)
    t.ok(code === 0 || code === 141, words)
  }
})

t.test('the list of transforms to a full device: exit 1 and the reason', async t => {
  const full = openDescriptor(t, '/dev/full', 'w')
  const { code } = await run(t, ['transforms'], { stdio: ['ignore', full, 'pipe'], faults: ['ENOSPC'] })
  t.equal(code, 1)
})

t.test('stdout is a full device: ENOSPC, exit 1, the connection is reset (C-06)', async t => {
  const full = openDescriptor(t, '/dev/full', 'w')
  const server = await serve(t, ['0'], { stdio: ['ignore', full, 'pipe'], faults: [/ENOSPC/] })
  const socket = await dial(t, server.port)
  socket.write('x')
  t.equal((await server.ended).code, 1)
  if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
  t.match(socket.failed, { code: 'ECONNRESET' })

  const source = await listen(t, socket => socket.end('answer'))
  const { code } = await run(t, ['send', '--to', source.to], { stdio: ['ignore', full, 'pipe'], faults: ['ENOSPC'] })
  t.equal(code, 1)
})

t.test(
  'an output file on a file system that is full: ENOSPC, the partial file is kept and its size logged (C-06)',
  async t => {
    const dir = shortDirectory(t)
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', dir]).status === 0
    if (!mounted) return void t.pass('nothing was tried: a small tmpfs cannot be mounted here', { skip: 'no mount' })
    cleanup(t, () => spawnSync('umount', [dir]))
    const server = await serve(t, ['0', '-o', join(dir, 'out'), '--once'], { faults: ['ENOSPC'] })
    const { code } = await run(t, ['send', '--to', server.to], {
      input: pattern(200_000),
      faults: [/ECONNRESET|EPIPE/],
    })
    t.equal(code, 1)
    const served = await server.ended
    t.equal(served.code, 1)
    const part = readFileSync(join(dir, 'out.part'))
    t.ok(part.equals(pattern(200_000).subarray(0, part.length)) && part.length > 0)
    t.match(served.logs.at(-1), { sink: { file: join(dir, 'out.part'), bytes: part.length }, code: 'ENOSPC' })
  },
)

t.test('an output file over the limit of file sizes: EFBIG, the partial file is kept (C-06)', async t => {
  const dir = t.testdir()
  const server = await serveInShell(t, 'ulimit -f 64; tcp-pipe serve 0 -o out --once', dir, ['EFBIG'])
  await t.rejects(exchange(t, server.port, pattern(1_000_000)), { code: /ECONNRESET|EPIPE/ })
  const { code, logs } = await server.ended
  t.equal(code, 1)
  const { size } = statSync(join(dir, 'out.part'))
  t.equal(size, 64 * 1024)
  t.match(logs.at(-1), { sink: { file: 'out.part', bytes: size } })
})

t.test('a stalled stdout stops the source, and is not idle: when it goes on all arrives', async t => {
  const fifo = join(t.testdir(), 'fifo')
  spawnSync('mkfifo', [fifo])
  const slow = openDescriptor(t, fifo, 'r+')
  const server = await serve(t, ['0', '--once', '--idle-timeout', '300ms'], { stdio: ['ignore', slow, 'pipe'] })
  const size = 20_000_000
  const client = tcpPipe(t, ['send', '--to', server.to], { input: pattern(size) })
  await new Promise(resolve => setTimeout(resolve, 1000)) // three times the idle timeout
  t.equal(server.child.exitCode, null, 'it waits')
  t.equal(server.logs.length, 1)
  const reader = launch(t, 'sh', ['-c', `head -c ${size} < '${fifo}'`])
  t.ok((await reader.ended).stdout.equals(pattern(size)))
  t.equal((await client.ended).code, 0)
  t.equal((await server.ended).code, 0)
})

t.test(
  'memory stays bounded while a reader never reads',
  { skip: process.platform !== 'linux' && 'needs /proc' },
  async t => {
    const total = 1 << 30

    t.test('serve --reply: 1 GiB is offered, less than 16 MiB are taken in (A-06)', async t => {
      const server = await serve(t, ['0', '--reply', '-t', 'hex plain=true'], { faults: ['ECONNRESET'] })
      t.equal((await exchange(t, server.port, 'warm')).length, 9)
      const idle = residentBytes(server.pid)
      const socket = await dial(t, server.port)
      const accepted = await offerUntilBlocked(socket, total)
      const grown = residentBytes(server.pid) - idle
      t.ok(accepted < 32 << 20, `the sender is blocked after ${accepted} bytes`)
      t.ok(grown < 16 << 20, `it has grown by ${grown} bytes`)
      socket.resetAndDestroy()
      await server.logged('connection failed')
    })

    t.test('send: the same, and when the reader reads all arrives (A-06)', async t => {
      const dir = t.testdir()
      const file = join(dir, 'sparse')
      spawnSync('truncate', ['-s', '1G', file])
      let received = 0
      const target = await listen(t, socket => socket.pause())
      const connected = new Promise<import('node:net').Socket>(resolve => target.once('connection', resolve))
      const client = tcpPipe(t, ['send', file, '--to', target.to])
      const socket = await connected
      const first = residentBytes(client.pid)
      await eventually('blocked', () => isBlocked(client.pid))
      const grown = residentBytes(client.pid) - first
      t.ok(grown < 16 << 20, `it does not read ahead, and has grown by ${grown} bytes`)
      socket.on('data', chunk => {
        received += chunk.length
      })
      socket.once('end', () => socket.end())
      socket.resume()
      t.equal((await client.ended).code, 0)
      t.equal(received, 1 << 30)
    })
  },
)

/** A server that a shell started; its port is in the log. */
async function serveInShell(t: Test, script: string, cwd?: string, faults: string[] = []) {
  const running = launch(t, 'bash', ['-c', prelude + script], { input: null, faults, ...(cwd && { cwd }) })
  const { port } = await running.logged('listening')
  return Object.assign(running, { port: Number(port) })
}

function openDescriptor(t: Test, path: string, flags: string): number {
  const descriptor = openSync(path, flags)
  cleanup(t, () => closeSync(descriptor))
  return descriptor
}

const ticks = new Map<number, string>()

/** No CPU time since the last look. */
function isBlocked(pid: number): boolean {
  const [, , ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(/\) | /)
  const now = `${fields[11]} ${fields[12]}`
  const same = ticks.get(pid) === now
  ticks.set(pid, now)
  return same
}

/** Writes until the peer has not taken anything for 300 ms. */
async function offerUntilBlocked(socket: import('node:net').Socket, total: number): Promise<number> {
  const block = Buffer.alloc(1 << 20)
  let offered = 0
  while (offered < total) {
    offered += block.length
    if (socket.write(block)) continue
    const drained = await Promise.race([
      new Promise<boolean>(resolve => socket.once('drain', () => resolve(true))),
      new Promise<boolean>(resolve => setTimeout(() => resolve(false), 500)),
    ])
    if (!drained) break
  }
  return offered
}
