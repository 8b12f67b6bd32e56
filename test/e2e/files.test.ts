import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import type { Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  bounded,
  cleanup,
  cli,
  dial,
  eventually,
  exchange,
  launch,
  listen,
  pattern,
  run,
  serve,
  shell,
  shortDirectory,
  tcpPipe,
} from './support.js'

/** For `env`: what takes root's right to read everything away from a program. */
const restricted =
  process.getuid?.() === 0
    ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-dac_override,-dac_read_search']
    : []
const readsAll =
  spawnSync('env', [...restricted, 'true']).status !== 0 &&
  'root may read everything, and setpriv cannot take that right away'

const noIpv6 = Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === '::1'))
  ? false
  : 'this machine has no ::1'

t.test('an empty file (A-17)', async t => {
  const dir = t.testdir({ empty: '' })
  const server = await serve(t, ['0', '-o', 'out', '--once'], { cwd: dir })
  t.equal((await run(t, ['send', 'empty', '--to', server.to], { cwd: dir })).code, 0)
  t.equal((await server.ended).code, 0)
  t.equal(readFileSync(join(dir, 'out')).length, 0)
})

t.test('a file of more than 2 GiB (A-17)', async t => {
  const size = 2200 * 1024 * 1024
  const file = join(shortDirectory(t, existsSync('/dev/shm') ? '/dev/shm' : undefined), 'sparse') // holes cost less there
  spawnSync('truncate', ['-s', String(size), file])
  const server = await serve(t, ['0', '--once'], { stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 })
  const { code, logs } = await run(t, ['send', file, '--to', server.to], { timeout: 60_000 })
  t.equal(code, 0)
  t.match(logs, [{ msg: 'connection closed', bytesOut: size }])
  t.match((await server.ended).logs.at(-1), { msg: 'connection closed', bytesIn: size })
})

t.test('a file that grows while it is sent: what was read is sent, a warning, exit 1 (A-17)', async t => {
  const dir = t.testdir()
  const file = join(dir, 'file')
  writeFileSync(file, pattern(10_000_000))
  const { socket, client } = await stalled(t, file)
  appendFileSync(file, pattern(500_000))
  const received = await readAll(socket)
  t.equal((await client.ended).code, 1)
  t.equal(received, 10_500_000)
  t.match(client.logs.at(-1), { level: 40, msg: 'connection closed' })
  t.match(String(client.logs.at(-1)?.warnings), /changed while it was sent: it had 10000000 bytes, 10500000 were/)
})

t.test('a file that shrinks while it is sent: the same (A-17)', async t => {
  const dir = t.testdir()
  const file = join(dir, 'file')
  writeFileSync(file, pattern(30_000_000))
  const { socket, client } = await stalled(t, file)
  truncateSync(file, 20_000_000)
  const received = await readAll(socket)
  t.equal((await client.ended).code, 1)
  t.equal(received, 20_000_000)
  t.match(String(client.logs.at(-1)?.warnings), /it had 30000000 bytes, 20000000 were sent/)
})

t.test('a file that disappears before its turn: exit 1, a reset and no clean end (A-17)', async t => {
  const dir = t.testdir()
  const [first, second] = [join(dir, 'first'), join(dir, 'second')]
  writeFileSync(first, pattern(30_000_000))
  writeFileSync(second, 'second')
  const server = await serve(t, ['0', '--once', '-t', 'throttle 20MiB'], { faults: ['ECONNRESET'] })
  const client = tcpPipe(t, ['send', first, second, '--to', server.to], { faults: [/ENOENT.*second/] })
  await server.printed(1)
  spawnSync('rm', [second])
  t.equal((await client.ended).code, 1)
  t.equal((await server.ended).code, 1)
})

t.test('a file that is removed while it is sent is open already, and is sent whole (A-17)', async t => {
  const file = join(t.testdir(), 'file')
  writeFileSync(file, pattern(30_000_000))
  const { socket, client } = await stalled(t, file)
  spawnSync('rm', [file])
  t.equal(await readAll(socket), 30_000_000)
  t.equal((await client.ended).code, 0)
})

t.test('a FIFO as an argument is read to its end (A-17)', async t => {
  const dir = t.testdir()
  spawnSync('mkfifo', [join(dir, 'fifo')])
  const server = await serve(t, ['0', '--once'])
  const client = tcpPipe(t, ['send', 'fifo', '--to', server.to], { cwd: dir })
  launch(t, 'sh', ['-c', 'head -c 300000 /dev/zero > fifo'], { cwd: dir })
  t.equal((await client.ended).code, 0)
  t.equal((await server.ended).stdout.length, 300_000)
})

t.test('a file without the right to read it: EACCES, exit 2 (A-17)', { skip: readsAll }, async t => {
  const dir = t.testdir({ secret: 'x' })
  chmodSync(join(dir, 'secret'), 0)
  const words = [...restricted, process.execPath, cli, 'send', 'secret', '--to', ':1']
  const { code, stderr } = await launch(t, 'env', words, { cwd: dir, faults: ['EACCES'] }).ended
  t.equal(code, 2)
  t.match(stderr, /^tcp-pipe: [^\n]*secret[^\n]*\n$/)
})

t.test('-o NAME --once: the name appears when it is complete', async t => {
  const dir = t.testdir()
  const server = await serve(t, ['0', '-o', 'sub/out', '--once'], { cwd: dir })
  const socket = await dialAndWrite(t, server.port, 'half')
  await eventually('the part', () => existsSync(join(dir, 'sub/out.part')))
  t.notOk(existsSync(join(dir, 'sub/out')))
  socket.end(' and half')
  t.equal((await server.ended).code, 0)
  t.same(readdirSync(join(dir, 'sub')), ['out'])
  t.equal(readFileSync(join(dir, 'sub/out'), 'utf8'), 'half and half')
})

t.test('a name that exists is not overwritten: exit 2 before listening (E-06)', async t => {
  const dir = t.testdir({ out: 'precious' })
  const words = ['serve', '0', '-o', 'out', '--once']
  const { code, stderr } = await run(t, words, { cwd: dir, faults: ['exists'] })
  t.equal(code, 2)
  t.equal(stderr, "tcp-pipe: --output: 'out' exists; --force replaces it, --append adds to it\n")
  t.equal(readFileSync(join(dir, 'out'), 'utf8'), 'precious')
})

t.test(
  'a file that appears before the first connection is not overwritten: a reset, one line, exit 1 (E-06)',
  async t => {
    const dir = t.testdir()
    const server = await serve(t, ['0', '-o', 'out', '--once'], { cwd: dir, faults: ['ERR_FILE_EXISTS'] })
    writeFileSync(join(dir, 'out'), 'precious')
    await t.rejects(exchange(t, server.port, 'new'), { code: 'ECONNRESET' })
    t.equal((await server.ended).code, 1)
    t.equal(readFileSync(join(dir, 'out'), 'utf8'), 'precious')
  },
)

t.test('what -o can never write is found before listening, and nothing is created', async t => {
  const dir = t.testdir({ file: '', sub: {} })
  for (const [name, message] of [
    [
      'logs/{remote}-{ID}',
      "'logs/{remote}-{ID}' cannot be written: '{ID}' is not a placeholder; expected {id}, {remote}, {port}, {time} or {name}",
    ],
    ['file/{id}', "'file/{id}' cannot be written: 'file' is no folder"],
    ['sub', "'sub' cannot be written: this is a folder; expected the name of a file"],
  ] as const) {
    const { code, stderr } = await run(t, ['serve', '0', '--once', '-o', name], { cwd: dir, faults: [message] })
    t.equal(code, 2, name)
    t.equal(stderr, `tcp-pipe: --output: ${message}\n`)
  }
  t.same(readdirSync(dir), ['file', 'sub'])
})

t.test('-o with {remote} and without {id} warns, unless --append or --once', async t => {
  const dir = t.testdir()
  for (const [words, warns] of [
    [['-o', '{remote}.log'], true],
    [['-o', '{remote}-{id}.log'], false],
    [['-o', '{remote}.log', '--append'], false],
    [['-o', '{remote}.log', '--once'], false],
    [['-o', '{port}.log'], false],
  ] as const) {
    const { logs } = await serve(t, ['0', ...words], { cwd: dir })
    t.equal(
      logs.filter(({ level, msg }) => level === 40 && msg.includes('add {id} to the name')).length,
      warns ? 1 : 0,
      words.join(' '),
    )
  }
})

t.test('--force replaces it when the new one is complete', async t => {
  const dir = t.testdir({ out: 'old and long' })
  const server = await serve(t, ['0', '-o', 'out', '--once', '--force'], { cwd: dir })
  await exchange(t, server.port, 'new')
  t.equal((await server.ended).code, 0)
  t.equal(readFileSync(join(dir, 'out'), 'utf8'), 'new')
  t.same(readdirSync(dir), ['out'])
})

for (const force of [[], ['--force']])
  t.test(`a .part file that exists is kept: -o out ${force} (G-02)`, async t => {
    const dir = t.testdir({ 'out.part': 'precious' })
    const server = await serve(t, ['0', '-o', 'out', '--once', ...force], { cwd: dir })
    await exchange(t, server.port, 'new')
    t.equal((await server.ended).code, 0)
    t.same(readdirSync(dir), ['out', 'out.part'])
    t.equal(readFileSync(join(dir, 'out'), 'utf8'), 'new')
    t.equal(readFileSync(join(dir, 'out.part'), 'utf8'), 'precious')
  })

t.test('a failed connection keeps its own part beside that of an earlier one (G-02)', async t => {
  const dir = t.testdir({ 'out.part': 'precious' })
  const server = await serve(t, ['0', '-o', 'out', '--once'], { cwd: dir, faults: ['ECONNRESET'] })
  const socket = await dialAndWrite(t, server.port, 'half')
  const part = join(dir, 'out.2.part')
  await eventually('the bytes', () => existsSync(part) && readFileSync(part, 'utf8') === 'half')
  socket.resetAndDestroy()
  const { code, logs } = await server.ended
  t.equal(code, 1)
  t.match(logs.at(-1), { sink: { file: 'out.2.part', bytes: 4 } })
  t.equal(readFileSync(join(dir, 'out.part'), 'utf8'), 'precious')
})

t.test('two processes with one name: the first that ends has it whole, the other one fails (G-01)', async t => {
  const dir = t.testdir()
  const data = pattern(1_000_000)
  const first = await serve(t, ['0', '-o', 'out', '--once'], { cwd: dir })
  const one = await dial(t, first.port)
  one.write(data)
  await eventually('the bytes', () => existsSync(join(dir, 'out.part')))
  first.kill('SIGTERM') // the second one is its successor
  await first.logged('draining')
  const second = await serve(t, ['0', '-o', 'out', '--once'], { cwd: dir, faults: ['ERR_FILE_EXISTS'] })
  const two = await dialAndWrite(t, second.port, 'part of B')
  await eventually('the other bytes', () => readdirSync(dir).length === 2)
  one.end()
  t.equal((await first.ended).code, 0)
  two.end()
  const { code, logs } = await second.ended
  t.equal(code, 1)
  t.match(logs.at(-1), { sink: { file: 'out.2.part', bytes: 9 } })
  t.same(readdirSync(dir), ['out', 'out.2.part'])
  t.ok(readFileSync(join(dir, 'out')).equals(data))
  t.equal(readFileSync(join(dir, 'out.2.part'), 'utf8'), 'part of B')
})

t.test('--append and tee follow no link, nor one in place of the folder of a peer (G-03)', async t => {
  for (const words of [
    ['-o', 'link', '--append'],
    ['-t', 'tee link append=true'],
    ['-t', 'tee link force=true'],
    ['-t', 'tee {remote}/f append=true'],
    ['-o', '{remote}/sub/f', '--append'],
  ]) {
    const dir = t.testdir({ precious: 'precious', out: {} })
    const server = await serve(t, ['0', '--once', ...words], {
      cwd: dir,
      faults: [/ERR_FILE_EXISTS.*is a link|is a link.*ERR_FILE_EXISTS/],
    })
    symlinkSync('precious', join(dir, 'link'))
    symlinkSync('out', join(dir, '127.0.0.1'))
    await t.rejects(exchange(t, server.port, 'new'), { code: 'ECONNRESET' }, words.join(' '))
    t.equal((await server.ended).code, 1)
    t.equal(readFileSync(join(dir, 'precious'), 'utf8'), 'precious')
    t.same(readdirSync(join(dir, 'out')), [])
  }
})

t.test('a link to a device, and the name of a descriptor, are written', async t => {
  const dir = t.testdir()
  symlinkSync('/dev/null', join(dir, 'link'))
  const stdout = openSync(join(dir, 'stdout'), 'a')
  cleanup(t, () => closeSync(stdout))
  const words = ['0', '-o', 'link', '--once', '-t', 'tee /dev/stdout append=true']
  const server = await serve(t, words, { cwd: dir, stdio: ['ignore', stdout, 'pipe'] })
  await exchange(t, server.port, 'copied')
  t.equal((await server.ended).code, 0)
  t.equal(readFileSync(join(dir, 'stdout'), 'utf8'), 'copied')
})

const sysfs = '/sys/kernel/uevent_seqnum'

t.test('a file of /sys is sent, although its size is another one (G-04)', { skip: absent(sysfs) }, async t => {
  const server = await serve(t, ['0', '--once'])
  t.equal((await run(t, ['send', sysfs, '--to', server.to])).code, 0)
  t.match(String((await server.ended).stdout), /^\d+\n$/)
})

t.test('--append adds to one file, connection after connection', async t => {
  const dir = t.testdir({ out: 'zero\n' })
  const server = await serve(t, ['0', '-o', 'out', '--append'], { cwd: dir })
  for (const text of ['one\n', 'two\n']) await exchange(t, server.port, text)
  t.equal(readFileSync(join(dir, 'out'), 'utf8'), 'zero\none\ntwo\n')
})

t.test('a connection that fails at full speed: the size in its line is the size on disk (G-26)', async t => {
  const block = pattern(300_000)
  for (const [title, words, code] of [
    ['--max-bytes', ['--max-bytes', '3m'], 'ERR_LIMIT'],
    ['--max-duration', ['--max-duration', '300ms'], 'ERR_TIMEOUT'],
    ['a reset', [], 'ECONNRESET'],
  ] as const) {
    t.test(title, async t => {
      let rounds = 0
      while (rounds < 4) {
        const dir = t.testdir()
        const server = await serve(t, ['0', '-o', join(dir, '{id}'), ...words], { faults: [code] })
        const client = await dial(t, server.port)
        const send = (): void => void (client.destroyed || client.write(block, () => setImmediate(send)))
        send()
        if (words.length === 0) {
          await eventually('bytes', () => readdirSync(dir).some(name => statSync(join(dir, name)).size > 3_000_000))
          client.resetAndDestroy()
        }
        const { sink } = (await server.logged('connection failed')) as unknown as {
          sink?: { file: string; bytes: number }
        }
        if (!sink?.bytes) continue // on a busy machine, nothing comes in the time
        t.equal(statSync(sink.file).size, sink.bytes)
        rounds++
      }
    })
  }
})

t.test('a template: each placeholder, made safe (E-06)', async t => {
  const dir = t.testdir()
  const server = await serve(t, ['0', '-o', '{remote}/{port}-{id}-{time}.bin'], { cwd: dir })
  await exchange(t, server.port, 'x')
  const names = readdirSync(join(dir, '127.0.0.1'))
  t.match(names, [/^\d+-[0-9a-z]{10}-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.bin$/])
})

t.test('an address of IPv6 has no colons in the name of a file (E-06)', { skip: noIpv6 }, async t => {
  const dir = t.testdir()
  const server = await serve(t, ['[::1]:0', '-o', '{remote}-{port}.bin'], { cwd: dir })
  await exchange(t, { port: server.port, host: '::1' }, 'x')
  t.match(readdirSync(dir), [/^__1-\d+\.bin$/])
})

t.test('a device is written directly', async t => {
  const server = await serve(t, ['0', '-o', '/dev/null', '--once'])
  await exchange(t, server.port, 'x')
  t.equal((await server.ended).code, 0)
})

t.test('an output directory that cannot be made later: that connection is reset, the server lives', async t => {
  const dir = t.testdir()
  const server = await serve(t, ['0', '-o', 'file/{id}'], { cwd: dir, faults: [/ENOTDIR|EEXIST/] })
  writeFileSync(join(dir, 'file'), '')
  await t.rejects(exchange(t, server.port, 'x'), { code: 'ECONNRESET' })
  t.equal(server.child.exitCode, null)
})

t.test('stdin from a file and from a pipe are the same', async t => {
  const dir = t.testdir()
  const data = pattern(3_000_001)
  writeFileSync(join(dir, 'data'), data)
  for (const command of ['tcp-pipe send --to $TO < data', 'cat data | tcp-pipe send --to $TO']) {
    const server = await serve(t, ['0', '--once'])
    t.equal((await shell(t, command, { cwd: dir, env: { TO: server.to } })).code, 0)
    t.ok((await server.ended).stdout.equals(data), command)
  }
})

function absent(path: string): string | false {
  return !existsSync(path) && `${path} is missing`
}

/** `send FILE`, in the middle of it: the peer has taken a little and does not read on. */
async function stalled(t: Test, file: string) {
  const target = await listen(t, socket => socket.pause())
  const connection = once(target, 'connection')
  const client = tcpPipe(t, ['send', file, '--to', target.to])
  const [socket] = (await connection) as [Socket]
  await eventually('data', () => {
    socket.read(0)
    return socket.readableLength > 0
  })
  return { socket, client }
}

/** Reads to the end (or a reset) and ends. */
async function readAll(socket: Socket): Promise<number> {
  let size = socket.bytesRead - socket.readableLength
  socket.on('data', chunk => {
    size += chunk.length
  })
  socket.once('end', () => socket.end())
  socket.resume()
  await bounded(new Promise(resolve => socket.once('close', resolve)), 'the end')
  return size
}

async function dialAndWrite(t: Test, port: number, text: string): Promise<Socket> {
  const socket = await dial(t, port)
  socket.write(text)
  return socket
}
