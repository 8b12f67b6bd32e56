import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { PassThrough, Readable, Transform, Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { Outgoing } from '../../../lib/endpoints/session/outgoing.js'
import {
  type Connection,
  type SendOptions,
  type ServeOptions,
  type Summary,
  send,
  serve,
  transferLinks,
} from '../../../lib/index.js'
import { sendReliably } from '../../../lib/send/reliable.js'
import type { Logger } from '../../../lib/stages/context.js'
import { relay } from '../endpoints/session/relay.js'

const data = randomBytes(700_000)
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

interface Scene {
  readonly folder: string
  readonly port: number
  readonly in: (name: string) => string
  readonly file: (bytes: Uint8Array) => { scheme: 'file'; path: string }
}

async function scene(t: Test, options: ServeOptions = {}): Promise<Scene> {
  const folder = t.testdir({ in: {} })
  const server = await serve({ reliable: true, port: 0, to: `file:${join(folder, 'in/{name}')}`, ...options })
  t.teardown(() => server.close({ drain: 0 }))
  server.closed.catch(() => {})
  const path = join(folder, 'source')
  return {
    folder,
    port: (server.address as { port: number }).port,
    in: name => join(folder, 'in', name),
    file(bytes) {
      writeFileSync(path, bytes)
      return { scheme: 'file', path }
    },
  }
}

/** A log, and what it was told. */
function listening(): { readonly words: string[]; readonly log: Logger } {
  const words: string[] = []
  const tell = (_facts: object, text: string) => words.push(text ?? _facts)
  const log = { info: tell, warn: tell, error: tell, debug() {}, trace() {}, child: () => log }
  return { words, log: log as never }
}

const nowhere = () => new PassThrough().resume()

function transfer(port: number, options: SendOptions) {
  return send({ ...options, reliable: true, port, output: nowhere() })
}

const inverted = () =>
  new Transform({
    transform: (chunk: Buffer, _encoding, callback) => callback(null, Buffer.from(chunk.map(byte => byte ^ 0xff))),
  })

/** Waits while something holds. */
async function vanished(holds: () => boolean): Promise<void> {
  while (holds()) await new Promise(setImmediate)
}

/** A network that breaks each of its first connections after so many bytes. Counts all. */
async function breaking(
  t: Test,
  target: number | (() => number),
  after: readonly number[],
): Promise<{ port: number; count(): number }> {
  const left = [...after]
  const sockets = new Set<Socket>()
  let count = 0
  const server: Server = createServer(client => {
    count++
    let rest = left.shift() ?? Number.POSITIVE_INFINITY
    const other = connect(typeof target === 'number' ? target : target(), '127.0.0.1')
    for (const [from, to] of [
      [client, other],
      [other, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => to.destroy()).on('close', () => to.destroy())
      from.on('data', (chunk: Buffer) => {
        rest -= from === client ? chunk.length : 0
        if (rest < 0) for (const socket of [client, other]) socket.resetAndDestroy()
        else to.write(chunk)
      })
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { port: (server.address() as { port: number }).port, count: () => count }
}

t.test('a receipt says what the receiver has', async t => {
  const { port, file, ...at } = await scene(t)
  const receipt = await transfer(port, { from: file(data), name: 'a/b' })
  const { name, bytes, reconnects, duration, summary, skipped, written } = receipt
  t.same(
    { name, bytes, reconnects, skipped, written },
    {
      ...{ name: 'a/b', bytes: data.length, reconnects: 0, skipped: undefined, written: undefined },
    },
  )
  t.equal(receipt.sha256, sha256(data))
  t.ok(duration >= 0 && duration < 60_000)
  t.equal(summary.error, undefined)
  t.same(readFileSync(at.in('a/b')), data)
})

t.test(
  'a file that is there and equal is skipped; another one is refused; the first transfer is not harmed',
  async t => {
    const { port, file, ...at } = await scene(t)
    await transfer(port, { from: file(data), name: 'f' })
    const again = await transfer(port, { from: file(data), name: 'f' })
    t.match(again, { skipped: true, bytes: data.length, sha256: sha256(data) })
    const other = transfer(port, { from: file(randomBytes(data.length)), name: 'f' })
    await t.rejects(other, { code: 'ERR_SESSION', message: /^refused: .*f' exists; force replaces it/ })
    await t.rejects(transfer(port, { from: 'short', name: 'f' }), { message: /exists/ })
    const more = Buffer.concat([data, data.subarray(0, 9)])
    for (const bytes of [more, data.subarray(9)])
      await t.rejects(transfer(port, { from: file(bytes), name: 'f', transforms: () => [] }), { message: /exists/ })
    t.match(await transfer(port, { from: file(data), name: 'f', transforms: () => [] }), { skipped: true })
    t.same(readFileSync(at.in('f')), data)
    t.same(readdirSync(at.in('.')), ['f'])
  },
)

t.test('with force, another file of the same size takes the place, by a sender that can read again', async t => {
  const { port, file, ...at } = await scene(t)
  const address = { scheme: 'file', path: at.in('{name}'), force: true } as const
  const forced = await serve({ reliable: true, port: 0, to: address })
  t.teardown(() => forced.close())
  const next = randomBytes(data.length)
  await transfer(port, { from: file(data), name: 'f' })
  const receipt = await transfer((forced.address as { port: number }).port, { from: file(next), name: 'f' })
  t.equal(receipt.sha256, sha256(next))
  t.same(readFileSync(at.in('f')), next)
})

t.test('a transfer goes on over another connection, from a file and from a stream', async t => {
  const { port, file, ...at } = await scene(t)
  for (const [name, from] of [
    ['file', file(data)],
    ['stream', Readable.from([data.subarray(0, 9), data.subarray(9)])],
  ] as const) {
    const network = await breaking(t, port, [100, 100_000, 300_000])
    const receipt = await transfer(network.port, { from, name, retry: 5, retryInterval: 10 })
    t.match(receipt, { bytes: data.length, sha256: sha256(data) })
    t.equal(network.count(), 4)
    t.equal(receipt.reconnects, 2, 'the first one was lost before it was a session')
    t.same(readFileSync(at.in(name)), data)
  }
})

t.test('a sender of a file goes on where an earlier one has stopped, with the same key only', async t => {
  const { port, file, ...at } = await scene(t, { giveUpAfter: 50 })
  const from = file(data)
  const network = await breaking(t, port, [400_000, 600_000, 600_000])
  const again = { from, name: 'f', window: 100_000, retryInterval: 20 }
  const first = transfer(network.port, { ...again, resumeKey: 'key', giveUpAfter: 10 })
  await t.rejects(first, { message: /^gave up after 10ms without a connection/ })
  await vanished(() => !existsSync(at.in('f.part.session')))
  const receipt = await transfer(network.port, { ...again, resumeKey: 'key' })
  t.equal(receipt.sha256, sha256(data))
  t.equal(network.count(), 2, 'it has not sent what was there')
  await vanished(() => existsSync(at.in('f.part.session')))
  t.same(readdirSync(at.in('.')), ['f'])
})

t.test('a sender that was killed before its receipt gets it the next time', async t => {
  const { port, file, ...at } = await scene(t)
  const from = file(data)
  const sockets = new Set<Socket>()
  let isDeaf = true
  const network = createServer(client => {
    const server = connect(port, '127.0.0.1')
    for (const socket of [client, server]) sockets.add(socket.on('error', () => {}))
    client.pipe(server)
    let heard = 0
    server.on('data', (chunk: Buffer) => {
      heard += chunk.length
      if (!isDeaf || heard < 300) client.write(chunk) // the preface and the welcome
    })
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => network.once('listening', resolve))
  t.teardown(() => {
    network.close()
    for (const socket of sockets) socket.destroy()
  })
  const options = { from, name: 'f', resumeKey: 'key', retryInterval: 50 }
  const there = (network.address() as { port: number }).port
  const first = transfer(there, { ...options, giveUpAfter: 10 })
  await vanished(() => !existsSync(at.in('f')))
  for (const socket of sockets) socket.destroy()
  await t.rejects(first, { message: /gave up/ })
  isDeaf = false
  const receipt = await transfer(there, options)
  t.match(receipt, { bytes: data.length, sha256: sha256(data), skipped: undefined })
  await vanished(() => existsSync(at.in('f.part.session')))
  t.same(readdirSync(at.in('.')), ['f'])
})

t.test('a source that has other bytes than those that were sent before begins anew', async t => {
  const { port, file, ...at } = await scene(t)
  let isSecond = false
  const network = await breaking(t, port, [500_000])
  const stages = () => {
    const key = isSecond ? 1 : 2
    isSecond = true
    return [
      new Transform({
        transform: (chunk: Buffer, _encoding, callback) => callback(null, Buffer.from(chunk.map(byte => byte ^ key))),
      }),
    ]
  }
  const from = file(data)
  const again = { from, name: 'f', resumeKey: 'key', transforms: stages }
  const first = transfer(network.port, { ...again, giveUpAfter: 10, retryInterval: 20 })
  await t.rejects(first, { message: /gave up/ })
  const { words, log } = listening()
  const receipt = await transfer(network.port, { ...again, log })
  const sent = Buffer.from(data.map(byte => byte ^ 1))
  t.equal(receipt.sha256, sha256(sent))
  t.same(readFileSync(at.in('f')), sent)
  await vanished(() => existsSync(at.in('f.part.session')))
  t.same(readdirSync(at.in('.')), ['f'])
  t.ok(words.includes('sending it anew'))
})

t.test('a receiver that has lost what it had gets it again, if the source can be read again', async t => {
  const long = randomBytes(3_000_000)
  for (const kind of ['file', 'stream'] as const)
    await t.test(kind, async t => {
      const { port, folder, file, ...at } = await scene(t)
      const other = await serve({ reliable: true, port: 0, to: `file:${join(folder, 'other/{name}')}` })
      t.teardown(() => other.close({ drain: 0 }))
      const targets = [port]
      const network = await breaking(t, () => targets.shift() ?? (other.address as { port: number }).port, [2_000_000])
      const { words, log } = listening()
      const stream = Readable.from([long.subarray(0, 300_000), long.subarray(300_000, 900_000), long.subarray(900_000)])
      const from = kind === 'file' ? file(long) : stream
      const { signal } = new AbortController()
      const sending = transfer(network.port, { from, name: 'f', window: 100_000, retryInterval: 10, log, signal })
      if (kind === 'stream') await t.rejects(sending, { message: /needs the bytes from 0 on, which are not kept/ })
      else {
        t.equal((await sending).sha256, sha256(long))
        t.same(readFileSync(join(folder, 'other/f')), long)
      }
      t.equal(words.includes('reading it again'), kind === 'file')
      t.ok(words.includes('the connection is lost, connecting again'))
      t.notOk(existsSync(at.in('f')))
    })
})

t.test('who sends hears of each connection', async t => {
  const { port } = await scene(t)
  const network = await breaking(t, port, [400_000])
  const { words, log } = listening()
  let reconnects = 0
  const onReconnect = () => void reconnects++
  await transfer(network.port, { from: data, name: 'f', retryInterval: 10, log, onReconnect })
  t.same(words.slice(0, 2), ['the connection is lost, connecting again', 'connected again'])
  t.equal(reconnects, 1)
})

t.test('transforms of the sender: the receipt is of what was sent, and its size is not that of the file', async t => {
  const { port, file, ...at } = await scene(t)
  const { createGzip, gunzipSync } = await import('node:zlib')
  const receipt = await transfer(port, {
    from: file(Buffer.alloc(500_000)),
    name: 'f',
    transforms: () => [createGzip()],
  })
  t.ok(receipt.bytes < 10_000)
  t.equal(receipt.sha256, sha256(readFileSync(at.in('f'))))
  t.same(gunzipSync(readFileSync(at.in('f'))), Buffer.alloc(500_000))
})

t.test('transforms of the receiver: the receipt says what was written, too', async t => {
  const { port, file, ...at } = await scene(t, { transforms: () => [inverted()] })
  const receipt = await transfer(port, { from: file(data), name: 'f' })
  const found = readFileSync(at.in('f'))
  t.same(found, Buffer.from(data.map(byte => byte ^ 0xff)))
  t.match(receipt, { sha256: sha256(data), written: { bytes: data.length, sha256: sha256(found) } })
  t.same(readdirSync(at.in('.')), ['f'])
})

t.test('transforms that change in the middle do not touch a file that is written as it comes', async t => {
  const { folder, ...at } = await scene(t)
  const server = await serve({ reliable: true, port: 0, to: `file:${join(folder, 'in/{name}')}` })
  t.teardown(() => server.close())
  const from = new PassThrough()
  const port = (server.address as { port: number }).port
  const sending = transfer(port, { from, name: 'f' })
  from.write(data)
  while (!existsSync(at.in('f.part')) || statSync(at.in('f.part')).size < data.length) await new Promise(setImmediate)
  await server.forward.set('late', () => [inverted()])
  from.end('the end')
  t.notOk((await sending).written)
  t.same(readFileSync(at.in('f')), Buffer.concat([data, Buffer.from('the end')]))
  t.match(await transfer(port, { from: 'next', name: 'g' }), { written: { bytes: 4 } })
  t.same(readFileSync(at.in('g')), Buffer.from(Buffer.from('next').map(byte => byte ^ 0xff)))
})

t.test('a size that is announced and not kept is refused by the receiver', async t => {
  const { port, ...at } = await scene(t)
  const short = transfer(port, { from: 'four', size: 5, name: 'f' })
  await t.rejects(short, { message: /truncated: the sender announced 5 bytes, and sent 4/ })
  t.same(readdirSync(at.in('.')), ['f.part', 'f.part.session'])
})

t.test('no name leads out of the folder', async t => {
  const { port, folder, ...at } = await scene(t)
  for (const [name, path] of [
    ['../a/../x', '_/a/_/x'],
    ['/etc/x', '_/etc/x'],
    ['a//b', 'a/_/b'],
    ['c\\d\ne', 'c_d_e'],
    ['dir/', 'dir/_'],
    ['d/..', 'd/_'],
  ] as const) {
    await transfer(port, { from: name, name })
    t.equal(readFileSync(at.in(path), 'utf8'), name)
  }
  await t.rejects(transfer(port, { from: 'x', name: 'x'.repeat(5000) }), { code: 'ERR_OPTION' })
  await t.rejects(transfer(port, { from: 'x', name: 'x'.repeat(300) }), { message: /ENAMETOOLONG/ })
  const { symlinkSync } = await import('node:fs')
  symlinkSync(folder, at.in('link'))
  await t.rejects(transfer(port, { from: 'x', name: 'link/x' }), { message: /is a link, and is not followed/ })
  await t.rejects(transfer(port, { from: 'x' }), { message: /the sender gives no name/ })
  t.same(readdirSync(folder).sort(), ['in'])
})

t.test('permissions and time are kept on request', async t => {
  const { port, file, ...at } = await scene(t)
  const from = file(data)
  utimesSync(from.path, 1000, 1000)
  await transfer(port, { from, name: 'f', mode: 0o640, mtime: 1_000_000 })
  t.match(statSync(at.in('f')), { mtimeMs: 1_000_000, mode: 0o100640 })
})

t.test('two senders of one name: one is whole, the other one refused', async t => {
  const { port, ...at } = await scene(t)
  const from = new PassThrough()
  const first = transfer(port, { from, name: 'f' })
  from.write('one')
  while (!existsSync(at.in('f.part'))) await new Promise(setImmediate)
  await t.rejects(transfer(port, { from: 'two', name: 'f' }), { message: /is being written by another connection/ })
  from.end()
  await first
  t.equal(readFileSync(at.in('f'), 'utf8'), 'one')
  await vanished(() => existsSync(at.in('f.part.session')))
  t.same(readdirSync(at.in('.')), ['f'])
})

t.test('the end does not wait behind data that the sink has not taken yet', async t => {
  const taken: Buffer[] = []
  const slow = () =>
    new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _encoding, callback) {
        taken.push(chunk)
        setTimeout(callback, 50)
      },
    })
  const { port } = await scene(t, { to: slow })
  for (const size of [60_000, 66_000, 70_000, 131_000, 140_000]) {
    taken.length = 0
    const links = transferLinks()
    const receipt = await transfer(port, { from: data.subarray(0, size), links })
    t.equal(receipt.sha256, sha256(Buffer.concat(taken)), `${size}`)
    links.end()
  }
})

t.test('a disk that is full: the sender hears why', async t => {
  const { port } = await scene(t, { to: 'file:/dev/full' })
  await t.rejects(transfer(port, { from: 'x' }), { message: /ENOSPC/ })
})

t.test('a sender that is stopped leaves a part, and nothing under the name', async t => {
  const { port, ...at } = await scene(t)
  const from = new PassThrough()
  const stop = new AbortController()
  const sending = transfer(port, { from, name: 'f', signal: stop.signal })
  from.write(data)
  while (!existsSync(at.in('f.part')) || statSync(at.in('f.part')).size === 0) await new Promise(setImmediate)
  stop.abort()
  await t.rejects(sending, { name: 'AbortError' })
  while (!existsSync(at.in('f.part.session'))) await new Promise(setImmediate)
  t.notOk(existsSync(at.in('f')))
})

/** The errors by which a receiver lacks what was released, and has something else. */
function gaps(): { gone: Error; differs: Error } {
  const caught = (work: () => void): Error => {
    try {
      work()
    } catch (error) {
      return error as Error
    }
    throw new Error('nothing was thrown')
  }
  const outgoing = () => new Outgoing({ window: 10, digest: true, rereadable: true })
  return {
    gone: caught(() => outgoing().resume(5, undefined)),
    differs: caught(() => {
      const other = outgoing()
      other.resume(1, sha256(Buffer.from('a')))
      other.append(Buffer.from('b'), () => {})
    }),
  }
}

/** Sends with a network of which each attempt fails in a given way, and the next one succeeds. */
async function attempts(t: Test, failures: Error[], options: Partial<SendOptions> = {}) {
  const path = join(t.testdir({ f: 'abc' }), 'f')
  const sessions: { restart: boolean | undefined; reconnectsBefore: number | undefined; isRepeated?: boolean }[] = []
  const left = [...failures]
  const address = { scheme: 'reliable', host: '127.0.0.1', port: 1 } as const
  const sent = sendReliably({ from: { scheme: 'file', path }, ...options }, address, async (_, __, session, will) => {
    const { restart, reconnectsBefore } = session
    const error = left.shift()
    sessions.push({ restart, reconnectsBefore, ...(error && { isRepeated: will(error) }) })
    if (error) throw error
    const receipt = { name: 'f', bytes: 3, sha256: '' }
    return { leg: { session: { receipt, reconnects: reconnectsBefore ?? 0 } } as never, summary: {} as Summary }
  })
  return { sent, sessions }
}

t.test('each start anew counts as a reconnect, whether it had a connection or not', async t => {
  const { gone, differs } = gaps()
  const summary = { session: { reconnects: 7 } }
  let heard = 0
  const onReconnect = () => void heard++
  const failures = [gone, differs, Object.assign(Object.create(gone), { summary })]
  const { sent, sessions } = await attempts(t, failures, { onReconnect })
  t.equal((await sent).reconnects, 8)
  t.same(sessions, [
    { restart: undefined, reconnectsBefore: undefined, isRepeated: true },
    { restart: false, reconnectsBefore: 1, isRepeated: true },
    { restart: true, reconnectsBefore: 2, isRepeated: true },
    { restart: false, reconnectsBefore: 8 },
  ])
  t.equal(heard, 3)
})

t.test('it does not start anew for ever, nor for another failure, for a stream, or after an abort', async t => {
  const { gone } = gaps()
  const many = await attempts(t, new Array(20).fill(gone))
  await t.rejects(many.sent, gone)
  t.equal(many.sessions.length, 11)
  for (const [failure, options] of [
    [new Error('another'), {}],
    [gone, { from: 'abc' }],
    [gone, { signal: AbortSignal.abort() }],
  ] as const) {
    const { sent, sessions } = await attempts(t, [failure], options)
    await t.rejects(sent, failure)
    t.match(sessions, [{ isRepeated: false }])
  }
})

t.test('the receipt waits for the sink, also if the reply has ended before', async t => {
  const boom = new Error('the disk is full')
  let failNow: (() => void) | undefined
  const { port } = await scene(t, {
    from: () => 'a reply',
    to: () =>
      new Writable({
        write: (_chunk, _encoding, callback) => callback(),
        final(callback) {
          failNow = () => callback(boom)
        },
      }),
  })
  const sent = transfer(port, { from: data })
  let isOver = false
  const over = () => {
    isOver = true
  }
  void sent.then(over, over)
  await vanished(() => failNow === undefined && !isOver)
  t.notOk(isOver, 'before the sink has taken everything')
  failNow?.()
  await t.rejects(sent, { code: 'ERR_SESSION', message: 'the receiver failed: the disk is full' })
})

t.test('a transfer that is closed before its end fails on both sides, and leaves no file', async t => {
  for (const [who, transforms] of [
    ['the sender', undefined],
    ['the receiver', undefined],
    ['the receiver', () => [inverted()]],
  ] as const) {
    const receivers: Connection[] = []
    const place = await scene(t, { onConnection: each => void receivers.push(each), ...(transforms && { transforms }) })
    const source = new PassThrough()
    source.write(data)
    const senders: Connection[] = []
    const sent = transfer(place.port, { from: source, name: 'x', onConnect: each => void senders.push(each) })
    sent.catch(() => {})
    await vanished(() => (receivers[0]?.stats().bytesIn ?? 0) < data.length)
    const [closing] = who === 'the sender' ? senders : receivers
    const summary = await closing?.close('enough')
    t.match(summary?.error, { code: 'ERR_CLOSED', message: 'enough' }, who)
    await t.rejects(sent)
    await receivers[0]?.closed
    t.notOk(existsSync(place.in('x')))
    source.destroy()
  }
})

t.test('a size that is announced is compared wherever the data goes', async t => {
  const { port } = await scene(t, { to: nowhere() })
  const message = 'the receiver failed: truncated: the sender announced 100 bytes, and sent 4'
  await t.rejects(transfer(port, { from: 'text', size: 100 }), { code: 'ERR_SESSION', message })
})

t.test('a server with room for one client takes many transfers over one connection', async t => {
  for (const room of [{ maxConnections: 1 }, { maxPerIp: 1 }]) {
    const place = await scene(t, room)
    const links = transferLinks()
    for (let i = 0; i < 100; i++) await transfer(place.port, { from: `${i}`, name: `${i}`, links })
    links.end()
    const names = readdirSync(place.in('.')).filter(name => !name.includes('.')) // the notes go a little later
    t.equal(names.length, 100)
  }
})

t.test('a server for one client takes all transfers of a call, also when their link breaks between two', async t => {
  const place = await scene(t, { once: true, giveUpAfter: 100 })
  const network = await relay(t, place.port)
  const links = transferLinks()
  await transfer(network.port, { from: 'first', name: 'first', links })
  network.links[0]?.cut()
  await transfer(network.port, { from: 'second', name: 'second', links })
  links.end()
  await vanished(() => readdirSync(place.in('.')).length > 2) // the notes, when nobody comes back
  t.same(readdirSync(place.in('.')), ['first', 'second'])
})

t.test('a server for one client takes what its sender begins anew', async t => {
  const place = await scene(t)
  writeFileSync(place.in('f'), 'old')
  const to = { scheme: 'file', path: place.in('{name}'), force: true } as const
  const server = await serve({ reliable: true, port: 0, once: true, to })
  const { port } = server.address as { port: number }
  await transfer(port, { from: place.file(Buffer.from('new')), name: 'f' })
  t.equal(readFileSync(place.in('f'), 'utf8'), 'new')
  await server.closed
})

t.test('a server that stops waits for a sender that may come back, and for no longer', async t => {
  const server = await serve({ reliable: true, port: 0, once: true, giveUpAfter: 100, to: nowhere() })
  const { port } = server.address as { port: number }
  const network = await relay(t, port)
  const links = transferLinks()
  await transfer(network.port, { from: 'all', links })
  network.links[0]?.cut()
  await server.closed
  await t.rejects(transfer(port, { from: 'more', links, giveUpAfter: 100 }), {
    message: /^gave up after .*ECONNREFUSED/,
  })
  links.end()
})
