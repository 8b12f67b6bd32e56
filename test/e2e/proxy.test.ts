import { once } from 'node:events'
import { existsSync, lstatSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gunzipSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { hiddenReset } from '../../lib/endpoints/reset.js'
import {
  blackHole,
  bounded,
  closed,
  dial,
  eventually,
  exchange,
  freePort,
  listen,
  type Options,
  pattern,
  proxy,
  residentBytes,
  run,
  shortDirectory,
} from './support.js'

/** One end of a connection through the proxy; its error is in `failed`. */
type End = Socket & { failed?: NodeJS.ErrnoException | undefined }

/** Words of the command line → what the one line on stderr must say. Nobody ever listens on these ports. */
const mistakes: [line: string[], says: string][] = [
  // addresses
  [[], 'proxy needs two addresses, got none; expected LISTEN and TARGET'],
  [['6380'], "proxy needs two addresses, got only '6380'; expected"],
  [['0', ''], "'' has no port; expected"],
  [['0', `unix:/${'x'.repeat(107)}`], 'the path of a unix socket has 1 to 107 bytes, not 108'],
  // its own address
  [['5999', '5999'], "'127.0.0.1:5999' is the proxy's own address: it would connect to itself endlessly"],
  [['5999', 'localhost:5999'], "'localhost:5999' is the proxy's own address"],
  [['5999', '0.0.0.0:5999'], "'0.0.0.0:5999' is the proxy's own address"],
  [['0.0.0.0:5999', '127.0.0.2:5999'], "'127.0.0.2:5999' is the proxy's own address"],
  [['0.0.0.0:5999', `${hostname()}:5999`], `'${hostname()}:5999' is the proxy's own address`],
  [['unix:/tmp/here', 'unix:/tmp/../tmp/here'], "'unix:/tmp/../tmp/here' is the proxy's own address"],
  // values and stages
  [['0', ':1', '--connect-timeout', 'soon'], "--connect-timeout: 'soon' is not allowed; expected a duration"],
  [['0', ':1', '-t', 'hexx'], "'hexx', column 1: unknown transform 'hexx'; did you mean 'hex'?"],
  [['0', ':1', '-r', 'gzip level=99'], "'gzip level=99', column 6: gzip level: "],
  [['0', ':1', '-b'], "'-b, --both <spec>' argument missing"],
]

t.test('a usage error: exit 2 and one line on stderr (B-08, B-09)', async t => {
  t.jobs = 4
  for (const [line, says] of mistakes) {
    t.test(line.join(' ').slice(0, 60) || 'no words', async t => {
      const { code, stdout, stderr } = await run(t, ['proxy', ...line], { faults: [says] })
      t.equal(code, 2)
      t.equal(stdout.length, 0)
      t.match(stderr, /^tcp-pipe: [^\n]+\n$/)
    })
  }
})

t.test('a usage error is found before listening or dialling (B-09)', async t => {
  let dialled = 0
  const target = await listen(t, () => dialled++)
  const path = join(shortDirectory(t), 'socket')
  for (const line of [
    ['-r', 'hexx'],
    ['-b', 'hex', '-t', 'hexx'],
  ]) {
    const { code } = await run(t, ['proxy', `unix:${path}`, target.to, ...line], {
      faults: ["unknown transform 'hexx'"],
    })
    t.equal(code, 2)
  }
  t.equal((await run(t, ['proxy', target.to, ':1'], { faults: [/EADDRINUSE/] })).code, 1)
  t.notOk(existsSync(path))
  t.equal(dialled, 0)
})

t.test('the line `listening` tells the port and the target; nothing is on stdout', async t => {
  const { tool, open } = await link(t)
  t.match(tool.logs[0], { address: '127.0.0.1', port: tool.port, to: /^127\.0\.0\.1:\d+$/ })
  const [client, server] = await open()
  client.end('question')
  t.equal(String(await whole(server)), 'question')
  server.end('answer')
  t.equal(String(await whole(client)), 'answer')
  tool.kill('SIGTERM')
  const { code, stdout } = await tool.ended
  t.equal(code, 0)
  t.equal(stdout.length, 0)
})

t.test('half-close', async t => {
  const sent = pattern(10_000_000)
  const { tool, open } = await link(t)
  const closedLine = (remote: string) => tool.logged('connection closed', line => line.remote === remote)

  for (const first of ['client', 'target'] as const) {
    t.test(`the ${first} ends first, the other continues to send 10 MB (A-02)`, async t => {
      const [client, server] = await open()
      const remote = nameOf(client)
      const [ender, sender] = first === 'client' ? [client, server] : [server, client]
      ender.end('all of it')
      t.equal(String(await whole(sender)), 'all of it')
      sender.write(sent.subarray(0, 5_000_000))
      await bounded(once(ender, 'readable'), 'the first of it')
      sender.end(sent.subarray(5_000_000))
      t.ok((await whole(ender)).equals(sent))
      const [bytesIn, bytesOut] = first === 'client' ? [9, sent.length] : [sent.length, 9]
      const line = await closedLine(remote)
      t.match(line, { level: 30, bytesIn, bytesOut, duration: Number, closedBy: 'peer', side: first })
      t.match(line.target, { to: String, bytesIn: bytesOut, bytesOut: bytesIn })
    })
  }

  t.test('both end at once', async t => {
    const [client, server] = await open()
    const remote = nameOf(client)
    const both = [whole(client), whole(server)]
    client.end(sent)
    server.end(sent)
    for (const received of await Promise.all(both)) t.ok(received.equals(sent))
    const line = await closedLine(remote)
    t.match(line, { bytesIn: sent.length, bytesOut: sent.length, closedBy: 'peer', side: /^(client|target)$/ })
    t.match(line.target, { bytesIn: sent.length, bytesOut: sent.length })
  })

  t.test('an end without a byte', async t => {
    const [client, server] = await open()
    const remote = nameOf(client)
    server.end()
    t.equal((await whole(client)).length, 0)
    client.end()
    t.equal((await whole(server)).length, 0)
    t.match(await closedLine(remote), { bytesIn: 0, bytesOut: 0, closedBy: 'peer', side: 'target' })
  })

  t.test('what a slow stage still holds is delivered before the end (A-01)', async t => {
    const { open } = await link(t, ['-b', 'delay 50ms | throttle 8MiB'])
    const [client, server] = await open()
    const both = [whole(client), whole(server)]
    client.end(sent.subarray(0, 2_000_000))
    server.end(sent.subarray(0, 2_000_000))
    for (const received of await Promise.all(both)) t.ok(received.equals(sent.subarray(0, 2_000_000)))
  })
})

t.test('the target cannot be reached: the client is reset, one line is logged, the proxy lives', async t => {
  t.test('refused (A-11)', async t => {
    const port = await freePort()
    const tool = await proxy(t, ['0', `127.0.0.1:${port}`], { faults: ['ECONNREFUSED', 'ECONNREFUSED'] })
    await t.rejects(exchange(t, tool.port, 'lost'), { code: 'ECONNRESET' })
    t.equal(await dialled(t, tool.port), 'ECONNRESET')
    await eventually('two lines', () => tool.logs.length === 3)
    const line = tool.logs[1]
    t.match(line, { msg: 'connection failed', closedBy: 'error', code: 'ECONNREFUSED' })
    t.match(line?.error, `127.0.0.1:${port}`)
    const late = createServer(socket => void socket.end('here now')).listen(port, '127.0.0.1')
    t.teardown(() => late.close())
    await once(late, 'listening')
    t.equal(String(await exchange(t, tool.port, '')), 'here now')
  })

  const to = `127.0.0.1:${await blackHole(t)}`

  t.test('no answer within --connect-timeout (A-11)', async t => {
    const says = `connect timeout: no answer from ${to} in 300ms`
    const tool = await proxy(t, ['0', to, '--connect-timeout', '300ms'], { faults: [says, says] })
    const started = performance.now()
    const clients = [await dial(t, tool.port), await dial(t, tool.port)]
    clients[0]?.end('the end does not cut it short')
    t.same(await Promise.all(clients.map(fate)), ['ECONNRESET', 'ECONNRESET'])
    const took = performance.now() - started
    t.ok(took >= 299 && took < 5000, `after ${took} ms`)
    t.match(await tool.logged('connection failed'), { closedBy: 'timeout', code: 'ERR_TIMEOUT', error: says })
  })

  t.test('a client that goes while the target is dialled', async t => {
    const tool = await proxy(t, ['0', to], { faults: ['ECONNRESET'] })
    const client = await dial(t, tool.port)
    client.resetAndDestroy()
    t.match(await tool.logged('connection failed'), { closedBy: 'reset', code: 'ECONNRESET' })
    tool.kill('SIGTERM')
    t.equal((await tool.ended).code, 0, 'nothing is left of it')
  })

  t.test('a name that does not exist, a path where nobody listens', async t => {
    for (const [name, code] of [
      ['no-such-host.invalid:1', /^(ENOTFOUND|EAI_AGAIN)$/],
      ['unix:/no/such/socket', 'ENOENT'],
    ] as const) {
      const tool = await proxy(t, ['0', name], { faults: [name.replace(/^unix:|:1$/g, '')] })
      t.equal(await dialled(t, tool.port), 'ECONNRESET')
      t.match(await tool.logged('connection failed'), { closedBy: 'error', code })
    }
  })
})

t.test('a reset in the middle of a transfer resets the other leg, is logged once, and the others go on', async t => {
  t.test('while both send (A-04)', async t => {
    const { tool, open } = await link(t, [], { faults: ['ECONNRESET', 'ECONNRESET'] })
    const [goodClient, goodServer] = await open()
    for (const side of ['client', 'target'] as const) {
      const [client, server] = await open()
      const remote = nameOf(client)
      const [bad, other] = side === 'client' ? [client, server] : [server, client]
      for (const [from, to] of [
        [other, bad],
        [bad, other], // what it said last has no answer
      ] as const) {
        const arrived = bytesOf(to)
        from.write(pattern(300_000))
        await arrived(300_000)
      }
      bad.resetAndDestroy()
      t.equal(await fate(other), 'ECONNRESET', side)
      const line = await tool.logged('connection failed', line => line.remote === remote)
      t.match(line, { closedBy: 'reset', side, code: 'ECONNRESET', bytesIn: 300_000, bytesOut: 300_000 })
      t.match(line.target, { bytesIn: 300_000, bytesOut: 300_000 })
    }
    goodClient.end('still')
    goodServer.end('here')
    t.equal(String(await whole(goodServer)), 'still')
    t.equal(String(await whole(goodClient)), 'here')
    await tool.logged('connection closed')
    t.equal(tool.logs.length, 4)
  })

  t.test('by the one that does not read', async t => {
    const { tool, open } = await link(t, [], { faults: [/ECONNRESET|EPIPE/, /ECONNRESET|EPIPE/] })
    for (const side of ['client', 'target'] as const) {
      const [client, server] = await open()
      const remote = nameOf(client)
      const [bad, other] = side === 'client' ? [client, server] : [server, client]
      await offer(other, 1 << 30).stalled()
      bad.resetAndDestroy()
      await bounded(closed(other), 'the reset')
      t.match(other.failed?.code, /ECONNRESET|EPIPE/, side)
      t.match(await tool.logged('connection failed', line => line.remote === remote), { closedBy: 'reset', side })
    }
  })

  t.test('a sender that is reset while nobody reads: no end that looks like success', async t => {
    const { tool, open } = await link(t, [], { faults: ['ECONNRESET'] })
    const [client, server] = await open()
    await offer(client, 1 << 30).stalled()
    client.resetAndDestroy()
    t.equal(await fate(server), 'ECONNRESET', 'as soon as it reads')
    t.match(await tool.logged('connection failed'), { closedBy: 'reset', side: 'client', code: 'ECONNRESET' })
  })

  t.test('data and a reset that come together are not taken for data and an end', async t => {
    const { tool, open } = await link(t, [], { faults: ['ECONNRESET'] })
    const [client, server] = await open()
    client.write('first ')
    await bytesOf(server)(6)
    tool.kill('SIGSTOP')
    client.write('second', () => client.resetAndDestroy())
    await closed(client)
    tool.kill('SIGCONT')
    t.equal(await fate(server), 'ECONNRESET')
    await tool.logged('connection failed')
  })
})

const noProc = process.platform !== 'linux' && 'needs /proc'

t.test('memory stays bounded while the reader is paused; then everything arrives (A-06)', { skip: noProc }, async t => {
  const { tool, open } = await link(t)
  const [first, second] = await open()
  first.end('warm')
  second.end('warm')
  await Promise.all([whole(first), whole(second)])
  const idle = residentBytes(tool.pid)
  const ends = await open()
  const offers = ends.map(end => offer(end, 1 << 30))
  for (const { stalled, sent } of offers) {
    await stalled()
    t.ok(sent() < 64 << 20, `the sender is blocked after ${sent()} bytes`)
  }
  const grown = residentBytes(tool.pid) - idle
  t.ok(grown < 16 << 20, `it has grown by ${grown} bytes`)
  for (const each of offers) each.stopAt(128 << 20)
  const received = await bounded(Promise.all(ends.map(check)), 'all bytes')
  for (const [i, { size, isSame }] of received.entries()) {
    t.ok(isSame)
    t.equal(size, offers[1 - i]?.sent())
  }
})

t.test('timeouts', async t => {
  t.test('--idle-timeout cuts both legs of what is silent in both directions', async t => {
    const { tool, open } = await link(t, ['--idle-timeout', '400ms'], { faults: ['idle timeout'] })
    const [client, server] = await open()
    const remote = nameOf(client)
    const [busyClient, busyServer] = await open()
    let received = 0
    busyClient.on('data', () => received++)
    const timer = setInterval(() => busyServer.write('x'), 50)
    t.teardown(() => clearInterval(timer))
    t.same(await Promise.all([fate(client), fate(server)]), ['ECONNRESET', 'ECONNRESET'])
    const line = await tool.logged('connection failed')
    t.match(line, { remote, closedBy: 'timeout', code: 'ERR_TIMEOUT', error: 'idle timeout: no byte for 400 ms' })
    const before = received
    await eventually('more in one direction', () => received > before + 10)
    clearInterval(timer)
    busyClient.end()
    busyServer.end()
    await Promise.all([closed(busyClient), closed(busyServer)])
    await tool.logged('connection closed')
  })

  t.test('--half-closed-timeout, whichever side has ended', async t => {
    const says = 'half-closed timeout: no byte for 300 ms'
    const { tool, open } = await link(t, ['--half-closed-timeout', '300ms'], { faults: [says, says] })
    for (const first of ['client', 'target'] as const) {
      const [client, server] = await open()
      const remote = nameOf(client)
      const [ended, other] = first === 'client' ? [client, server] : [server, client]
      ended.end()
      await whole(other)
      t.equal(await fate(ended), 'ECONNRESET', first)
      const line = await tool.logged('connection failed', line => line.remote === remote)
      t.match(line, { closedBy: 'timeout', code: 'ERR_TIMEOUT' })
    }
  })
})

t.test('signals', async t => {
  t.test('SIGTERM: no new connection, the open one finishes, exit 0 (C-02)', async t => {
    const { tool, open } = await link(t)
    const [client, server] = await open()
    tool.kill('SIGTERM')
    t.match(await tool.logged('draining'), { signal: 'SIGTERM', connections: 1 })
    await t.rejects(dial(t, tool.port), { code: 'ECONNREFUSED' })
    client.end('after')
    t.equal(String(await whole(server)), 'after')
    server.end('too')
    t.equal(String(await whole(client)), 'too')
    t.equal((await tool.ended).code, 0)
  })

  t.test('a connection still open after --drain-timeout is reset on both sides, exit 1 (C-02)', async t => {
    const faults = ['connections reset after the drain timeout', 'drain timeout']
    const { tool, open } = await link(t, ['--drain-timeout', '200ms'], { faults })
    const [client, server] = await open()
    tool.kill('SIGTERM')
    t.same(await Promise.all([fate(client), fate(server)]), ['ECONNRESET', 'ECONNRESET'])
    const { code, logs } = await tool.ended
    t.equal(code, 1)
    t.match(
      logs.find(({ msg }) => msg === 'connection failed'),
      { closedBy: 'timeout', timeout: 'drain' },
    )
  })

  t.test('a second one exits at once (143 in a shell) and resets both sides (C-03)', async t => {
    const { tool, open } = await link(t, [], { faults: null })
    const [client, server] = await open()
    tool.kill('SIGINT')
    await tool.logged('draining')
    tool.kill('SIGTERM')
    t.equal((await tool.ended).signal, 'SIGTERM')
    t.same(await Promise.all([fate(client), fate(server)]), ['ECONNRESET', 'ECONNRESET'])
  })
})

t.test('--once: one connection, further ones are refused; its failure is exit 1', async t => {
  const good = await link(t, ['--once'])
  const [client, server] = await good.open()
  await t.rejects(dial(t, good.tool.port), { code: 'ECONNREFUSED' })
  client.end('x')
  server.end('y')
  await Promise.all([whole(client), whole(server)])
  t.equal((await good.tool.ended).code, 0)
  const bad = await proxy(t, ['0', `:${await freePort()}`, '--once'], { faults: ['ECONNREFUSED'] })
  t.equal(await dialled(t, bad.port), 'ECONNRESET')
  t.equal((await bad.ended).code, 1)
})

t.test('--max-connections: the extra one is reset and the target never sees it', async t => {
  const { tool, open } = await link(t, ['--max-connections', '1'])
  const [client, server] = await open()
  t.equal(await dialled(t, tool.port), 'ECONNRESET')
  t.match(await tool.logged('connections refused'), { level: 40, refused: { maxConnections: 1 } })
  for (const end of [client, server]) end.end('x')
  t.same((await Promise.all([whole(client), whole(server)])).map(String), ['x', 'x'])
  await tool.logged('connection closed')
  const [again, other] = await open()
  for (const end of [again, other]) end.end('y')
  t.same((await Promise.all([whole(again), whole(other)])).map(String), ['y', 'y'], 'there is room again')
})

t.test('unix sockets', async t => {
  const sent = pattern(300_000)
  for (const leg of ['client', 'target', 'both'] as const) {
    t.test(leg, async t => {
      const dir = shortDirectory(t)
      const front = join(dir, 'front')
      const target = await listen(
        t,
        socket => void socket.pipe(socket),
        leg === 'client' ? undefined : { path: join(dir, 'back') },
      )
      const tool = await proxy(t, [leg === 'target' ? '0' : `unix:${front}`, target.to])
      const to = leg === 'target' ? tool.port : { path: front }
      t.ok((await exchange(t, to, sent)).equals(sent))
      const line = await tool.logged('connection closed')
      t.match(line, { bytesIn: sent.length, bytesOut: sent.length, closedBy: 'peer', side: 'client' })
      t.match(line.target, { to: target.to, bytesIn: sent.length, bytesOut: sent.length })
      tool.kill('SIGTERM')
      t.equal((await tool.ended).code, 0)
      t.notOk(existsSync(front))
      if (leg !== 'client') t.ok(lstatSync(join(dir, 'back')).isSocket(), 'the socket of the target is its own')
    })
  }
})

t.test('transforms', async t => {
  t.test('each direction has its own', async t => {
    const { tool, open } = await link(t, ['-t', 'hex plain=true', '-r', 'gzip'])
    const [client, server] = await open()
    client.end('question')
    server.end('answer')
    t.equal(String(await whole(server)).trim(), Buffer.from('question').toString('hex'))
    t.equal(String(gunzipSync(await whole(client))), 'answer')
    t.match(await tool.logged('connection closed'), { bytesIn: 8, bytesOut: Number })
  })

  t.test('-t, -r and -b stand in the order of the line', async t => {
    const line = ['-b', 'prefix 1', '-t', 'prefix 2 | prefix 3', '-r', 'prefix 4', '--both', 'prefix 5']
    const { open } = await link(t, line)
    const [client, server] = await open()
    client.end('x\n')
    server.end('y\n')
    t.equal(String(await whole(server)), '5321x\n')
    t.equal(String(await whole(client)), '541y\n')
  })

  t.test('from the environment; the line replaces it', async t => {
    const env = { TCP_PIPE_PROXY_TRANSFORM: 'prefix env', TCP_PIPE_PROXY_REPLY_TRANSFORM: 'prefix env' }
    const { open } = await link(t, ['-t', 'prefix line'], { env })
    const [client, server] = await open()
    client.end('-x\n')
    server.end('-y\n')
    t.equal(String(await whole(server)), 'line-x\n')
    t.equal(String(await whole(client)), 'env-y\n')
  })

  t.test('a stage that fails resets both legs; the other connections have their own stages', async t => {
    const { tool, open } = await link(t, ['-t', 'gunzip'], { faults: ['gunzip: incorrect header'] })
    const [client, server] = await open()
    client.write('this is not gzip')
    t.same(await Promise.all([fate(client), fate(server)]), ['ECONNRESET', 'ECONNRESET'])
    t.match(await tool.logged('connection failed'), { closedBy: 'error' })
    const [again, other] = await open()
    again.end(gzipSync('this is'))
    other.end()
    t.equal(String(await whole(other)), 'this is')
  })

  t.test('a stage that stops ends its direction only', async t => {
    const { tool, open } = await link(t, ['-t', 'head 1'])
    const [client, server] = await open()
    client.write('one\ntwo\nthree\n')
    t.equal(String(await whole(server)), 'one\n')
    server.end('the other way')
    t.equal(String(await whole(client)), 'the other way')
    client.end()
    await tool.logged('connection closed')
  })
})

/** A proxy in front of a server of the test's own; `open` gives both ends of a new connection through it. */
async function link(t: Test, args: readonly string[] = [], options?: Options) {
  const waiting: ((socket: End) => void)[] = []
  const server = await listen(t, socket => waiting.shift()?.(socket))
  const tool = await proxy(t, ['0', server.to, ...args], options)

  async function open(): Promise<[client: End, server: End]> {
    const accepted = new Promise<End>(resolve => waiting.push(resolve))
    const client = await dial(t, tool.port)
    const other = await bounded(accepted, 'the connection to the target')
    other.on('error', error => {
      other.failed = error
    })
    return [client, other]
  }

  return { tool, open }
}

/** What becomes of a client of which the proxy wants nothing to know; the reset may come before the connection is told. */
function dialled(t: Test, port: number): Promise<string> {
  return dial(t, port).then(fate, ({ code }) => code)
}

/** What one end gives, to its end; it can still be written to (`buffer` of Node would destroy it). */
async function whole(end: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  end.on('data', chunk => chunks.push(chunk))
  await bounded(once(end, 'end'), 'the end')
  return Buffer.concat(chunks)
}

/** What becomes of one end, when it is read: `end`, or the code of its error, also of one that Node takes for an end. */
async function fate(end: End): Promise<string> {
  const ended = new Promise(resolve => {
    end.once('end', () => {
      end.failed = end.failed ?? hiddenReset(end)
      resolve(undefined)
    })
  })
  end.resume()
  await bounded(Promise.race([closed(end), ended]), 'the end')
  return end.failed?.code ?? 'end'
}

/** Reads from now on; what it gives waits for so many bytes. */
function bytesOf(end: Socket): (size: number) => Promise<void> {
  let received = 0
  end.on('data', chunk => {
    received += chunk.length
  })
  return size => eventually(`${size} bytes`, () => received >= size)
}

/** As the log names it; a socket that is closed knows it no more. */
function nameOf(client: Socket): string {
  return `127.0.0.1:${client.localPort}`
}

const block = pattern(1_000_003)

/** Sends so many bytes, as fast as they are taken. */
function offer(end: Socket, total: number) {
  let sent = 0
  let limit = total
  Readable.from(blocks(), { objectMode: false, highWaterMark: 1 }).pipe(end)

  function* blocks() {
    while (sent < limit) {
      sent += block.length
      yield block
    }
  }

  /** Resolves when nothing has been taken for a while. */
  async function stalled(): Promise<void> {
    let [last, since] = [-1, 0]
    await eventually('the sender waits', () => {
      if (sent !== last) [last, since] = [sent, performance.now()]
      return performance.now() - since > 300
    })
  }

  return {
    stalled,
    sent: () => sent,
    /** It is enough when so many have been sent. */
    stopAt: (size: number) => {
      limit = size
    },
  }
}

/** Reads to the end, and compares with what `offer` sends. */
async function check(end: Socket): Promise<{ size: number; isSame: boolean }> {
  let size = 0
  let isSame = true
  end.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      const from = (size + at) % block.length
      const length = Math.min(chunk.length - at, block.length - from)
      isSame &&= block.compare(chunk, at, at + length, from, from + length) === 0
      at += length
    }
    size += chunk.length
  })
  await once(end, 'end')
  return { size, isSame }
}
