import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import {
  bounded,
  cleanup,
  dial,
  freePort,
  launch,
  listen,
  missing,
  pattern,
  prelude,
  type Result,
  shortDirectory,
} from './support.js'

const data = pattern(100_003)
const skip = missing('nc.openbsd')

/** What a run of a client leaves: what the server has got, what was printed, and the exit code. */
interface Outcome {
  readonly received: string
  readonly printed: string
  readonly code: number | null
}

/** Starts a shell command with tcp-pipe and `file` at hand. */
function start(t: Test, command: string, cwd: string, input: string | null = '') {
  return launch(t, 'bash', ['-c', prelude + command], { cwd, input, faults: null })
}

/** Runs a client against a server that takes everything and answers at the end of the client, or at its first byte. */
async function asClient(t: Test, command: (where: string) => string, answersAt: 'end' | 'data'): Promise<Outcome> {
  const cwd = t.testdir({ file: data })
  let received: Promise<Buffer> | undefined
  const server = await listen(t, socket => {
    received = buffer(socket)
    received.catch(() => {})
    socket.once(answersAt, () => socket.end('answer\n'))
  })
  const { code, stdout } = await start(t, command(server.to.replace(':', ' ')), cwd).ended
  return { received: hash(await (received as unknown as Promise<Buffer>)), printed: String(stdout), code }
}

function hash(bytes: Buffer): string {
  return bytes.equals(data) ? 'all of the file' : `${bytes.length} bytes: ${bytes.subarray(0, 100)}`
}

const clients: [words: string, answersAt: 'end' | 'data', redirection?: string][] = [
  ['-N', 'end'],
  ['', 'data'],
  ['-q 1', 'data'],
  ['-N -C', 'end', '<<< "one line"'],
  ['-N -w 5 -n -4', 'end'],
  ['-N -s 127.0.0.2', 'end'],
  ['-Nvv', 'end'],
]

for (const [words, answersAt, redirection = '< file'] of clients)
  t.test(`nc ${words} HOST PORT: as the real one`, { skip }, async t => {
    const theirs = await asClient(t, where => `nc.openbsd ${words} ${where} ${redirection}`, answersAt)
    const ours = await asClient(t, where => `tcp-pipe nc ${words} ${where} ${redirection}`, answersAt)
    t.same(ours, theirs)
    t.equal(theirs.code, 0)
  })

/** Runs a server, sends to it, and gives what came back and what it has printed. */
async function asServer(t: Test, command: (port: number) => string, waits: boolean) {
  const port = await freePort()
  const server = start(t, command(port), t.testdir({ file: data }))
  const client = await connected(t, port)
  const reply: Buffer[] = []
  let size = 0
  const enough = new Promise<void>(resolve => {
    client.on('data', (chunk: Buffer) => {
      reply.push(chunk)
      size += chunk.length
      if (size >= data.length) resolve()
    })
  })
  client.write('hello ')
  if (waits) await bounded(enough, 'the file') // nc ends with its client, even if it has not sent everything
  client.end('server\n')
  const { code, stdout } = await server.ended
  return { reply: hash(Buffer.concat(reply)), printed: String(stdout), code }
}

/** Tries until it listens. */
async function connected(t: Test, port: number) {
  for (let i = 0; ; i++) {
    try {
      return await dial(t, port)
    } catch (error) {
      if (i > 300) throw error
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}

const servers: [words: string, redirection: string][] = [
  ['-l 127.0.0.1', '< file'],
  ['-N -l 127.0.0.1', '< file'],
  ['-l 127.0.0.1', '< /dev/null'],
  ['-ld 127.0.0.1', '< file'],
  ['-l -s 127.0.0.1 -p', '< /dev/null'],
]

for (const [words, redirection] of servers)
  t.test(`nc ${words} PORT ${redirection}: as the real one`, { skip }, async t => {
    const waits = redirection === '< file' && !words.includes('d')
    const theirs = await asServer(t, port => `nc.openbsd ${words} ${port} ${redirection}`, waits)
    const ours = await asServer(t, port => `tcp-pipe nc ${words} ${port} ${redirection}`, waits)
    t.same(ours, theirs)
    t.equal(theirs.code, 0)
  })

t.test('nc -l ends with its client, though stdin is open', { skip }, async t => {
  for (const nc of ['nc.openbsd', 'tcp-pipe nc']) {
    const port = await freePort()
    const server = start(t, `${nc} -l 127.0.0.1 ${port}`, t.testdir(), null)
    const client = await connected(t, port)
    client.resume().end('hello')
    await bounded(server.printed('hello'), `${nc} prints`)
    const { stdout } = await bounded(server.ended, `the end of ${nc}`)
    t.equal(String(stdout), 'hello')
  }
})

t.test('nc -z: the exit code, and nothing on stdout', { skip }, async t => {
  const { to } = await listen(t, socket => socket.resume())
  const dead = await freePort()
  for (const [where, code] of [
    [to.replace(':', ' '), 0],
    [`127.0.0.1 ${dead}`, 1],
  ] as const)
    for (const nc of ['nc.openbsd', 'tcp-pipe nc']) {
      const result = await start(t, `${nc} -z ${where}`, t.testdir()).ended
      t.same([result.code, String(result.stdout)], [code, ''], `${nc} ${where}`)
    }
})

t.test('nc -U, as a server and as a client: each with the other', { skip }, async t => {
  for (const [serves, sends] of [
    ['nc.openbsd', 'tcp-pipe nc'],
    ['tcp-pipe nc', 'nc.openbsd'],
  ] as const) {
    const path = join(shortDirectory(t), 's')
    const cwd = t.testdir({ file: data })
    const server = start(t, `${serves} -lU ${path} < /dev/null > copy`, cwd)
    const retry = `for i in {1..300}; do [ -S ${path} ] && break; sleep 0.05; done`
    const client = start(t, `${retry}; ${sends} -NU ${path} < file`, cwd)
    await Promise.all([client.ended, server.ended])
    t.ok(readFileSync(join(cwd, 'copy')).equals(data), serves)
  }
})

t.test('a failure is never silent: exit 1 where the peer resets', async t => {
  const { to } = await listen(t, socket => void socket.once('data', () => socket.resetAndDestroy()))
  const cwd = t.testdir({ file: data })
  const { code, stderr } = await start(t, `tcp-pipe nc ${to.replace(':', ' ')} < file`, cwd).ended
  t.equal(code, 1)
  t.match(stderr, 'ECONNRESET')
})

/** The command that `-v` has printed. */
function printed({ stderr }: Result): string {
  const [, command = ''] = /^tcp-pipe: same as: (tcp-pipe .+)$/m.exec(stderr) ?? []
  return command
}

t.test('-v prints the command that does the same: run in a shell, it does', async t => {
  for (const [words, redirection] of [
    ['-vN', '< file'],
    ['-v', '< file'],
    ['-vC -q 1', '<<< "one line"'],
    ['-vd -w 5', '< file'],
    ['-vzw 5', '< file'],
  ]) {
    const cwd = t.testdir({ file: data })
    const received: Promise<Buffer>[] = []
    const server = await listen(t, socket => {
      received.push(buffer(socket))
      socket.end('answer\n')
    })
    const first = await start(t, `tcp-pipe nc ${words} ${server.to.replace(':', ' ')} ${redirection}`, cwd).ended
    t.match(printed(first), /^tcp-pipe (send|check) /)
    const second = await start(t, `${printed(first)} ${redirection}`, cwd).ended
    t.equal(second.code, first.code)
    const times = /[\d.]+ ms/g
    t.equal(String(second.stdout).replace(times, ''), String(first.stdout).replace(times, ''))
    const [one, other] = await Promise.all(received)
    t.same(other, one, `${words}: the server got the same`)
  }
})

t.test('-lv prints the command that does the same: run in a shell, it does', async t => {
  const path = join(shortDirectory(t), "it's")
  const cwd = t.testdir({ file: data })
  const outcomes: unknown[] = []
  let command = `tcp-pipe nc -lvU "${path}"`
  for (let i = 0; i < 2; i++) {
    const server = start(t, `${command} < file`, cwd)
    await bounded(server.logged('listening'), 'listening')
    const client = await dial(t, { path })
    cleanup(t, () => client.destroy())
    const reply: Buffer[] = []
    await bounded(
      new Promise<void>(resolve =>
        client.on('data', (chunk: Buffer) => {
          reply.push(chunk)
          if (Buffer.concat(reply).length === data.length) resolve()
        }),
      ),
      'the file',
    )
    client.end('hello')
    const result = await server.ended
    if (i === 0) command = printed(result)
    outcomes.push([result.code, String(result.stdout), hash(Buffer.concat(reply))])
  }
  t.same(outcomes[0], [0, 'hello', 'all of the file'])
  t.same(outcomes[1], outcomes[0])
})
