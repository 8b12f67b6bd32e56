import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Duplex, PassThrough, Readable, Transform, Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { openChain } from '../../../lib/connection/chain.js'
import { type Connection, type OpenConnection, openConnection } from '../../../lib/connection/connection.js'
import { lingerTime } from '../../../lib/connection/linger.js'
import type { Leg, Sink, Source } from '../../../lib/endpoints/endpoint.js'
import { fileSource } from '../../../lib/endpoints/file/file-source.js'
import { type ProxyServer, proxy, send, serve } from '../../../lib/index.js'
import type { ServeOptions } from '../../../lib/serve.js'
import { defineTransform, stop } from '../../../lib/stages/define.js'
import { eachJson, eachLine } from '../../../lib/stages/stage.js'
import type { Transforms } from '../../../lib/stages/transforms.js'
import { type ObservedConnection, type Observer, observers } from '../../../lib/stats/observer.js'
import type { Summary } from '../../../lib/stats/summary.js'
import { TcpPipeError } from '../../../lib/text/errors.js'
import { corrupt } from '../../../transforms/corrupt.js'
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
  unixPair,
  until,
} from '../network.js'
import { soon, stoppedClock, turns } from '../stats/stopped-clock.js'
import { around, divisible, flow, from, into, legs, open, openOver, socketLegs, upper, work, write } from './support.js'

/** A server within the process; it is closed, and its connections reset, at the end of the test. */
async function served(t: Test, name: string, options: ServeOptions = {}, handler?: Parameters<typeof serve>[1]) {
  const summaries: Summary[] = []
  const connections: Connection[] = []
  const { log, lines } = recorder()
  const server = await serve(
    {
      listen: `memory:${name}`,
      ...(handler ? {} : { to: () => memorySink() }),
      log,
      onConnection: connection => void connections.push(connection),
      observer: { closed: summary => void summaries.push(summary) },
      ...options,
    },
    handler,
  )
  t.teardown(() => soon(server.close({ drain: 0 })))
  return { server, summaries, connections, lines, to: `memory:${name}` }
}

t.test('the balancer that it came through is among the figures', async t => {
  const [near, far] = legs(t)
  const leg = Object.assign(near, { facts: { via: '10.0.0.1:5000' } })
  t.equal(openOver([leg, far]).connection.stats().via, '10.0.0.1:5000')
})

/** The end of the first connection. */
async function summaryOf({ summaries }: { summaries: readonly Summary[] }): Promise<Summary> {
  while (summaries.length === 0) await turns(1)
  return summaries[0] as Summary
}

t.test('a connection ends with a summary and one log line', async t => {
  const sink = Object.assign(memorySink(), { lines: false, report: () => ({ file: 'x' }) })
  const made = await served(t, 'summary', { to: () => sink, transforms: () => [upper] })
  const sent = await send({ to: made.to, from: Readable.from([Buffer.from('hello\n')]), output: memorySink() })
  const summary = await summaryOf(made)
  t.equal(String(sink.data), 'HELLO\n')
  t.match(summary, { number: 1, remote: 'memory', port: undefined, bytesIn: 6, bytesOut: 0, warnings: [] })
  t.match(summary, { closedBy: 'peer', sink: { file: 'x' } })
  for (const key of ['error', 'reason', 'timeout', 'side', 'faults', 'tls', 'target']) t.notOk(key in summary, key)
  t.match(summary.directions, [
    {
      direction: 'forward',
      bytesIn: 6,
      bytesOut: 6,
      segments: [{ name: 'transforms', bytesIn: 6, bytesOut: 6, runs: [{ stages: [{ name: 'upper' }] }] }],
    },
  ])
  t.equal(await made.connections[0]?.closed, summary)
  const [, line] = made.lines
  t.equal(made.lines.length, 2)
  t.match(line, { level: 30, msg: 'connection closed', connection: summary.id, remote: 'memory', bytesIn: 6 })
  t.match(sent, {
    closedBy: 'local',
    bytesIn: 0,
    bytesOut: 6,
    directions: [{ direction: 'reply' }, { direction: 'forward' }],
  })
})

t.test('a summary is that of the end: the connection is closed, and no handle is left', async t => {
  failOnWarning(t)
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      const { leg, peer, connection } = openOver(await socketLegs(t))
      const received = collect(peer)
      peer.end('ping')
      const summary = await work(connection, around(leg), () => (chunk: Buffer) => chunk)
      t.equal(String(await received), 'ping')
      t.match(summary, { closedBy: 'peer', remote: '127.0.0.1', port: leg.port, bytesIn: 4, bytesOut: 4 })
      t.ok(leg.stream.closed)
    }),
  )
  await until(() => !('TCPSocketWrap' in handles()))
})

t.test('the peer sees our end when the sink has taken everything', async t => {
  const { leg, peer, connection } = open(t)
  const { sink, held, release } = heldSink()
  const order: string[] = []
  sink.once('finish', () => order.push('sink'))
  peer.once('end', () => order.push('end')).resume()
  peer.end('hello')
  const ended = work(connection, from(leg, sink))
  await turns()
  t.equal(held.length, 1)
  t.same(order, [], 'no end while the sink waits')
  release()
  await ended
  t.same(order, ['sink', 'end'])
})

t.test('half-close: every byte goes there and back through a slow stage (A-01)', async t => {
  const data = Buffer.alloc(1_000_007, 'abcdefg')
  const slow: Transforms = () => (chunk: Buffer) => turns(1).then(() => chunk)
  const made = await served(t, 'half-close', { to: undefined, reply: true, transforms: slow })
  const output = memorySink()
  await send({ to: made.to, from: Readable.from([data]), output })
  t.ok(output.data.equals(data))
  t.match(await summaryOf(made), { closedBy: 'peer', bytesIn: data.length, bytesOut: data.length })
})

t.test('the peer ends first, our file goes on', async t => {
  const path = join(t.testdir({}), 'f')
  writeFileSync(path, Buffer.alloc(3_000_000, 'x'))
  const made = await served(t, 'file', { from: () => fileSource(path) })
  const output = memorySink()
  await send({ to: made.to, from: Readable.from([]), output })
  t.equal(output.data.length, 3_000_000)
  t.match(await summaryOf(made), { closedBy: 'peer', bytesOut: 3_000_000 })
})

t.test('we end first, the peer goes on sending', async t => {
  const sink = memorySink()
  const made = await served(t, 'we-end', { to: () => sink, from: () => Readable.from([Buffer.from('bye')]) })
  const output = memorySink()
  const source = new PassThrough()
  const sent = send({ to: made.to, from: source, output })
  while (output.data.length === 0) await turns(1)
  await turns()
  source.end(Buffer.alloc(5_000_000))
  await sent
  t.equal(String(output.data), 'bye')
  t.equal(sink.data.length, 5_000_000)
  t.match(await summaryOf(made), { closedBy: 'local', error: undefined })
})

t.test('a stage that stops ends the direction with success, and the other one can be used', async t => {
  const sink = memorySink()
  const source = new PassThrough()
  const once: Transforms = () => {
    let count = 0
    return (chunk: Buffer) => (count++ > 0 ? stop : chunk)
  }
  const made = await served(t, 'stop', { to: () => sink, from: () => source, transforms: once })
  const output = memorySink()
  const input = new PassThrough()
  const sent = send({ to: made.to, from: input, output })
  for (const word of ['one', 'two', 'three']) {
    input.write(word)
    await turns()
  }
  t.equal(String(sink.data), 'one')
  source.end('reply')
  await turns()
  t.equal(String(output.data), 'reply')
  input.end()
  await sent
  t.match(await summaryOf(made), { closedBy: 'local', error: undefined })
})

t.test('who or what has closed it, and one log line', async t => {
  for (const [name, cut, expected, isReset = true] of [
    [
      'a reset of the peer',
      (_, peer) => peer.destroy(new Error('x')),
      { closedBy: 'reset', error: { code: 'ECONNRESET' } },
      false,
    ],
    ['an error of ours', c => c.fail(new Error('ours')), { closedBy: 'error', error: { message: 'ours' } }],
    ['what is no Error', c => c.fail('text'), { closedBy: 'error', error: { message: 'text', cause: 'text' } }],
    ['a closed server', c => c.fail(new TcpPipeError('ERR_CLOSED', 'x')), { closedBy: 'signal' }],
    ['an abort', c => c.fail(Object.assign(new Error(), { name: 'AbortError' })), { closedBy: 'signal' }],
    ['a timeout', c => c.fail(new TcpPipeError('ERR_TIMEOUT', 'x')), { closedBy: 'timeout' }],
    [
      'twice',
      c => {
        for (const text of ['first', 'second']) c.fail(new Error(text))
      },
      { error: { message: 'first' } },
    ],
    [
      'ECONNRESET of another one',
      c => c.fail(Object.assign(new Error('x'), { code: 'ECONNRESET' })),
      { closedBy: 'error' },
    ],
    [
      'a real error behind one that says no more than that something has ended',
      c => {
        c.fail(Object.assign(new Error('early'), { code: 'ERR_STREAM_PREMATURE_CLOSE' }))
        c.fail(new Error('real'))
      },
      { closedBy: 'error', error: { message: 'real' } },
    ],
    [
      'the other way round',
      c => {
        c.fail(new Error('real'))
        c.fail(Object.assign(new Error('late'), { code: 'ERR_STREAM_PREMATURE_CLOSE' }))
      },
      { closedBy: 'error', error: { message: 'real' } },
    ],
  ] as [string, (c: OpenConnection, peer: Duplex) => unknown, object, boolean?][]) {
    const { leg, peer, connection, lines } = open(t)
    const received = outcome(peer)
    const ended = work(connection, from(leg, memorySink()))
    cut(connection, peer)
    const summary = await ended
    t.match(summary, expected, name)
    t.equal(lines.length, 1, `${name}: one line`)
    t.match(lines[0], { level: 50, msg: 'connection failed' })
    await t.rejects(connection.failed, name)
    if (isReset) t.match(await received, { code: 'ECONNRESET', ended: false }, `${name}: the peer sees a reset`)
  }
})

t.test('the kernel tells of a reset, and tells the peer of ours', async t => {
  for (const theirs of [true, false]) {
    const { leg, peer, connection } = openOver(await socketLegs(t))
    const received = outcome(peer)
    const ended = work(connection, from(leg, memorySink()))
    if (theirs) peer.destroy(new Error('x'))
    else connection.fail(new Error('ours'))
    t.match(await ended, theirs ? { closedBy: 'reset', error: { code: 'ECONNRESET' } } : { closedBy: 'error' })
    if (!theirs) t.match(await received, { code: 'ECONNRESET', ended: false })
  }
})

t.test('a reset that comes together with data is no end', async t => {
  const { leg, peer, connection } = openOver(await socketLegs(t))
  await write(peer, 'x')
  peer.destroy(new Error('gone'))
  t.match(await work(connection, from(leg, memorySink())), { closedBy: 'reset', error: { code: 'ECONNRESET' } })
})

t.test('a unix socket has no reset: it is destroyed', async t => {
  const { leg, peer, connection, lines } = openOver(await socketLegs(t, unixPair(t)))
  peer.once('end', () => peer.end())
  const received = outcome(peer)
  const ended = work(connection, from(leg, memorySink()))
  connection.fail(new Error('ours'))
  t.match(await ended, { remote: 'unix', port: undefined, closedBy: 'error' })
  t.equal(lines[0]?.remote, 'unix')
  t.match(await received, { ended: true }, 'the peer cannot tell')
})

t.test('when a stage or a sink fails, the peer is reset and the summary has the original error', async t => {
  const boom = new Error('boom')
  const thrower = (chunk: Buffer) => {
    if (chunk.length > 0) throw boom
  }
  for (const [name, transforms, makeSink] of [
    ['a stage throws', () => thrower, memorySink],
    ['a stage rejects', () => async (chunk: Buffer) => thrower(chunk), memorySink],
    ['a stream fails', () => new Transform({ transform: (_c, _e, callback) => callback(boom) }), memorySink],
    ['the stages cannot be made', () => thrower(Buffer.of(1)) as never, memorySink],
    ['the sink fails', () => [], () => failingSink(boom)],
    [
      'the sink fails at its end',
      () => [],
      () => new Writable({ write: (_c, _e, callback) => callback(), final: callback => callback(boom) }),
    ],
  ] as [string, Transforms, () => Writable][]) {
    const sink = makeSink()
    const made = await served(t, name, { transforms, to: () => sink })
    const source = new PassThrough()
    const sent = send({ to: made.to, from: source, output: memorySink() })
    source[name.endsWith('its end') ? 'end' : 'write']('x')
    await t.rejects(sent, { code: 'ECONNRESET', summary: { closedBy: 'reset' } }, name)
    const summary = await summaryOf(made)
    t.equal(summary.error, boom, name)
    t.equal(summary.closedBy, 'error')
    t.equal(made.lines.length, 2)
    t.ok(sink.destroyed, 'the sink is not left open')
    t.equal(made.server.connections.size, 0)
  }
})

t.test('a stage that fails after the end of its output fails the connection', async t => {
  const { leg, peer, connection } = open(t)
  const seen = outcome(peer)
  const late = divisible(
    () =>
      new Transform({
        transform(_chunk, _encoding, callback) {
          this.push(null)
          this.once('end', () => setImmediate(() => this.emit('error', new Error('late'))))
          callback()
        },
      }),
  )
  peer.write('x')
  const ended = work(connection, from(leg, memorySink()), late)
  t.match(await soon(ended), { closedBy: 'error', error: { message: 'late' } })
  peer.end()
  t.match(await seen, { code: 'ECONNRESET' })
})

t.test('a source whose stages cannot be made is not left open', async t => {
  const { leg, connection } = open(t)
  const source = silent()
  const transforms = () => {
    throw new Error('no stages')
  }
  t.match(await work(connection, into(source, leg), transforms), { error: { message: 'no stages' } })
  t.ok(source.destroyed)
})

t.test('a leg that is lost before its transfer fails it', async t => {
  for (const pair of [legs(t), await socketLegs(t)]) {
    const { leg, peer, connection } = openOver(pair)
    peer.destroy(new Error('x'))
    await closed(leg.stream)
    const sink = memorySink()
    t.match(await work(connection, from(leg, sink)), { closedBy: 'reset', error: { code: 'ECONNRESET' } })
    t.ok(sink.destroyed)
  }
})

t.test('the stages in front of one that stops end with the connection', async t => {
  const { leg, peer, connection } = open(t)
  const front = new PassThrough()
  peer.write('x')
  await work(connection, from(leg, memorySink()), () => [front, () => stop])
  await turns()
  t.ok(front.destroyed)
})

/** A connection whose time moves when the test says so. */
function timed(t: Test, options: Parameters<typeof open>[1]) {
  const clock = stoppedClock(t, { timers: true })
  const made = open(t, options)
  const pass = async (milliseconds: number) => {
    await turns()
    clock.pass(milliseconds)
    await turns()
  }
  return { ...made, pass }
}

t.test('a timeout fails the connection, appears in the summary, and resets the peer', async t => {
  for (const [options, timeout, message] of [
    [{ idleTimeout: 50 }, 'idle', 'idle timeout: no byte for 50 ms'],
    [{ firstByteTimeout: 50 }, 'first-byte', 'first-byte timeout: the peer sent nothing for 50 ms'],
    [{ maxDuration: 50 }, 'duration', 'duration timeout: the connection has lasted 50 ms'],
  ] as const) {
    await t.test(timeout, async t => {
      const { leg, peer, connection, lines, pass } = timed(t, options)
      const seen = outcome(peer)
      const ended = work(connection, from(leg, memorySink()))
      await pass(49)
      t.notOk(leg.stream.destroyed)
      await pass(1)
      t.match(await ended, { closedBy: 'timeout', timeout, error: { code: 'ERR_TIMEOUT', message } })
      t.match(await seen, { code: 'ECONNRESET', ended: false })
      t.match(lines, [{ closedBy: 'timeout', timeout, code: 'ERR_TIMEOUT' }])
    })
  }
})

t.test('the half-closed timeout applies, whichever side ended first', async t => {
  for (const who of ['peer', 'we'] as const) {
    await t.test(who, async t => {
      const { leg, peer, connection, pass } = timed(t, { idleTimeout: 10_000, halfClosedTimeout: 50 })
      const forward = openChain('forward', undefined).run(connection, from(leg, memorySink()))
      const reply = openChain('reply', undefined).run(
        connection,
        into(who === 'peer' ? silent() : Readable.from([]), leg),
      )
      if (who === 'peer') peer.end()
      const failed = t.rejects(Promise.all([forward, reply]), { message: 'half-closed timeout: no byte for 50 ms' })
      await pass(5)
      await pass(55)
      await failed
      t.match(await connection.finish(), { closedBy: 'timeout', timeout: 'half-closed' })
    })
  }
})

t.test('it is not idle while our own sink is what we wait for, and then the time begins anew', async t => {
  const { leg, peer, connection, pass } = timed(t, { idleTimeout: 150 })
  const { sink, held, release } = heldSink()
  peer.write('x')
  const ended = work(connection, from(leg, sink))
  await pass(5000)
  t.equal(held.length, 1)
  t.notOk(leg.stream.destroyed)
  release()
  await pass(140) // the sink is looked at in each twentieth of the time
  t.notOk(leg.stream.destroyed)
  await pass(20)
  t.match(await ended, { closedBy: 'timeout' })
})

t.test('it is not idle while the end of our sink is under way', async t => {
  const { leg, peer, connection, pass } = timed(t, { idleTimeout: 10_000, halfClosedTimeout: 100 })
  let finish = () => {}
  const sink = new Writable({
    write: (_chunk, _encoding, callback) => callback(),
    final(callback) {
      finish = callback
    },
  })
  peer.resume().end('x')
  const ended = work(connection, from(leg, sink))
  await pass(5000)
  finish()
  t.match(await ended, { closedBy: 'peer', error: undefined })
})

t.test('a stage that never calls back, a peer that never reads and a target that never does are idle', async t => {
  const { sink: held } = heldSink()
  for (const [title, ends, transforms] of [
    ['a stage', leg => from(leg, memorySink()), () => divisible(() => new Transform({ transform() {} }))()],
    ['a peer', leg => into(endless(), leg), undefined],
    ['a sink that is a peer', leg => from(leg, Object.assign(held, { leg: legs(t)[0] })), undefined],
  ] as [string, (leg: Leg) => ReturnType<typeof from>, Transforms | undefined][]) {
    await t.test(title, async t => {
      const { leg, peer, connection, pass } = timed(t, { idleTimeout: 50 })
      peer.write('x')
      const ended = work(connection, ends(leg), transforms)
      await pass(60)
      await pass(60)
      t.match(await ended, { closedBy: 'timeout', timeout: 'idle' })
    })
  }
})

t.test('a peer may send so many bytes, and nothing of what is more is passed on', async t => {
  const { leg, peer, connection } = open(t, { maxBytes: 4 })
  const sink = memorySink()
  const seen = outcome(peer)
  const ended = work(connection, from(leg, sink))
  peer.write('1234')
  await turns()
  t.equal(String(sink.data), '1234')
  peer.write('5')
  t.match(await ended, { closedBy: 'limit', bytesIn: 5, error: { code: 'ERR_LIMIT' } })
  t.equal(String(sink.data), '1234')
  t.match(await seen, { code: 'ECONNRESET' })
})

t.test('drop is no failure, also for a transfer that runs', async t => {
  const { leg, connection } = open(t)
  const forward = openChain('forward', undefined).run(connection, from(leg, memorySink()))
  connection.drop()
  await t.resolves(forward)
  t.match(await connection.finish(), { error: undefined, closedBy: 'local' })
})

t.test('what comes behind the end changes the summary no more', async t => {
  const { leg, peer, connection } = open(t)
  peer.end()
  const summary = await work(connection, from(leg, memorySink()))
  connection.fail(new Error('late'))
  connection.reset('late')
  t.equal(await connection.finish(), summary)
  t.equal(await connection.close('late'), summary)
  t.match(summary, { closedBy: 'peer', error: undefined })
})

t.test('close: what has been read is delivered, nothing more is read, and it is a success with the reason', async t => {
  const path = join(t.testdir({}), 'sink')
  const made = await served(t, 'close', { to: `file:${path}`, transforms: () => [upper] })
  const source = new PassThrough()
  const sent = send({ to: made.to, from: source, output: memorySink() })
  source.write('read')
  await until(() => made.connections[0]?.stats().directions[0]?.bytesOut === 4)
  const [connection] = made.connections as [Connection]
  const summary = await connection.close('enough')
  source.write('not read')
  t.match(summary, { closedBy: 'local', reason: 'enough', error: undefined, sink: { file: path } })
  t.equal(readFileSync(path, 'utf8'), 'READ')
  t.equal(await connection.closed, summary)
  t.match(made.lines.at(-1), { level: 30, msg: 'connection closed', closedBy: 'local', reason: 'enough' })
  source.end()
  await sent.catch(() => {})
})

t.test('close without a reason tells none, and the first reason is the one to tell', async t => {
  for (const [reasons, expected] of [
    [[undefined], undefined],
    [['one', 'two'], 'one'],
  ] as const) {
    const { leg, connection } = open(t)
    const ended = work(connection, from(leg, memorySink()))
    for (const reason of reasons) void connection.close(reason)
    const summary = await ended
    t.equal(summary.reason, expected)
    t.equal('reason' in summary, expected !== undefined)
    t.match(summary, { closedBy: 'local' })
  }
})

t.test('close ends both sides, whatever kind of connection it is', async t => {
  const echo = await served(t, 'echo', { to: undefined, reply: true })
  for (const [title, options, handler] of [
    ['a sink', {}],
    ['a sink and a source', { from: () => silent() }],
    ['an echo', { to: undefined, reply: true }],
    ['a peer as the sink', { to: echo.to }],
    ['a handler that reads', {}, (stream: Duplex) => once(stream.resume(), 'close')],
    ['a handler that waits for what comes', {}, (stream: Duplex) => collect(stream)],
    ['a handler that does nothing', {}, () => new Promise(() => {})],
  ] as [string, ServeOptions, Parameters<typeof serve>[1]?][]) {
    for (const says of ['', 'x']) {
      await t.test(`${title}, ${says ? 'after a byte' : 'before a byte'}`, async t => {
        const clock = stoppedClock(t, { timers: true })
        const made = await served(t, 'all', options, handler)
        const source = new PassThrough()
        const sent = send({ to: made.to, from: source, output: memorySink() })
        if (says) source.write(says)
        await turns()
        let summary: Summary | undefined
        void made.connections[0]?.close('enough').then(closed => {
          summary = closed
        })
        await turns()
        clock.pass(lingerTime) // the peer does not end
        await turns()
        t.match(summary, { closedBy: 'local', reason: 'enough', error: undefined })
        source.end()
        await soon(sent.catch(() => {}))
        t.equal(made.server.connections.size, 0, 'the server knows that it has ended')
        t.match(made.server.stats(), { closed: { local: 1 }, connections: [] })
        t.equal(await soon(made.server.close()), 0, 'and can be closed')
      })
    }
  }
})

t.test('close of a proxy ends both legs', async t => {
  const target = await served(t, 'target', { to: undefined, reply: true })
  const connections: Connection[] = []
  const server: ProxyServer = await proxy({
    listen: 'memory:proxy',
    to: target.to,
    onConnection: connection => void connections.push(connection),
  })
  t.teardown(() => server.close({ drain: 0 }))
  const output = memorySink()
  const source = new PassThrough()
  const sent = send({ to: 'memory:proxy', from: source, output })
  source.write('hello')
  while (output.data.length === 0) await turns(1)
  const [connection] = connections
  t.match(connection?.stats(), { target: { to: target.to, bytesIn: 5, bytesOut: 5 } })
  const closing = connection?.close('maintenance')
  await turns()
  source.end()
  t.match(await closing, { closedBy: 'local', reason: 'maintenance', target: { bytesIn: 5, bytesOut: 5 } })
  await sent
  t.equal(String(output.data), 'hello')
  t.match(await summaryOf(target), { closedBy: 'peer', error: undefined })
})

t.test('close of a send ends it, and its source is destroyed', async t => {
  const made = await served(t, 'send')
  const source = silent()
  let connection: Connection | undefined
  const sent = send({
    to: made.to,
    from: source,
    output: memorySink(),
    onConnect: opened => {
      connection = opened
    },
  })
  source.push('x')
  await turns()
  void connection?.close('done')
  t.match(await soon(sent), { closedBy: 'local', reason: 'done', bytesOut: 1 })
  t.ok(source.destroyed)
  t.match(await soon(summaryOf(made)), { closedBy: 'peer', bytesIn: 1 })
})

t.test('close before the sink is open: it is not left open', async t => {
  for (const time of [0, 2, 50]) {
    const sink = memorySink()
    const made = await served(t, 'early', {
      to: () => turns(time).then(() => sink),
      onConnection: connection => void connection.close('not wanted'),
    })
    const sent = send({ to: made.to, from: Readable.from([]), output: memorySink() })
    t.match(await soon(summaryOf(made)), { closedBy: 'local', reason: 'not wanted', error: undefined })
    await soon(sent)
    await turns(100)
    t.ok(sink.writableFinished || sink.destroyed, `open after ${time} turns`)
    await made.server.close()
  }
})

t.test('reset: the peer sees one, and the reason is the message of the error', async t => {
  for (const [title, options, handler] of [
    ['a sink', {}],
    ['a handler', {}, (stream: Duplex) => collect(stream)],
    ['a handler that does nothing', {}, () => new Promise(() => {})],
  ] as [string, ServeOptions, Parameters<typeof serve>[1]?][]) {
    for (const reason of ['enough', undefined]) {
      const made = await served(t, 'reset', options, handler)
      const sent = send({ to: made.to, from: silent(), output: memorySink() })
      await turns()
      made.connections[0]?.reset(reason)
      await t.rejects(sent, { code: 'ECONNRESET' }, title)
      const message = reason ?? 'the connection was reset by its owner'
      t.match(await summaryOf(made), { closedBy: 'signal', error: { code: 'ERR_CLOSED', message } }, title)
      t.match(made.lines.at(-1), { level: 50, closedBy: 'signal', error: message })
      t.equal(await soon(made.server.close()), 0, title)
    }
  }
})

/** A file that holds each chunk until `release`. */
function heldFile() {
  const held: (() => void)[] = []
  let bytes = 0
  const write = (chunk: Buffer, _encoding: string, done: () => void) =>
    void held.push(() => {
      bytes += chunk.length
      done()
    })
  const sink = Object.assign(new Writable({ write }), { report: () => ({ bytes }) })
  const release = async () => {
    for (let next = held.shift(); next; next = held.shift()) {
      next()
      await turns()
    }
  }
  return { sink, release }
}

t.test('a file takes what it was given before a failure, and its report waits for that (G-26)', async t => {
  for (const isEnded of [false, true]) {
    const { leg, peer, connection } = open(t)
    const { sink, release } = heldFile()
    const ended = work(connection, from(leg, sink))
    for (const chunk of ['first', 'second']) {
      peer.write(chunk)
      await turns()
    }
    if (isEnded) peer.end()
    await turns()
    connection.reset('enough')
    await turns()
    await release()
    t.match(await ended, { error: { message: 'enough' }, sink: { bytes: isEnded ? 0 : 11 } })
    t.ok(sink.closed)
  }
})

t.test('a file that takes nothing is waited for as long as a peer, and no longer (G-26)', async t => {
  const clock = stoppedClock(t, { timers: true })
  const { leg, peer, connection } = open(t)
  const { sink } = heldFile()
  const ended = work(connection, from(leg, sink))
  peer.write('first')
  await turns()
  connection.reset('enough')
  await turns()
  t.notOk(sink.destroyed)
  clock.pass(lingerTime)
  t.match(await ended, { sink: { bytes: 0 } })
  t.ok(sink.destroyed)
})

t.test('reset by TCP is one', async t => {
  const { leg, peer, connection } = openOver(await socketLegs(t))
  const seen = outcome(peer)
  const ended = work(connection, from(leg, memorySink()))
  connection.reset('enough')
  t.match(await ended, { closedBy: 'signal', error: { message: 'enough' } })
  t.match(await seen, { ended: false, code: 'ECONNRESET' })
})

t.test('a handler has no directions, and its bytes count', async t => {
  const made = await served(t, 'handler', {}, async stream => {
    stream.write('hello')
    await collect(stream)
  })
  const output = memorySink()
  const source = new PassThrough()
  const sent = send({ to: made.to, from: source, output })
  while (output.data.length === 0) await turns(1)
  t.match(made.connections[0]?.stats(), { directions: [], bytesOut: 5, number: 1 })
  source.end('abc')
  await sent
  t.match(await summaryOf(made), { directions: [], bytesIn: 3, bytesOut: 5, closedBy: 'peer' })
})

t.test('the figures of a connection, while it is open and at its end', async t => {
  const clock = stoppedClock(t)
  const { leg, peer, connection } = open(t, { number: 7 })
  const ended = work(connection, from(leg, memorySink()), () => upper)
  peer.write('abc')
  await turns()
  clock.pass(250)
  const stats = connection.stats()
  t.match(stats, { id: connection.id, number: 7, remote: 'memory', age: 250, bytesIn: 3, bytesOut: 0 })
  t.notOk('target' in stats)
  const text = JSON.stringify(stats)
  t.same(JSON.parse(text), stats)
  peer.end('de')
  await turns()
  const summary = await ended
  t.equal(summary.duration, 250)
  t.same(summary.directions, connection.stats().directions)
  t.equal(JSON.stringify(stats), text, 'a snapshot does not change')
})

t.test('the figures of a connection by TCP know the port', async t => {
  const { leg, connection } = openOver(await socketLegs(t))
  const stats = connection.stats()
  t.match(stats, { remote: '127.0.0.1', port: leg.port })
  t.strictSame(JSON.parse(JSON.stringify(stats)), stats)
})

t.test('warnings of a source and of a stage are in the summary', async t => {
  const { leg, peer, connection, lines } = open(t)
  peer.resume().end()
  const source: Source = Object.assign(Readable.from([Buffer.from('x')]), { warnings: ['it changed'] })
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
  const summary = await work(connection, into(source, leg), () => warner())
  t.same(summary.warnings, ['careful', 'it changed'])
  t.match(lines, [{ level: 40, warnings: ['careful', 'it changed'], msg: 'connection closed' }])
})

t.test('faults of stages are in the summary, and no more than a hundred of them', async t => {
  const { leg, peer, connection } = open(t)
  const faulty = defineTransform({
    name: 'faulty',
    summary: '',
    unit: 'bytes',
    create: (_, context) => chunk => {
      for (let offset = 0; offset < 150; offset++) context.noteFault({ fault: 'faulty', offset, direction: 'forward' })
      return chunk
    },
  })
  peer.end('a')
  const { faults } = await work(connection, from(leg, memorySink()), () => faulty())
  t.equal(faults?.length, 100)
  t.same(faults?.[99], { fault: 'faulty', offset: 99, direction: 'forward' })
})

t.test('reports of two sinks are joined; a connection without a log and an observer is silent', async t => {
  const [leg, { stream: peer }] = legs(t)
  const connection = openConnection(leg, { log: undefined, maxRecord: 10, idleTimeout: 0 })
  peer.resume().end('x')
  const report = (key: string): Sink => Object.assign(memorySink(), { report: () => ({ [key]: 1 }) })
  await openChain('forward', undefined).run(connection, from(leg, report('a')))
  await openChain('reply', undefined).run(connection, { source: Readable.from([]), sink: report('b') })
  t.same((await connection.finish()).sink, { a: 1, b: 1 })
})

t.test('stages know their connection, and the cap of a record reaches them', async t => {
  const { leg, peer, connection } = open(t, { maxRecord: 10, number: 3 })
  const identity = { id: connection.id, number: 3, remote: 'memory', port: undefined }
  t.match(connection, identity)
  t.same(connection.info('reply'), { ...identity, direction: 'reply' })
  peer.end('a line that is too long')
  const summary = await work(connection, from(leg, memorySink()), info => {
    t.same(info, { ...identity, direction: 'forward' })
    return eachLine(line => line)
  })
  t.match(summary, { closedBy: 'limit', error: { code: 'ERR_RECORD_TOO_LONG' } })
})

t.test('an id is short, unique, and sorts by time', async t => {
  const ids = Array.from({ length: 20 }, () => open(t).connection.id)
  t.ok(ids.every(id => /^[0-9a-z]{10}$/.test(id)))
  t.same([...new Set(ids)].sort(), ids)
})

t.test('a second leg fails with the connection, and ends with it', async t => {
  const { peer, connection } = open(t)
  const [other, { stream: target }] = legs(t)
  connection.join(other, 'memory:7')
  const seen = [outcome(peer), outcome(target)]
  connection.fail(new Error('bad'))
  t.match(await Promise.all(seen), [{ code: 'ECONNRESET' }, { code: 'ECONNRESET' }])
  const summary = await connection.finish()
  t.match(summary, { closedBy: 'error', target: { to: 'memory:7', bytesIn: 0, bytesOut: 0 } })
  t.notOk('side' in summary, 'it was on neither side')
})

t.test('a second leg that comes too late is reset', async t => {
  for (const [title, end, message] of [
    ['the connection has failed', (c: OpenConnection) => c.fail(new Error('bad')), 'bad'],
    ['the connection has ended', (c: OpenConnection) => void c.finish(), 'the connection was closed'],
    ['the connection is being closed', (c: OpenConnection) => void c.close(), 'the connection was closed'],
  ] as const) {
    const { connection } = open(t)
    end(connection)
    const [late, { stream: peer }] = legs(t)
    const lost = outcome(peer)
    t.throws(() => connection.join(late, 'memory:7'), { message }, title)
    t.match(await lost, { code: 'ECONNRESET' }, title)
  }
})

t.test('which side it was', async t => {
  for (const [side, closedBy, act] of [
    ['client', 'reset', client => client.destroy(new Error('x'))],
    ['target', 'reset', (_client, target) => target.destroy(new Error('x'))],
    ['client', 'peer', client => client.end()],
    ['target', 'peer', (_client, target) => target.end()],
  ] as [string, string, (client: Duplex, target: Duplex) => void][]) {
    const { leg, peer: client, connection } = open(t)
    const [other, { stream: target }] = legs(t)
    connection.join(other, 'x')
    for (const each of [leg.stream, other.stream, client, target]) each.resume()
    act(client, target)
    await Promise.race([connection.failed.catch(() => {}), once(side === 'client' ? leg.stream : other.stream, 'end')])
    for (const each of [client, target]) each.end()
    t.match(await connection.finish(), { side, closedBy })
  }
})

t.test('stages that are forgotten are no part of it', async t => {
  const { peer, connection } = open(t)
  const [first, second] = [1, 2].map(() => connection.prepare(() => new PassThrough(), 'forward'))
  connection.forget(first as never)
  peer.end()
  connection.fail(new Error('bad'))
  t.notOk(first?.streams[0]?.destroyed)
  t.ok(second?.streams[0]?.destroyed)
  await connection.finish()
})

t.test('stages that a change has replaced are no part of it', async t => {
  const old = new PassThrough({ autoDestroy: false })
  const { chain, connection, say, done } = flow(t, { segments: { main: divisible(() => old) } })
  await say('a')
  await chain.set('main', () => upper)
  connection.fail(new Error('bad'))
  await t.rejects(done, { message: 'bad' })
  t.notOk(old.destroyed)
})

t.test('the summary tells of TLS on both sides', async t => {
  const tls = (protocol: string) => ({ tls: { protocol, cipher: 'x' } })
  const [near] = legs(t)
  const [far] = legs(t)
  const connection = openConnection(
    { ...near, facts: tls('TLSv1.3') },
    { log: undefined, maxRecord: undefined, idleTimeout: 0 },
  )
  connection.join({ ...far, facts: tls('TLSv1.2') }, 'tls://127.0.0.1:1')
  connection.fail(new Error('over'))
  t.match(await connection.finish(), { ...tls('TLSv1.3'), target: tls('TLSv1.2') })
})

t.test('a failure is reported to a callback that is set before it or after it', async t => {
  const { connection } = open(t)
  const heard: string[] = []
  connection.onFailed(() => heard.push('before'))
  connection.fail(new Error('ours'))
  connection.onFailed(() => heard.push('after'))
  t.same(heard, ['before', 'after'])
  await connection.finish()
})

t.test('an end that fails rejects, for everyone who waits for it', async t => {
  const fails = () => {
    throw new Error('on purpose')
  }
  const { peer, connection } = open(t, { observer: { ...observers([]), closed: fails } })
  peer.resume().end()
  await Promise.all([connection.finish(), connection.closed].map(end => t.rejects(end, { message: 'on purpose' })))
})

t.test('an observer hears of the end, with the summary', async t => {
  const heard: Summary[] = []
  const { leg, peer, connection } = open(t, { observer: observers([{ closed: summary => void heard.push(summary) }]) })
  peer.end()
  const summary = await work(connection, from(leg, memorySink()))
  t.equal(heard[0], summary)
  t.equal(heard.length, 1)
})

t.test('an observer hears of the bytes from the peer and to it, before they are passed on, and of faults', async t => {
  const heard: unknown[] = []
  const observer: Observer = {
    passed: ({ id }, way, chunk) => void heard.push([id, way, String(chunk)]),
    faulted: ({ id }, { fault, offset }) => void heard.push([id, fault, offset]),
  }
  const { leg, peer, connection } = open(t, { observer: observers([observer]) })
  const upper = (chunk: Buffer) => String(chunk).toUpperCase()
  peer.end('hello')
  await work(connection, around(leg), () => [upper, corrupt({ after: 2, seed: 1 })])
  t.same(heard, [
    [connection.id, 'in', 'hello'],
    [connection.id, 'corrupt', 2],
    [connection.id, 'out', String(peer.read())],
  ])
})

t.test('bulk data that an observer keeps, or a stage that comes later, stay as they were', async t => {
  const bytes = randomBytes(12_000_000)
  const kept: Record<'in' | 'out' | 'stage', Buffer[]> = { in: [], out: [], stage: [] }
  const observer: Observer = { passed: (_, way, chunk) => void kept[way].push(chunk) }
  const keep = (chunk: Buffer) => {
    kept.stage.push(chunk)
    return chunk
  }
  for (const isObserved of [true, false]) {
    const options = isObserved ? { observer: observers([observer]) } : {}
    const { leg, peer, connection } = openOver(await socketLegs(t), options)
    const chain = openChain('forward', undefined)
    const done = chain.run(connection, around(leg))
    const back = collect(peer)
    peer.write(bytes.subarray(0, 6_000_000))
    await until(() => leg.bytes.in > 3_000_000)
    if (!isObserved) await chain.chain.use(() => [keep])
    peer.end(bytes.subarray(6_000_000))
    await done
    await connection.finish()
    t.ok((await back).equals(bytes))
  }
  t.ok(Buffer.concat(kept.in).equals(bytes))
  const late = Buffer.concat(kept.stage)
  t.ok(late.length >= 6_000_000)
  t.ok(late.equals(bytes.subarray(bytes.length - late.length)))
})

t.test('it measures its ends from now on', async t => {
  const { leg, peer, connection } = open(t)
  connection.measure()
  peer.end('hello')
  await work(connection, around(leg))
  t.match(connection.stats().directions, [{ source: {}, sink: {} }])
  const running = open(t)
  running.peer.write('hello')
  const done = work(running.connection, around(running.leg))
  running.connection.measure()
  t.match(running.connection.stats().directions, [{ source: {}, sink: {} }])
  running.peer.end()
  await done
})

t.test('bytes of other legs are not those of the peer', async t => {
  const heard: unknown[] = []
  const observer: Observer = { passed: (_, way, chunk) => void heard.push([way, String(chunk)]) }
  const { leg, peer, connection } = open(t, { observer: observers([observer]) })
  const [target, far] = legs(t)
  connection.join(target, 'memory:far')
  const forward = openChain('forward', undefined)
  const reply = openChain('reply', undefined)
  const done = Promise.all([
    forward.run(connection, { ...from(leg, target.stream), sinkLeg: target }),
    reply.run(connection, { ...into(target.stream, leg), sourceLeg: target }),
  ])
  peer.end('question')
  far.stream.end('answer')
  far.stream.resume()
  peer.resume()
  await done
  await connection.finish()
  t.same(heard.sort(), [
    ['in', 'question'],
    ['out', 'answer'],
  ])
})

t.test('a Duplex whose output ends before its input is done is no failure', async t => {
  const early = () => {
    const stream: Duplex = new Duplex({
      read() {},
      write(chunk, _encoding, callback) {
        stream.push(chunk)
        callback()
      },
      final(callback) {
        stream.push(null)
        void turns().then(() => callback())
      },
    })
    return stream
  }
  const { leg, peer, connection } = open(t)
  const sink = memorySink()
  peer.end('whole')
  const summary = await work(connection, from(leg, sink), () => [early(), new PassThrough()])
  t.match(summary, { closedBy: 'peer', error: undefined })
  t.equal(String(sink.data), 'whole')
})

t.test('a sink whose report throws: the summary has a warning (G-40)', async t => {
  const { leg, peer, connection } = open(t)
  const report = () => {
    throw new Error('no report')
  }
  peer.resume().end('x')
  const ended = work(connection, from(leg, Object.assign(memorySink(), { report })))
  t.match(await ended, { closedBy: 'peer', sink: undefined, warnings: ['the report of the sink failed: no report'] })
})

t.test('a failure has the stage that it comes from, and one of a leg has none (G-42)', async t => {
  const boom = new Error('boom')
  const transform = defineTransform({
    name: 'mine',
    summary: '',
    unit: 'bytes',
    create: () => new Transform({ transform: (_chunk, _encoding, done) => done(boom) }),
  })
  const shout = (chunk: Buffer) => String(chunk).toUpperCase()
  const { leg, peer, connection, lines } = open(t)
  peer.write('x')
  const failed = await work(connection, from(leg, memorySink()), () => [shout, transform(), shout])
  t.match(failed, { error: boom, origin: { stage: 'mine', at: /connection\.test\.[jt]s:\d+$/ } })
  t.match(lines.at(-1), { error: 'boom', stage: 'mine', at: /connection\.test/, origin: undefined })
  const other = open(t)
  other.peer.write('x')
  const passing = defineTransform({ name: 'passing', summary: '', unit: 'bytes', create: () => new PassThrough() })
  const cut = work(other.connection, from(other.leg, memorySink()), () => [passing()])
  other.peer.destroy(new Error('gone'))
  t.match(await cut, { error: { code: 'ECONNRESET' }, origin: undefined })
})

t.test('an error that comes from no stage has no origin: of a codec between two, or of a premature close', async t => {
  const json = eachJson(value => value)
  const { leg, peer, connection } = open(t)
  peer.write('{"a":]')
  const failed = await work(connection, from(leg, memorySink()), () => [json, eachLine(line => line)])
  t.match(failed, { error: { code: 'ERR_JSON' }, origin: undefined })
  const other = open(t)
  const quits = new Transform({
    transform() {
      this.destroy()
    },
  })
  other.peer.write('x')
  const cut = await work(other.connection, from(other.leg, memorySink()), () => [new PassThrough(), quits])
  t.match(cut, { error: { code: 'ERR_STREAM_PREMATURE_CLOSE' }, origin: undefined })
})

t.test('the stages know the local address and port, if the carrier has them (G-44)', async t => {
  const tcp = openOver(await socketLegs(t))
  const { port } = tcp.leg.local as { port: number }
  t.match(tcp.connection.info('forward'), { local: { address: '127.0.0.1', port }, direction: 'forward' })
  t.ok(port > 0)
  t.notOk('local' in open(t).connection.info('reply'))
})

t.test('the stages know the name that the sender gives, if any', async t => {
  const [leg, peer] = legs(t)
  const named = openOver([{ ...leg, facts: { session: { name: 'a/b', reconnects: 0 } } }, peer])
  t.match(named.connection.info('forward'), { name: 'a/b' })
  const [other, far] = legs(t)
  const nameless = openOver([{ ...other, facts: { session: { reconnects: 0 } } }, far])
  t.notOk('name' in nameless.connection.info('forward'))
})

t.test('an end without its notice after the conversation is an end, of the client or of the target', async t => {
  const notice = () => ({ acceptMissing: () => false, omit() {} })
  const [pair, other] = [legs(t), legs(t)]
  const [client, target] = [
    { ...pair[0], endNotice: notice() },
    { ...other[0], endNotice: notice() },
  ]
  const { connection } = openOver([client, pair[1]])
  connection.join(target, 'target')
  const run = (direction: 'forward' | 'reply', from: typeof client, to: typeof client) =>
    openChain(direction, undefined)
      .run(connection, { source: from.stream, sink: to.stream, sourceLeg: from, sinkLeg: to })
      .catch(() => {})
  const both = [run('forward', client, target), run('reply', target, client)]
  pair[1].stream.write('question')
  await once(other[1].stream, 'data')
  t.equal(target.endNotice.acceptMissing(), false, 'it owes an answer')
  other[1].stream.write('answer')
  await once(pair[1].stream, 'data')
  t.equal(client.endNotice.acceptMissing(), true)
  client.stream.destroy(Object.assign(new Error('no notice'), { code: 'ERR_UNEXPECTED_EOF' }))
  await Promise.all(both)
  t.match(await connection.finish(), { closedBy: 'peer', error: undefined, side: 'client' })
})

t.test('TLS on any side is known', async t => {
  const tls = { tls: { protocol: 'TLSv1.3', cipher: 'x' } }
  const [near] = legs(t)
  const [far] = legs(t)
  const hasTls = (connection: ObservedConnection) => connection.hasTls
  const plain = openOver([near, far]).connection
  t.equal(hasTls(plain), false)
  const sink = Object.assign(memorySink(), { leg: { ...far, facts: tls } })
  const { done } = plain.transfer({
    source: near.stream,
    sourceLeg: near,
    sink,
    segments: [],
    direction: 'forward',
  } as never)
  done.catch(() => {}) // it is interrupted
  t.equal(hasTls(plain), true)
  const [other] = legs(t)
  t.equal(hasTls(openOver([{ ...other, facts: tls }, far]).connection), true)
})

t.test('a reliable transfer that is closed fails: it has not brought everything', async t => {
  for (const reason of [undefined, 'enough']) {
    const [leg, { stream: peer }] = legs(t)
    const seen = outcome(peer)
    const session = { hello: { kind: 'transfer' } } as unknown as NonNullable<Leg['session']>
    const connection = openConnection({ ...leg, session }, { log: undefined, maxRecord: undefined, idleTimeout: 0 })
    void connection.close(reason)
    const { error } = await connection.finish()
    t.match(error, { code: 'ERR_CLOSED', message: reason ?? 'the transfer was closed before its end' })
    t.match(await seen, { ended: false, code: 'ECONNRESET' })
  }
})
