import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { connect, Server } from 'node:net'
import { join } from 'node:path'
import { type Duplex, PassThrough, Readable, Transform, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import {
  type ConnectionOptions,
  lingerTime,
  type OpenConnection,
  openConnection,
  run,
} from '../../../lib/connection/connection.js'
import type { Sink, Source } from '../../../lib/endpoints/endpoint.js'
import { fileSource } from '../../../lib/endpoints/file/file-source.js'
import { defineTransform, stop } from '../../../lib/stages/define.js'
import { toParts } from '../../../lib/stages/parts.js'
import type { Stage } from '../../../lib/stages/stage.js'
import { TcpPipeError } from '../../../lib/text/errors.js'
import {
  closed,
  collect,
  endless,
  failingSink,
  failOnWarning,
  handles,
  heldSink,
  memorySink,
  outcome,
  recorder,
  silent,
  socketPair,
  unixPair,
  until,
} from '../network.js'
import { tlsPair } from '../tls.js'

const stages = (...list: Stage[]) => list.flatMap(toParts)
const stopAfter = (count: number) => () => stages((chunk: Buffer) => (count-- > 0 ? chunk : stop))
const none = () => stages()

async function open(t: Test, options: Partial<ConnectionOptions> = {}, pair = socketPair) {
  const [socket, client] = await pair(t)
  const { log, lines } = recorder()
  const timeouts = { idleTimeout: 0, halfClosedTimeout: 0, ...options }
  const connection = openConnection(socket, { log, maxRecord: undefined, ...timeouts })
  return { socket, client, connection, lines }
}

/** What a server does: the transfer, then an end or a reset. */
async function work(connection: OpenConnection, ...args: Parameters<OpenConnection['transfer']>) {
  await connection.transfer(...args).catch(connection.fail)
  return connection.finish()
}

t.test('a transfer: the summary, one log line, no handle left', async t => {
  failOnWarning(t)
  const { socket, client, connection, lines } = await open(t)
  const sink = Object.assign(memorySink(), { lines: false, report: () => ({ file: 'x' }) })
  const seen = outcome(client)
  const { localPort } = client
  client.end('hello\n')
  const summary = await work(connection, socket, () => stages((chunk: Buffer) => chunk), sink, 'forward')
  t.equal(String(sink.data), 'hello\n')
  t.match(summary, {
    bytesIn: 6,
    bytesOut: 0,
    closedBy: 'peer',
    remote: '127.0.0.1',
    warnings: [],
    sink: { file: 'x' },
  })
  t.equal(summary.port, localPort)
  t.equal(summary.error, undefined)
  t.equal(summary.runs[0]?.bytesIn, 6)
  t.match(await seen, { ended: true, code: undefined })
  t.equal(await connection.closed, summary)
  t.equal(lines.length, 1)
  t.match(lines[0], { level: 30, msg: 'connection closed', connection: summary.id, bytesIn: 6, closedBy: 'peer' })
  t.equal(lines[0]?.remote, `127.0.0.1:${localPort}`)
  await until(() => !('TCPSocketWrap' in handles()))
})

t.test('the FIN comes when the sink has taken everything', async t => {
  const { socket, client, connection } = await open(t)
  const { sink, held, release } = heldSink()
  const order: string[] = []
  sink.once('finish', () => order.push('sink'))
  client.once('end', () => order.push('fin')).resume()
  client.end('hello')
  const ended = work(connection, socket, none, sink, 'forward')
  await until(() => held.length > 0)
  await delay(20)
  t.same(order, [], 'no FIN while the sink waits')
  release()
  await ended
  await until(() => order.length === 2)
  t.same(order, ['sink', 'fin'])
})

t.test('half-close: every byte goes there and back through a slow stage (A-01)', async t => {
  const { socket, client, connection } = await open(t)
  const data = Buffer.alloc(1_000_007, 'abcdefg')
  const received = outcome(client)
  client.end(data)
  const slow = async (chunk: Buffer) => {
    await delay(1)
    return chunk
  }
  const summary = await work(connection, socket, () => stages(slow), socket, 'forward')
  t.ok((await received).data.equals(data))
  t.match(summary, { closedBy: 'peer', bytesIn: data.length, bytesOut: data.length })
})

t.test('the peer ends first, our file goes on', async t => {
  const { socket, client, connection } = await open(t)
  const path = join(t.testdir({}), 'f')
  writeFileSync(path, Buffer.alloc(3_000_000, 'x'))
  const received = outcome(client)
  client.end()
  const forward = connection.transfer(socket, none, memorySink(), 'forward')
  await forward
  await connection.transfer(fileSource(path), none, socket, 'reply')
  t.equal((await connection.finish()).closedBy, 'peer')
  t.equal((await received).data.length, 3_000_000)
})

t.test('we end first, the peer goes on sending', async t => {
  const { socket, client, connection } = await open(t)
  const sink = memorySink()
  const forward = connection.transfer(socket, none, sink, 'forward')
  await connection.transfer(Readable.from([Buffer.from('bye')]), none, socket, 'reply')
  t.equal(String(await collect(client)), 'bye')
  client.end(Buffer.alloc(5_000_000))
  await forward
  t.equal((await connection.finish()).closedBy, 'local')
  t.equal(sink.data.length, 5_000_000)
})

t.test('a stop ends with success and releases the source', async t => {
  const path = join(t.testdir({}), 'f')
  writeFileSync(path, Buffer.alloc(5_000_000))
  for (const source of [endless(), fileSource(path)]) {
    const sink = memorySink()
    await run(source, [stopStage(1)], sink)
    await until(() => source.destroyed)
    t.ok(sink.data.length > 0)
  }
  const { socket, client, connection } = await open(t)
  const sink = memorySink()
  const forward = connection.transfer(socket, stopAfter(1), sink, 'forward')
  client.write('one')
  await until(() => sink.data.length > 0)
  client.write('two') // by itself: the stage stops at its second chunk
  await forward
  t.equal(String(sink.data), 'one', 'the source is silent now, and that does not matter')
  t.notOk(socket.destroyed)
  await connection.transfer(Readable.from([Buffer.from('reply')]), none, socket, 'reply')
  t.equal(String(await collect(client)), 'reply', 'the other direction is usable')
  client.end()
  t.match(await connection.finish(), { closedBy: 'local', error: undefined })
})

function stopStage(count: number): Duplex {
  return new Transform({
    transform(chunk, _encoding, callback) {
      if (count-- > 0) this.push(chunk)
      if (count <= 0) this.push(null)
      callback()
    },
  })
}

t.test('linger: a client that goes on sending gets the whole reply', async t => {
  failOnWarning(t)
  const { socket, client, connection } = await open(t)
  const noise = setInterval(() => client.write(Buffer.alloc(100_000)), 1)
  t.teardown(() => clearInterval(noise))
  client.once('end', () => {
    clearInterval(noise)
    client.end()
  })
  const received = outcome(client)
  const block = Buffer.alloc(2_000_000, 'r')
  let count = 0
  const stage = () => stages(() => (count++ === 0 ? block : stop))
  const summary = await work(connection, socket, stage, socket, 'forward')
  t.match(summary, { closedBy: 'local', error: undefined, bytesOut: block.length })
  t.match(await received, { ended: true, code: undefined })
  t.equal((await received).data.length, block.length)
})

t.test('linger has an end', async t => {
  const { socket, client, connection } = await open(t)
  client.write('question')
  const received = outcome(client)
  const started = performance.now()
  await work(connection, socket, () => stages(stopStage(1)), socket, 'forward')
  const time = performance.now() - started
  t.ok(time >= lingerTime - 20 && time < lingerTime + 1000, `${time} ms`)
  client.end()
  t.equal(String((await received).data), 'question')
})

t.test('linger ends when the peer is lost meanwhile', async t => {
  const { socket, client, connection } = await open(t)
  client.pause()
  socket.write(Buffer.alloc(20_000_000))
  const ended = connection.finish()
  await delay(20)
  client.resetAndDestroy()
  t.match(await ended, { closedBy: 'reset', error: { code: /ECONNRESET|EPIPE/ } })
})

t.test('who closed, and why', async t => {
  const cases: [string, (c: OpenConnection, client: Socket) => unknown, object][] = [
    [
      'a reset of the peer',
      (_, client) => client.resetAndDestroy(),
      { closedBy: 'reset', error: { code: 'ECONNRESET' } },
    ],
    ['an error of ours', c => c.fail(new Error('ours')), { closedBy: 'error', error: { message: 'ours' } }],
    ['what is no Error', c => c.fail('text'), { closedBy: 'error', error: { message: 'text', cause: 'text' } }],
    ['a closed server', c => c.fail(new TcpPipeError('ERR_CLOSED', 'x')), { closedBy: 'signal' }],
    ['an abort', c => c.fail(Object.assign(new Error(), { name: 'AbortError' })), { closedBy: 'signal' }],
    ['a timeout', c => c.fail(new TcpPipeError('ERR_TIMEOUT', 'x')), { closedBy: 'timeout' }],
    ['twice', c => [new Error('first'), new Error('second')].forEach(c.fail), { error: { message: 'first' } }],
    [
      'ECONNRESET of another socket',
      c => c.fail(Object.assign(new Error('x'), { code: 'ECONNRESET' })),
      { closedBy: 'error' },
    ],
  ]
  for (const [name, cut, expected] of cases) {
    const { socket, client, connection, lines } = await open(t)
    const received = outcome(client)
    const ended = work(connection, socket, none, memorySink(), 'forward')
    cut(connection, client)
    t.match(await ended, expected, name)
    t.equal(lines.length, 1, `${name}: one line`)
    t.match(lines[0], { level: 50, msg: 'connection failed' })
    if (!name.startsWith('a reset')) t.match(await received, { code: 'ECONNRESET', ended: false }, `${name}: a reset`)
  }
})

t.test('the failure of a stage or a sink resets, and the real error is told', async t => {
  const boom = new Error('boom')
  const thrower = (chunk: Buffer) => {
    if (chunk.length > 0) throw boom
  }
  const cases: [string, () => ReturnType<typeof stages>, () => Writable][] = [
    ['a stage throws', () => stages(thrower), memorySink],
    ['a stage rejects', () => stages(async chunk => thrower(chunk)), memorySink],
    ['a stream fails', () => stages(new Transform({ transform: (_c, _e, callback) => callback(boom) })), memorySink],
    [
      'the stages cannot be made',
      () => {
        throw boom
      },
      memorySink,
    ],
    ['the sink fails', none, () => failingSink(boom)],
    [
      'the sink fails at its end',
      none,
      () => new Writable({ write: (_c, _e, callback) => callback(), final: callback => callback(boom) }),
    ],
  ]
  for (const [name, parts, makeSink] of cases) {
    const { socket, client, connection, lines } = await open(t)
    const received = outcome(client)
    const sink = makeSink()
    if (name.endsWith('its end')) client.end('x')
    else client.write('x')
    const summary = await work(connection, socket, parts, sink, 'forward')
    t.equal(summary.error, boom, name)
    t.equal(summary.closedBy, 'error')
    t.match(await received, { ended: false, code: 'ECONNRESET' }, name)
    t.equal(lines.length, 1)
    t.ok(sink.destroyed, 'the sink is not left open')
  }
})

t.test('a source whose stages cannot be made is not left open', async t => {
  const { socket, connection } = await open(t)
  const source = silent()
  const parts = () => {
    throw new Error('no stages')
  }
  t.match(await work(connection, source, parts, socket, 'reply'), { error: { message: 'no stages' } })
  t.ok(source.destroyed)
})

t.test('a real error replaces a premature close', async t => {
  const { connection, client } = await open(t)
  client.resume()
  connection.fail(Object.assign(new Error('early'), { code: 'ERR_STREAM_PREMATURE_CLOSE' }))
  connection.fail(new Error('real'))
  t.match(await connection.finish(), { error: { message: 'real' } })
})

t.test('a socket that is lost before its transfer', async t => {
  const { socket, client, connection } = await open(t)
  client.resetAndDestroy()
  await closed(socket)
  const sink = memorySink()
  t.match(await work(connection, socket, none, sink, 'forward'), { closedBy: 'reset', error: { code: 'ECONNRESET' } })
  t.ok(sink.destroyed)
})

t.test('a stop, then the stage that is in front ends with the connection', async t => {
  const { socket, client, connection } = await open(t)
  const front = new PassThrough()
  client.write('x')
  const parts = () => stages(front, stopStage(0))
  await work(connection, socket, parts, memorySink(), 'forward')
  await until(() => front.destroyed)
  t.pass()
})

t.test('idle timeout', async t => {
  const { socket, client, connection } = await open(t, { idleTimeout: 50, halfClosedTimeout: 10_000 })
  const received = outcome(client)
  const summary = await work(connection, socket, none, memorySink(), 'forward')
  t.match(summary, { closedBy: 'timeout', error: { code: 'ERR_TIMEOUT', message: 'idle timeout: no byte for 50 ms' } })
  t.match(await received, { ended: false, code: 'ECONNRESET' })
})

t.test('idle timeout: not while our own sink is what we wait for', async t => {
  const { socket, client, connection } = await open(t, { idleTimeout: 150 })
  const { sink, held, release } = heldSink()
  client.write('x')
  const ended = work(connection, socket, none, sink, 'forward')
  await until(() => held.length > 0)
  await delay(400)
  t.notOk(socket.destroyed)
  release()
  t.match(await ended, { closedBy: 'timeout' }, 'and then it is')
})

t.test('idle timeout: it begins anew when our sink goes on', async t => {
  const { socket, client, connection } = await open(t, { idleTimeout: 200 })
  let goOn: (() => void) | undefined
  const sink = new Writable({
    highWaterMark: 1,
    write(_chunk, _encoding, callback) {
      goOn = callback
    },
  })
  client.write('x')
  const ended = work(connection, socket, none, sink, 'forward')
  await until(() => goOn !== undefined)
  await once(socket, 'timeout')
  await delay(150) // soon before the next one
  const began = performance.now()
  goOn?.()
  t.match(await ended, { closedBy: 'timeout' })
  t.ok(performance.now() - began > 195)
})

t.test('idle timeout: not while the end of our sink is under way', async t => {
  const { socket, client, connection } = await open(t, { idleTimeout: 10_000, halfClosedTimeout: 100 })
  let finish: (() => void) | undefined
  const sink = new Writable({
    write: (_chunk, _encoding, callback) => callback(),
    final(callback) {
      finish = callback
    },
  })
  client.resume().end('x')
  const ended = work(connection, socket, none, sink, 'forward')
  await until(() => finish !== undefined)
  await delay(250)
  finish?.()
  t.match(await ended, { closedBy: 'peer', error: undefined })
})

t.test('idle timeout: a stage that never calls back, a peer that never reads', async t => {
  const stuck = await open(t, { idleTimeout: 50 })
  stuck.client.write('x')
  const never = () => stages(new Transform({ transform() {} }))
  t.match(await work(stuck.connection, stuck.socket, never, memorySink(), 'forward'), { closedBy: 'timeout' })
  const deaf = await open(t, { idleTimeout: 50 })
  t.match(await work(deaf.connection, endless(), none, deaf.socket, 'reply'), { closedBy: 'timeout' })
})

t.test('half-closed timeout', async t => {
  const theirs = await open(t, { idleTimeout: 10_000, halfClosedTimeout: 50 })
  theirs.client.end()
  const both = Promise.all([
    theirs.connection.transfer(theirs.socket, none, memorySink(), 'forward'),
    theirs.connection.transfer(silent(), none, theirs.socket, 'reply'),
  ])
  await t.rejects(both, { message: 'half-closed timeout: no byte for 50 ms' })
  t.match(await theirs.connection.finish(), { closedBy: 'timeout' })
  const ours = await open(t, { idleTimeout: 10_000, halfClosedTimeout: 50 })
  const forward = ours.connection.transfer(ours.socket, none, memorySink(), 'forward')
  ours.socket.end()
  await t.rejects(forward, { message: /^half-closed timeout/ })
})

t.test('finish waits for one who still reads the socket', async t => {
  const { socket, client, connection } = await open(t)
  const sink = memorySink()
  socket.pipe(sink)
  const ended = connection.finish()
  client.end('late')
  await ended
  t.equal(String(sink.data), 'late')
})

t.test('close is no failure, also for a transfer that runs', async t => {
  const { socket, connection } = await open(t)
  const forward = connection.transfer(socket, none, memorySink(), 'forward')
  connection.close()
  await t.resolves(forward)
  t.match(await connection.finish(), { error: undefined, closedBy: 'local' })
})

t.test('a unix socket has no reset: it is destroyed', async t => {
  const { socket, client, connection, lines } = await open(t, {}, unixPair)
  client.once('end', () => client.end())
  const received = outcome(client)
  const ended = work(connection, socket, none, memorySink(), 'forward')
  connection.fail(new Error('ours'))
  t.match(await ended, { remote: 'unix', port: undefined, closedBy: 'error' })
  t.equal(lines[0]?.remote, 'unix')
  t.match(await received, { ended: true }, 'the peer cannot tell')
})

t.test('warnings of a source', async t => {
  const { socket, client, connection, lines } = await open(t)
  client.resume().end()
  const source: Source = Object.assign(Readable.from([Buffer.from('x')]), { warnings: ['it changed'] })
  const summary = await work(connection, source, none, socket, 'reply')
  t.same(summary.warnings, ['it changed'])
  t.match(lines, [{ level: 40, warnings: ['it changed'], msg: 'connection closed' }])
})

t.test('reports of two sinks are joined; a silent connection logs nothing', async t => {
  const [socket, client] = await socketPair(t)
  const connection = openConnection(socket, { log: undefined, maxRecord: 10, idleTimeout: 0, halfClosedTimeout: 0 })
  client.end('x')
  const report = (key: string): Sink => Object.assign(memorySink(), { report: () => ({ [key]: 1 }) })
  await connection.transfer(socket, none, report('a'), 'forward')
  await connection.transfer(Readable.from([]), none, report('b'), 'reply')
  client.resume()
  t.same((await connection.finish()).sink, { a: 1, b: 1 })
  t.same(connection.info('reply'), {
    id: connection.id,
    number: 1,
    remote: '127.0.0.1',
    port: connection.port,
    direction: 'reply',
  })
})

t.test('maxRecord reaches the stages', async t => {
  const [socket, client] = await socketPair(t)
  const connection = openConnection(socket, { log: undefined, maxRecord: 10, idleTimeout: 0, halfClosedTimeout: 0 })
  client.end('a line that is too long')
  const { eachLine } = await import('../../../lib/stages/stage.js')
  const summary = await work(connection, socket, () => stages(eachLine(line => line)), memorySink(), 'forward')
  t.match(summary.error, { code: 'ERR_RECORD_TOO_LONG' })
})

t.test('ids', async t => {
  const ids: string[] = []
  for (let i = 0; i < 20; i++) ids.push((await open(t)).connection.id)
  t.ok(ids.every(id => /^[0-9a-z]{10}$/.test(id)))
  t.same([...new Set(ids)].sort(), ids, 'unique and in order')
})

t.test('remote names', async t => {
  const server = new Server().listen(0, '::')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const client = connect((server.address() as { port: number }).port, '127.0.0.1')
  t.teardown(() => client.destroy())
  const [socket] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => socket.destroy())
  t.match(socket.remoteAddress, /^::ffff:/)
  const connection = openConnection(socket, { log: undefined, maxRecord: 1, idleTimeout: 0, halfClosedTimeout: 0 })
  t.equal(connection.remote, '127.0.0.1', 'IPv4-mapped is IPv4')
  Object.defineProperty(socket, 'remoteAddress', { value: undefined })
  const gone = openConnection(socket, { log: undefined, maxRecord: 1, idleTimeout: 0, halfClosedTimeout: 0 })
  t.equal(gone.remote, 'unknown', 'a client that has gone already')
})

t.test('a reset that comes together with data is no end', async t => {
  const { socket, client, connection } = await open(t)
  await new Promise<void>(resolve => client.write('x', () => resolve(void client.resetAndDestroy())))
  const sink = memorySink()
  const summary = await work(connection, socket, none, sink, 'forward')
  t.match(summary, { closedBy: 'reset', error: { code: 'ECONNRESET' } })
})

t.test('50 connections', async t => {
  failOnWarning(t)
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      const { socket, client, connection } = await open(t)
      const received = collect(client)
      client.end('ping')
      await work(connection, socket, () => stages(chunk => chunk), socket, 'forward')
      t.equal(String(await received), 'ping')
    }),
  )
  await until(() => !('TCPSocketWrap' in handles()))
})

t.test('a second socket fails with the connection, and ends with it', async t => {
  const { client, connection } = await open(t)
  const [other, target] = await socketPair(t)
  connection.join(other, '127.0.0.1:7')
  const seen = [outcome(client), outcome(target)]
  connection.fail(new Error('bad'))
  t.match(await Promise.all(seen), [{ code: 'ECONNRESET' }, { code: 'ECONNRESET' }])
  t.match(await connection.finish(), { closedBy: 'error', side: undefined, target: { to: '127.0.0.1:7', bytesIn: 0 } })
  const [late, peer] = await socketPair(t)
  const lost = outcome(peer)
  t.throws(() => connection.join(late, '127.0.0.1:7'), { message: 'bad' })
  t.match(await lost, { code: 'ECONNRESET' }, 'the connection has failed before it was there')
})

t.test('which side it was', async t => {
  for (const [side, closedBy, act] of [
    ['client', 'reset', client => client.resetAndDestroy()],
    ['target', 'reset', (_client, target) => target.resetAndDestroy()],
    ['client', 'peer', client => client.end()],
    ['target', 'peer', (_client, target) => target.end()],
  ] as [string, string, (client: Socket, target: Socket) => void][]) {
    const { socket, client, connection } = await open(t)
    const [other, target] = await socketPair(t)
    connection.join(other, 'x')
    for (const each of [socket, other, client, target]) each.resume()
    act(client, target)
    await Promise.race([connection.failed.catch(() => {}), once(side === 'client' ? socket : other, 'end')])
    for (const each of [client, target]) each.end()
    t.match(await connection.finish(), { side, closedBy })
  }
})

t.test('stages that are forgotten are no part of it', async t => {
  const { client, connection } = await open(t)
  const first = connection.prepare(stages(new PassThrough()), 'forward')
  const second = connection.prepare(stages(new PassThrough()), 'forward')
  connection.forget(first)
  client.end()
  connection.fail(new Error('bad'))
  t.notOk(first.streams[0]?.destroyed)
  t.ok(second.streams[0]?.destroyed)
  t.same((await connection.finish()).runs, second.meters)
})

t.test('a warning of a stage is in the summary', async t => {
  const { socket, client, connection } = await open(t)
  const warner = defineTransform({
    name: 'warner',
    summary: '',
    unit: 'bytes',
    create:
      (_, { warn }) =>
      chunk => {
        warn('careful')
        return chunk
      },
  })
  client.end('a')
  const summary = await work(connection, socket, () => stages(warner()), memorySink(), 'forward')
  t.same(summary.warnings, ['careful'])
})

t.test('faults of stages are in the summary, and no more than a hundred of them', async t => {
  const { socket, client, connection } = await open(t)
  const faulty = defineTransform({
    name: 'faulty',
    summary: '',
    unit: 'bytes',
    create: (_, context) => chunk => {
      for (let offset = 0; offset < 150; offset++) context.noteFault({ fault: 'faulty', offset, direction: 'forward' })
      return chunk
    },
  })
  client.end('a')
  const { faults } = await work(connection, socket, () => stages(faulty()), memorySink(), 'forward')
  t.equal(faults?.length, 100)
  t.same(faults?.[99], { fault: 'faulty', offset: 99, direction: 'forward' })
})

t.test('the limits of a connection: bytes, the first byte, the duration', async t => {
  const capped = await open(t, { maxBytes: 4 })
  const sink = memorySink()
  const over = capped.connection.transfer(capped.socket, none, sink, 'forward')
  capped.client.write('12345')
  await t.rejects(over, { code: 'ERR_LIMIT' })
  t.match(await capped.connection.finish(), { closedBy: 'limit', bytesIn: 5 })
  t.equal(String(sink.data), '')

  for (const [options, timeout] of [
    [{ firstByteTimeout: 20 }, 'first-byte'],
    [{ maxDuration: 20 }, 'duration'],
    [{ idleTimeout: 20 }, 'idle'],
  ] as const) {
    const { connection, client, lines } = await open(t, options)
    const seen = outcome(client)
    await t.rejects(connection.failed)
    t.match(await connection.finish(), { closedBy: 'timeout', timeout })
    t.match(await seen, { code: 'ECONNRESET' })
    t.match(lines, [{ closedBy: 'timeout', timeout, code: 'ERR_TIMEOUT' }])
  }
})

t.test('the summary tells of TLS on both sides', async t => {
  const pair = await tlsPair(t)
  const { server: target } = await tlsPair(t, { version: 'TLSv1.2' })
  const connection = openConnection(pair.server, {
    log: undefined,
    maxRecord: undefined,
    idleTimeout: 0,
    halfClosedTimeout: 0,
  })
  connection.join(target, 'tls://127.0.0.1:1')
  connection.fail(new Error('over'))
  t.match(await connection.finish(), { tls: { protocol: 'TLSv1.3' }, target: { tls: { protocol: 'TLSv1.2' } } })
  t.match(connection, { remote: '127.0.0.1', port: pair.clientRaw.localPort })
})

t.test('a sink that is a peer: waiting for it is idle', async t => {
  const [target] = await socketPair(t)
  const { sink } = heldSink()
  const { connection, socket, client } = await open(t, { idleTimeout: 40 })
  const ended = connection.transfer(socket, none, Object.assign(sink, { socket: target }), 'forward')
  client.write('x')
  await t.rejects(ended, { code: 'ERR_TIMEOUT', message: /^idle/ })
})
