import { once } from 'node:events'
import { createConnection, createServer } from 'node:net'
import { finished } from 'node:stream/promises'
import { DiscardPolicy, StorageType } from '@nats-io/jetstream'
import t from 'tap'
import { parseAddress } from '../../../../lib/endpoints/address.js'
import type { Sink, SinkContext } from '../../../../lib/endpoints/endpoint.js'
import type { NatsAddress } from '../../../../lib/endpoints/nats/address.js'
import { checkTarget, natsSink } from '../../../../lib/endpoints/nats/sink.js'
import { listener, portOf, until } from '../../network.js'
import { natsServer, noServer } from './server.js'

const context: SinkContext = { id: '1', remote: 'memory', port: undefined }
const skip = noServer

function at(text: string): NatsAddress {
  return parseAddress(text) as NatsAddress
}

function open(text: string, more: Partial<SinkContext> = {}, signal?: AbortSignal): Promise<Sink> {
  return natsSink(at(text), { ...context, ...more }, signal)
}

/** Resolves with the error that a sink fails with. */
async function failed(sink: Sink): Promise<Error> {
  return finished(sink).then(
    () => new Error('it has not failed'),
    error => error,
  )
}

function figures(sink: Sink): { bytes: number; retries: number } {
  return sink.report?.() as { bytes: number; retries: number }
}

/** A way to the server that can be stopped and cut. */
async function gate(t: Parameters<typeof listener>[0], port: number) {
  const state = { isOpen: true, refused: 0, sockets: new Set<import('node:net').Socket>() }
  const server = await listener(t, socket => {
    if (!state.isOpen) {
      state.refused++
      return void socket.destroy()
    }
    const far = createConnection(port, '127.0.0.1')
    for (const each of [socket, far]) {
      state.sockets.add(each)
      each.on('error', () => {}).once('close', () => [socket, far].map(other => other.destroy()))
    }
    socket.pipe(far).pipe(socket)
    t.teardown(() => far.destroy())
  })
  return {
    port: portOf(server),
    cut() {
      state.isOpen = false
      state.refused = 0
      for (const socket of state.sockets) socket.destroy()
    },
    /** Resolves when a client has been refused since the cut. */
    refused: () => until(() => state.refused > 0),
    open() {
      state.isOpen = true
    },
  }
}

t.test('whole lines, in messages with headers, and a report of what is stored', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const sink = await open(`${server.url}/in.lines`, { id: '7' })
  const kept: number[] = []
  sink.onKept?.(bytes => kept.push(bytes))
  sink.write('one\ntw')
  await until(() => kept.at(-1) === 4)
  sink.end('o\nlast')
  await finished(sink)
  t.same(await server.payloads(), ['one\n', 'two\nlast'])
  t.equal(kept.at(-1), 12)
  const [first, second] = await Promise.all([1, 2].map(seq => server.manager.streams.getMessage('records', { seq })))
  const connection = first?.header.get('Tcp-Pipe-Connection') as string
  t.match(connection, /^[\w-]{12}-7$/)
  t.equal(first?.header.get('Nats-Msg-Id'), `${connection}:0:4`)
  t.same(
    ['Offset', 'Sequence', 'Stored'].map(name => second?.header.get(`Tcp-Pipe-${name}`)),
    ['4', '1', '1'],
  )
  t.match(sink.report?.(), {
    ...{ to: `nats://127.0.0.1:${server.port}/in.lines`, stream: 'records', subject: 'in.lines' },
    ...{ messages: 2, bytes: 12, duplicates: 0, retries: 0, warning: undefined },
  })
})

t.test('an empty connection stores nothing', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const sink = await open(`${server.url}/in.lines`)
  await finished(sink.end())
  t.same(await server.payloads(), [])
})

t.test('many connections share one, which is closed after the last one', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const way = await gate(t, server.port)
  const sinks = await Promise.all(
    Array.from({ length: 50 }, (_, i) => open(`nats://127.0.0.1:${way.port}/in.${i}`, { id: `${i}` })),
  )
  await Promise.all(
    sinks.map(sink => {
      for (let i = 0; i < 100; i++) sink.write(`${i}\n`)
      return finished(sink.end())
    }),
  )
  const lines = (await server.payloads()).join('').split('\n')
  t.equal(lines.length, 5001)
})

t.test('a session is recognized when it comes again', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const session = { hello: { id: 'abc' } } as never
  const reports: unknown[] = []
  for (const id of ['1', '2']) {
    const sink = await open(`${server.url}/in.lines`, { id, session })
    await finished(sink.end('same\n'))
    reports.push(sink.report?.())
  }
  t.match(reports, [{ duplicates: 0 }, { duplicates: 1, bytes: 5 }])
  t.same(await server.payloads(), ['same\n'])
})

t.test('a bounded number is in flight: then the writer waits, and nothing else (I-06)', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const sink = await open(`${server.url}/in.lines?in-flight=2&records=chunks`)
  server.signal('SIGSTOP')
  const taken: number[] = []
  const big = Buffer.alloc(64 * 1024)
  for (let i = 0; i < 5; i++) sink.write(big, () => taken.push(i))
  await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
  t.same(taken, [0])
  server.signal('SIGCONT')
  await finished(sink.end())
  t.same(taken, [0, 1, 2, 3, 4])
  t.equal((await server.payloads()).length, 5)
})

t.test('a server that ends and comes back has everything once (I-01)', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const sink = await open(`${server.url}/in.lines?max-message=1k&in-flight=50`)
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`)
  let kept = 0
  sink.onKept?.(bytes => {
    kept = bytes
  })
  const write = async (part: string[]) => {
    for (const line of part) if (!sink.write(line)) await once(sink, 'drain')
  }
  await write(lines.slice(0, 1000))
  await until(() => kept > 1000)
  server.signal('SIGSTOP')
  const written = write(lines.slice(1000)).then(() => sink.end())
  await server.kill()
  await server.start()
  await written
  await finished(sink)
  const all = (await server.payloads()).join('').split('\n').slice(0, -1)
  t.same(
    all.map(line => Number(line.slice(5))).sort((a, b) => a - b),
    [...lines.keys()],
  )
  t.equal(kept, lines.join('').length)
  t.ok(figures(sink).retries > 0)
})

t.test('a stream that is full fails the sink, and says what helps (I-02)', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream({ max_bytes: 20_000, discard: DiscardPolicy.New })
  const sink = await open(`${server.url}/in.lines?max-message=1k`)
  for (let i = 0; i < 5000; i++) sink.write(`line ${i}\n`)
  sink.end()
  t.match(await failed(sink), { code: 'ERR_NATS', message: /maximum bytes exceeded.*raise the limits of the stream/ })
  t.notOk(sink.writableFinished)
  const { bytes } = figures(sink)
  t.ok((await server.payloads()).join('').length >= bytes)
})

t.test('a stream that is deleted while it runs fails the sink (I-02)', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const sink = await open(`${server.url}/in.lines`)
  sink.write('one\n')
  await until(() => figures(sink).bytes === 4)
  await server.manager.streams.delete('records')
  sink.write('two\n')
  t.match(await failed(sink), { code: 'ERR_NATS', message: /there is no stream records; make it/ })
})

t.test('a subject that a stream has lost fails the sink (I-02)', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const sink = await open(`${server.url}/in.lines`)
  await server.manager.streams.update('records', { subjects: ['other'] })
  sink.write('two\n')
  t.match(await failed(sink), { code: 'ERR_NATS', message: /stream records does not store the subject; it has other/ })
})

t.test('a message that the stream refuses fails the sink', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream({ max_msg_size: 10 })
  const sink = await open(`${server.url}/in.lines`)
  sink.end('longer than ten bytes\n')
  t.match(await failed(sink), { code: 'ERR_NATS', message: /message size exceeds.*raise max_msg_size/ })
})

t.test('a record that no message can have fails the sink; a shorter one goes alone (I-03)', { skip }, async t => {
  const server = await natsServer(t, { configuration: 'max_payload: 100000\n' })
  await server.stream()
  const sink = await open(`${server.url}/in.lines`)
  const long = `${'x'.repeat(90_000)}\n`
  sink.write(`a\n${long}b\n`)
  await until(() => figures(sink).bytes === long.length + 4)
  t.same(await server.payloads(), ['a\n', long, 'b\n'])
  sink.write(`c\n${'x'.repeat(100_000)}`)
  t.match(await failed(sink), { code: 'ERR_RECORD_TOO_LONG', message: /longer than 98976 bytes.*raise max_payload/ })
  const other = await open(`${server.url}/in.lines?records=u16be`)
  other.end(Buffer.from([0, 1, 120, 0]))
  t.match(await failed(other), { code: 'ERR_INPUT' })
  t.same((await server.payloads()).slice(3), ['c\n', '\0\x01x'], 'what precedes an error is stored')
})

t.test('a user without the right fails, and the error has no secret (I-04)', { skip }, async t => {
  const configuration = `accounts { main { jetstream: enabled, users: [
    { user: admin, password: admin },
    { user: weak, password: weak-secret, permissions: { publish: ["$JS.API.>"] } } ] } }\n`
  const server = await natsServer(t, { configuration, admin: 'admin:admin@' })
  await server.stream()
  const sink = await open(`nats://weak:weak-secret@127.0.0.1:${server.port}/in.lines`)
  sink.write('one\n')
  const error = await failed(sink)
  t.match(error, { code: 'ERR_NATS', message: /\/\/\*\*\*@.*does not permit it.*Publish/ })
  t.notMatch(`${error.stack}`, /weak-secret/)
  const wrong = at(`nats://weak:wrong-secret@127.0.0.1:${server.port}/in.lines`)
  await t.rejects(checkTarget(wrong), { code: 'ERR_NATS', message: /refuses the credentials/ })
  await checkTarget(wrong).catch(each => t.notMatch(`${each.stack}`, /wrong-secret/))
})

t.test('it gives up before the server forgets what it has stored (I-05)', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const way = await gate(t, server.port)
  const sink = await open(`nats://127.0.0.1:${way.port}/in.lines?give-up-after=1s`)
  way.cut()
  sink.write('one\n')
  t.match(await failed(sink), {
    code: 'ERR_NATS',
    message:
      /not be stored within 1s .*; a longer give-up-after= needs a longer duplicate window of stream records, 2m/,
  })
  const short = at(`${server.url}/in.lines?give-up-after=100s`)
  await t.rejects(checkTarget(short), { code: 'ERR_NATS', message: /expected at most 90s, three quarters/ })
})

t.test('a way that is cut is taken again', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const way = await gate(t, server.port)
  const sink = await open(`nats://127.0.0.1:${way.port}/in.lines`)
  way.cut()
  sink.write('one\n')
  await way.refused()
  way.open()
  await finished(sink.end('two\n'))
  t.equal((await server.payloads()).join(''), 'one\ntwo\n')
})

t.test('a clock that jumps: a way that is cut is taken again, and nothing is lost or given up', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const way = await gate(t, server.port)
  const { now } = Date
  for (const [i, jump] of [3_600_000, -3_600_000, -7_200_000].entries()) {
    const sink = await open(`nats://127.0.0.1:${way.port}/in.lines`, { id: `${i}` })
    sink.write(`one ${i}\n`)
    Date.now = () => now() + jump
    t.teardown(() => {
      Date.now = now
    })
    sink.write(`two ${i}\n`)
    const begun = performance.now()
    way.cut()
    sink.write(`three ${i}\n`)
    await way.refused()
    way.open()
    await finished(sink.end(`four ${i}\n`))
    t.ok(performance.now() - begun < 30_000)
    Date.now = now
  }
  const texts = [0, 1, 2].flatMap(i => ['one', 'two', 'three', 'four'].map(text => `${text} ${i}\n`))
  t.equal((await server.payloads()).join(''), texts.join(''))
})

t.test('a sink that is destroyed sends nothing again', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const sink = await open(`${server.url}/in.lines`)
  server.signal('SIGSTOP')
  sink.write('one\n')
  await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
  sink.destroy()
  server.signal('SIGCONT')
  await once(sink, 'close')
  t.equal(sink.errored, null)
  const aborted = new AbortController()
  aborted.abort()
  await t.rejects(open(`${server.url}/in.lines`, {}, aborted.signal), { code: 'ABORT_ERR' })
})

t.test('a connection that the client gives up fails its sinks', { skip }, async t => {
  const configuration = 'authorization { user: a, password: b }\n'
  const server = await natsServer(t, { configuration, admin: 'a:b@' })
  await server.stream()
  const sink = await open(`${server.url}/in.lines`)
  await server.kill()
  const { port } = server
  const liar = createServer(socket => {
    socket.on('error', () => {})
    socket.write(
      'INFO {"server_id":"x","version":"2.9.10","proto":1,"headers":true,"max_payload":1000,"auth_required":true}\r\n',
    )
    socket.once('data', () => socket.end("-ERR 'Authorization Violation'\r\n"))
  }).listen(port, '127.0.0.1')
  t.teardown(() => liar.close())
  t.match(await failed(sink), {
    code: 'ERR_NATS',
    message: /the connection to the server has ended.*refuses the credentials/,
  })
})

t.test('before there is a connection: what is wrong, and how a stream may lose data', { skip }, async t => {
  const server = await natsServer(t)
  await t.rejects(checkTarget(at(`${server.url}/in.lines`)), {
    code: 'ERR_NATS',
    message: /no stream stores the subject/,
  })
  await checkTarget(at(`${server.url}/in.lines?stream=made&create=storage:memory`))
  t.equal((await server.manager.streams.info('made')).config.storage, StorageType.Memory)
  const sink = await open(`${server.url}/in.lines`)
  await finished(sink.end())
  t.match(sink.report?.(), { warning: 'stream made is in memory, and is lost with its servers' })
  await t.rejects(checkTarget(at(`${server.url}/`)), { code: 'ERR_ADDRESS' })
})
