import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { serve as serveInProcess } from '../../lib/index.js'
import type { Seen } from './flood.js'
import {
  bounded,
  cli,
  closed,
  dial,
  eventually,
  exchange,
  type LogLine,
  launch,
  listen,
  type Process,
  pattern,
  proxy,
  root,
  run,
  type ServerProcess,
  serve,
} from './support.js'

const flood = fileURLToPath(new URL('./flood.js', import.meta.url))

/** As many as Node lets wait to be accepted, and which it accepts in one turn. */
const kernelQueue = 511 + 64

const noIpv6 = hasIpv6() ? false : 'there is no ::1'

/** A log line about connections that were refused. */
interface Refused extends LogLine {
  refused: Record<string, number>
}

t.test(
  'a flood: --max-connections are served, quickly, and each of the others is reset and counted (F-02)',
  async t => {
    const server = await serve(t, ['0', '--reply', '--max-connections', '100'], { timeout: 90_000 })
    const before = descriptors(server)
    const cookiesBefore = synCookiesReceived()
    const held = await Promise.all(Array.from({ length: 100 }, () => dial(t, server.port)))
    await Promise.all(held.map(echoTime))
    const full = descriptors(server)
    const calm = await latency(held, new Promise(resolve => setTimeout(resolve, 1000)))

    const clients = launch(t, process.execPath, [flood, String(server.port), '5000', '10'], {
      input: null,
      timeout: 90_000,
      faults: null,
    })
    const told = once(clients.child.stdout as Readable, 'data')
    let mostOpen = 0
    const watch = setInterval(() => {
      mostOpen = Math.max(mostOpen, descriptors(server))
    }, 50)
    const leaving = held.splice(90)
    const busy = latency(held, told)
    await server.logged('connections refused')
    for (const socket of leaving) socket.end()
    const seen: Seen = JSON.parse(String(await bounded(told, 'the end of the flood', 50_000)))
    clearInterval(watch)
    const { median, worst } = await busy
    t.comment(`${seen.rate} connects a second for 10 s, ${seen.reset} reset; ${JSON.stringify(seen)}`)
    t.comment(`round trip of those that are served: median ${calm.median} ms, worst ${calm.worst} ms before;`)
    t.comment(
      `${median} ms and ${worst} ms meanwhile; descriptors ${before}, ${full} with 100, at most ${mostOpen} meanwhile`,
    )

    t.ok(seen.rate > 500, 'thousands a second, where the machine gives it')
    t.equal(seen.served, leaving.length, 'as many came in as there was room for when some had left, and no more')
    t.equal(seen.reset + seen.served + sum(seen.others) + seen.unanswered, seen.begun, 'each is accounted for')
    t.same(seen.others, {}, 'none was ended in another way')
    t.ok(median < 200 && worst < 3000, 'the latency of those that are served stays bounded')
    t.ok(mostOpen <= full + kernelQueue, 'those that are refused do not pile up')

    for (const socket of held) {
      t.notOk(socket.failed)
      socket.destroy()
    }
    clients.child.stdin?.end()
    await clients.ended
    await eventually('the descriptors are back', () => descriptors(server) === before)
    server.kill('SIGTERM')
    const { code, logs } = await server.ended
    t.equal(code, 0)
    const { total, refused } = refusedOverAll(logs)
    // A connect that overflows the kernel's queue is dropped there and tried again by the client's kernel: it comes later,
    // or stays unanswered. What is unanswered may have been delivered when its client had given up. And while that queue
    // is full the kernel remembers nothing of a connection but its SYN cookie: the byte of a client that crosses our
    // reset brings the cookie back, and the kernel delivers the same connection again.
    const cookies = synCookiesReceived() - cookiesBefore
    t.comment(`${total} counted, ${seen.reset} seen, ${seen.unanswered} unanswered, ${cookies} by SYN cookies`)
    const unsure = seen.unanswered + cookies
    if (unsure === 0) t.equal(total, seen.reset, 'the number that the clients have seen, exactly')
    else t.ok(total >= seen.reset && total <= seen.reset + unsure, `${total} counted, ${seen.reset} seen`)
    t.same(refused, { maxConnections: total })
    const lines = logs.filter(({ msg }) => msg === 'connections refused') as Refused[]
    const [from, until] = [lines[0], logs.at(-1)].map(line => Date.parse(String(line?.time)))
    const lasted = Number(until) - Number(from)
    t.ok(lines.length <= 2 + lasted / 10_000, `${lines.length} lines, one an interval`)
    t.equal(
      lines.reduce((all, { refused }) => all + sum(refused), 0),
      total,
      'which add up',
    )
    t.equal(logs.filter(({ msg }) => msg === 'connection closed').length, 110, 'one line for each that was served')
  },
)

t.test('the server warns at its start if the limit of open files leaves few connections (G-32)', async t => {
  const msg = 'the limit of open files has room for few connections; raise it with ulimit -n'
  const warned = async (files: number, command: string) => {
    const server = launch(t, 'bash', ['-c', `ulimit -n ${files}; exec '${process.execPath}' '${cli}' ${command}`], {
      input: null,
    })
    const { port } = await server.logged('listening')
    const socket = await dial(t, Number(port))
    socket.end().resume()
    await server.logged('connection closed')
    server.kill('SIGTERM')
    return (await server.ended).logs.filter(line => line.msg === msg)
  }
  t.match(await warned(64, 'serve 0'), [{ level: 40, maxConnections: 1, room: 1 }])
  t.match(await warned(512, 'serve 0 --max-connections 5000'), [{ level: 40, maxConnections: 5000, room: 448 }])
  t.same(await warned(512, 'serve 0'), [])
  t.same(await warned(512, 'serve 0 --max-connections 2'), [])
})

t.test('--max-connections of proxy: for one that is refused the target is not dialled (F-02)', async t => {
  let dialled = 0
  const target = await listen(t, socket => {
    dialled++
    socket.pipe(socket)
  })
  const server = await proxy(t, ['0', target.to, '--max-connections', '2'])
  const held = [await dial(t, server.port), await dial(t, server.port)]
  await Promise.all(held.map(echoTime))
  for (let i = 0; i < 5; i++) await t.rejects(exchange(t, server.port, 'x'), { code: /ECONNRESET|EPIPE/ })
  t.equal(dialled, 2)
  held[0]?.end()
  await server.logged('connection closed')
  t.equal(String(await exchange(t, server.port, 'room again')), 'room again')
})

t.test('--max-per-ip counts each address for itself, exactly (F-03)', async t => {
  const server = await serve(t, ['0', '--reply', '--max-per-ip', '3'], { faults: ['ECONNRESET'] })
  const addresses = Array.from({ length: 50 }, (_, i) => `127.0.0.${i + 1}`)
  const served = await Promise.all(addresses.map(address => attempts(t, server, address, 5)))
  for (const [i, sockets] of served.entries()) t.equal(sockets.length, 3, String(addresses[i]))
  const [first = [], second = []] = served
  first[0]?.end()
  await server.logged('connection closed')
  served.push(await attempts(t, server, '127.0.0.1', 3))
  t.equal(served.at(-1)?.length, 1, 'one has left: room for one')
  t.equal((await attempts(t, server, '127.0.0.2', 3)).length, 0, 'not of another address')
  second[0]?.resetAndDestroy()
  await server.logged('connection failed')
  served.push(await attempts(t, server, '127.0.0.2', 3))
  t.equal(served.at(-1)?.length, 1, 'one has failed: room for one')
  for (const socket of served.flat()) socket.end()
  server.kill('SIGTERM')
  const { code, logs } = await server.ended
  t.equal(code, 0)
  t.match(refusedOverAll(logs), { total: 100 + 2 + 3 + 2, refused: { maxPerIp: 107 } })
})

t.test('::1 and 127.0.0.1 are counted beside each other, and IPv4-mapped as IPv4 (F-03)', { skip: noIpv6 }, async t => {
  const server = await serve(t, ['[::]:0', '--reply', '--max-per-ip', '2'])
  t.equal((await attempts(t, server, '127.0.0.1', 4)).length, 2)
  t.equal((await attempts(t, server, '127.0.0.2', 4)).length, 2)
  t.equal((await attempts(t, server, '::1', 4)).length, 2)
  t.match(await server.logged('connections refused'), { remote: '127.0.0.1', refused: { maxPerIp: 1 } })
})

t.test('an address that has left is forgotten, however many there have been (F-03)', async t => {
  const server = await serveInProcess({ port: 0, reply: true, maxPerIp: 1 })
  t.teardown(() => server.close({ drain: 0 }))
  const { port } = server.address
  for (let i = 0; i < 4000; i += 100) {
    const addresses = Array.from({ length: 100 }, (_, j) => `127.1.${(i + j) >> 8}.${(i + j) & 255}`)
    for (const _ of ['once', 'again'])
      await Promise.all(addresses.map(localAddress => exchange(t, { port, host: '127.0.0.1', localAddress }, 'x')))
    await eventually('all have left', () => server.connections.size === 0)
  }
  t.match(server.stats(), { accepted: 8000, refused: { maxPerIp: 0 }, failed: 0 })
})

t.test('serve --max-bytes: stdout never gets more, and the one that sent more is reset', async t => {
  const faults = ['the peer has sent more than --max-bytes, 1000 bytes']
  for (const pieces of [1, 100, 1001]) {
    const server = await serve(t, ['0', '--max-bytes', '1000'], { faults })
    const data = pattern(1001)
    const socket = await dial(t, server.port)
    socket.setNoDelay(true)
    for (let i = 0; i < pieces; i++) {
      socket.write(data.subarray((i * 1001) / pieces, ((i + 1) * 1001) / pieces))
      await new Promise<void>(resolve => setImmediate(resolve))
    }
    await bounded(closed(socket.resume()), 'the reset')
    t.match(socket.failed, { code: /ECONNRESET|EPIPE/ }, `in ${pieces} pieces`)
    t.match(await server.logged('connection failed'), { closedBy: 'limit', code: 'ERR_LIMIT' })
    server.kill('SIGTERM')
    const { stdout } = await server.ended
    t.ok(stdout.length <= 1000, `${stdout.length} bytes in ${pieces} pieces`)
    t.ok(data.subarray(0, stdout.length).equals(stdout), 'the first ones')
  }
})

t.test('serve --max-bytes: as many as are allowed pass, for each connection anew', async t => {
  const server = await serve(t, ['0', '--max-bytes', '1k'])
  for (let i = 0; i < 3; i++)
    t.equal((await run(t, ['send', '--to', server.to], { input: pattern(1024) })).code, 0, 'not one too many')
  t.equal((await server.printed(3072)).length, 3072)
})

t.test('serve --reply --max-bytes: what we send is not counted', async t => {
  const server = await serve(t, ['0', '--reply', '-t', 'hex plain=true', '--max-bytes', '100'])
  t.equal((await exchange(t, server.port, pattern(100))).length, 200 + Math.ceil(100 / 30))
})

t.test('serve --max-bytes is about what comes in, not about what a stage makes of it', async t => {
  const server = await serve(t, ['0', '--from', 'package.json', '--max-bytes', '1'])
  t.equal(String(await exchange(t, server.port, 'x')), readFileSync(join(root, 'package.json'), 'utf8'))
})

t.test('proxy --max-bytes: each side may send so many', async t => {
  for (const talks of ['client', 'target'] as const) {
    t.test(`the ${talks} sends more`, async t => {
      const got: Buffer[] = []
      let talk = () => {}
      const target = await listen(t, socket => {
        if (talks === 'target') talk = () => void socket.write(pattern(5000))
        socket.on('data', chunk => got.push(chunk)).once('data', () => talk())
      })
      const server = await proxy(t, ['0', target.to, '--max-bytes', '4999'], { faults: ['--max-bytes'] })
      const client = await dial(t, server.port)
      client.on('data', chunk => got.push(chunk))
      if (talks === 'client') talk = () => void client.write(pattern(5000))
      client.write('x')
      await bounded(closed(client), 'the reset')
      t.match(client.failed, { code: /ECONNRESET|EPIPE/ })
      t.match(await server.logged('connection failed'), { closedBy: 'limit', code: 'ERR_LIMIT', side: talks })
      t.ok(Buffer.concat(got).length <= 4999 + 1)
    })
  }
  t.test('neither does', async t => {
    const target = await listen(t, socket => void socket.pipe(socket))
    const server = await proxy(t, ['0', target.to, '--max-bytes', '5000'])
    t.equal((await exchange(t, server.port, pattern(5000))).length, 5000)
  })
})

t.test('a limit of 0, or none: exit 2', async t => {
  for (const words of ['--max-connections 0', '--max-per-ip 0', '--max-per-ip -1', '--max-connections 1.5']) {
    const flag = words.split(' ')[0] as string
    for (const command of [
      ['serve', '0'],
      ['proxy', '0', '127.0.0.1:9'],
    ]) {
      const { code, stderr } = await run(t, [...command, ...words.split(' ')], { faults: [flag] })
      t.equal(code, 2, words)
      t.notMatch(stderr, 'listening')
    }
  }
})

t.test('--max-per-ip on a unix socket: exit 2, nobody there has an address', async t => {
  const { code } = await run(t, ['serve', 'unix:never', '--max-per-ip', '1'], { faults: ['--max-per-ip'] })
  t.equal(code, 2)
})

function descriptors({ pid }: Process): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** Milliseconds until a byte is back. */
async function echoTime(socket: Socket): Promise<number> {
  const start = performance.now()
  socket.write('x')
  await bounded(once(socket, 'data'), 'an echo')
  return performance.now() - start
}

/** Of a byte on each of these sockets, five times a second, until then. */
async function latency(sockets: readonly Socket[], until: Promise<unknown>) {
  let isOver = false
  const over = () => {
    isOver = true
  }
  until.then(over, over)
  const times: number[] = []
  const measure = async (socket: Socket) => {
    while (!isOver) {
      times.push(await echoTime(socket))
      await new Promise(resolve => setTimeout(resolve, 200))
    }
  }
  await Promise.all(sockets.map(measure))
  times.sort((one, other) => one - other)
  return { median: Math.round(times[times.length >> 1] as number), worst: Math.round(times.at(-1) as number) }
}

/** So many connections from this address, one after the other: those that are served, the others are reset. */
async function attempts(t: Test, { port }: ServerProcess, localAddress: string, count: number): Promise<Socket[]> {
  const host = localAddress.includes(':') ? '::1' : '127.0.0.1'
  const served: Socket[] = []
  for (let i = 0; i < count; i++) {
    try {
      const socket = await dial(t, { port, host, localAddress })
      await echoTime(socket)
      served.push(socket)
    } catch (error) {
      t.match(error, { code: /ECONNRESET|EPIPE/ })
    }
  }
  return served
}

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === '::1'))
}

/** Connections that Linux has made of a SYN cookie (RFC 4987, section 3.6), on all ports of this network namespace. */
function synCookiesReceived(): number {
  const [names = [], values = []] = readFileSync('/proc/net/netstat', 'utf8')
    .split('\n')
    .map(line => line.split(' '))
  return Number(values[names.indexOf('SyncookiesRecv')])
}

function refusedOverAll(logs: readonly LogLine[]): Refused & { total: number } {
  return logs.find(({ msg }) => msg === 'connections refused in total') as Refused & { total: number }
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
