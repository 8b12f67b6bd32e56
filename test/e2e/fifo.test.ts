import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import {
  bounded,
  dial,
  eventually,
  exchange,
  launch,
  listen,
  missing,
  type ServerProcess,
  serve,
  tcpPipe,
} from './support.js'

const skip = missing('mkfifo')

/** More than the pool has threads. */
const many = 8

/** Each has a FIFO `p` that waits for its peer. */
const waits: Record<string, string[]> = {
  '-o p': ['-o', 'p'],
  '-o p --append': ['-o', 'p', '--append'],
  'tee p': ['-o', '/dev/null', '-t', 'tee p append=true'],
  'dump file=p': ['-o', '/dev/null', '-t', 'dump file=p'],
  '--from p': ['-o', '/dev/null', '--from', 'p'],
}

for (const [what, words] of Object.entries(waits)) {
  t.test(`${what}, a FIFO without a peer: the process ends after the drain timeout (G-09)`, { skip }, async t => {
    const cwd = directory(t, 'p')
    const server = await serve(t, ['0', '--drain-timeout', '200ms', ...words], { cwd, faults: null })
    const before = socketsOf(server)
    const sockets = await Promise.all(Array.from({ length: many }, () => dial(t, server.port)))
    for (const socket of sockets) socket.write('x')
    await eventually('all are accepted', () => socketsOf(server) >= before + many)
    server.kill('SIGTERM')
    const { code, logs } = await bounded(server.ended, 'the end', 5000)
    t.equal(code, 1)
    t.match(
      logs.find(({ msg }) => msg === 'connections reset after the drain timeout'),
      { cut: many },
    )
  })
}

t.test('connections that wait for a FIFO hold no other one up (G-09)', { skip }, async t => {
  const cwd = directory(t, '127.0.0.2')
  const server = await serve(t, ['0', '-o', '{remote}', '-t', 'tee copy-{remote}', '--drain-timeout', '0'], {
    cwd,
    faults: null,
  })
  const host = '127.0.0.1'
  const before = socketsOf(server)
  const waiting = await Promise.all(
    Array.from({ length: many }, () => dial(t, { host, port: server.port, localAddress: '127.0.0.2' })),
  )
  waiting[0]?.write('x')
  await eventually('all are accepted', () => socketsOf(server) >= before + many)
  await exchange(t, { host, port: server.port, localAddress: '127.0.0.3' }, 'free')
  t.equal(readFileSync(join(cwd, '127.0.0.3'), 'utf8'), 'free')
  t.equal(readFileSync(join(cwd, 'copy-127.0.0.3'), 'utf8'), 'free')
})

t.test('a FIFO takes the data when its reader comes, and gives its data when its writer comes', { skip }, async t => {
  const cwd = directory(t, 'out', 'in')
  const server = await serve(t, ['0', '-o', 'out', '--from', 'in', '--once'], { cwd })
  const socket = await dial(t, server.port)
  socket.end('to the FIFO')
  const answer = buffer(socket)
  const reader = launch(t, 'cat', ['out'], { cwd })
  launch(t, 'sh', ['-c', 'printf "from the FIFO" > in'], { cwd })
  t.equal(String(await bounded(answer, 'the answer')), 'from the FIFO')
  t.equal(String((await reader.ended).stdout), 'to the FIFO')
  t.equal((await server.ended).code, 0)
})

t.test('send p, a FIFO without a writer: the process ends when the peer resets (G-09)', { skip }, async t => {
  const cwd = directory(t, 'p')
  const target = await listen(t, socket => socket.resetAndDestroy())
  const client = tcpPipe(t, ['send', 'p', '--to', target.to], { cwd, faults: ['ECONNRESET'] })
  t.equal((await bounded(client.ended, 'the end', 5000)).code, 1)
})

/** A directory with these FIFOs. */
function directory(t: Test, ...names: string[]): string {
  const path = t.testdir()
  for (const name of names) spawnSync('mkfifo', [join(path, name)])
  return path
}

/** The number of sockets that a process has open. */
function socketsOf({ pid }: ServerProcess): number {
  return readdirSync(`/proc/${pid}/fd`).filter(fd => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:')
    } catch {
      return false // closed meanwhile
    }
  }).length
}
