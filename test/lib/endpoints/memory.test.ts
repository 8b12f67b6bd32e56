import { once } from 'node:events'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { type Address, endpointFor, parseAddress } from '../../../lib/endpoints/address.js'
import type { Arrival, DialOptions, Leg } from '../../../lib/endpoints/endpoint.js'
import { memory, memoryPair } from '../../../lib/endpoints/memory.js'
import { proxy } from '../../../lib/proxy.js'
import { send } from '../../../lib/send.js'
import { serve } from '../../../lib/serve.js'
import type { ListenOptions } from '../../../lib/server/listen-options.js'
import fc from '../../fast-check.js'
import { noise } from '../../laws/support.js'
import { clientOf, closed, collect, failOnWarning, handles, memorySink, outcome, received } from '../network.js'
import { cutAt, cuts, settled } from '../pipes.js'
import { legPair, listenAt, ownAddress } from './legs.js'

const failure = () => Object.assign(new Error('ours'), { code: 'OURS' })

function pair(t: Test): [Leg, Leg] {
  const legs = memoryPair()
  t.teardown(() => legs.forEach(({ stream }) => void stream.destroy()))
  return legs
}

/** An echo server on an address of its own, and the address. */
async function echo(t: Test, options: ListenOptions = {}) {
  const address = ownAddress(t, 'memory')
  const server = await serve({ listen: address, reply: true, ...options })
  t.teardown(() => server.close({ drain: 0 }))
  return { server, address }
}

const from = (...chunks: (string | Buffer)[]) => Readable.from(chunks.map(chunk => Buffer.from(chunk)))

const write = (leg: Leg, chunk: string | Buffer) =>
  new Promise<Error | null | undefined>(resolve => leg.stream.write(chunk, resolve))

const dial = (address: Address, options: DialOptions = {}) => endpointFor('dial', address).dial(address, options)

t.test('its addresses have a name', async t => {
  t.same(parseAddress('memory:a:b'), { scheme: 'memory', name: 'a:b' })
  t.equal(memory.format({ scheme: 'memory', name: 'a:b' }), 'memory:a:b')
  t.throws(() => memory.parse('memory:'), { code: 'ERR_ADDRESS', message: 'its name is empty' })
  t.throws(() => memory.complete({ scheme: 'memory', name: '' }), { code: 'ERR_ADDRESS' })
})

t.test('a name that is listened on is taken until the listener is closed', async t => {
  const address = ownAddress(t, 'memory')
  const { listener } = await listenAt(t, address, () => {})
  t.match(listener.bound, { address: /^test/, family: 'memory', port: 0 })
  await t.rejects(
    listenAt(t, address, () => {}),
    { code: 'EADDRINUSE', syscall: 'listen', message: /memory:test/ },
  )
  await listener.close()
  await listener.close()
  await t.rejects(dial(address), { code: 'ECONNREFUSED', syscall: 'connect', message: /memory:test/ })
  const again = await listenAt(t, address, ({ open }) => void (open() as Leg).stream.end('again'))
  await listener.close()
  t.equal(await received((await dial(address)).stream), 'again', 'the first one has no more to do with the name')
  const closing = again.listener.close()
  await t.rejects(dial(address), { code: 'ECONNREFUSED' })
  t.equal(await Promise.race([closing.then(() => 'closed'), settled(() => 0).then(() => 'waits')]), 'waits')
})

t.test('a listener is closed when the legs that it has accepted are', async t => {
  const { listener, near, far } = await legPair(t, 'memory')
  const order: string[] = []
  const closing = listener.close().then(() => order.push('listener'))
  far.stream.once('close', () => order.push('leg'))
  near.stream.end()
  far.stream.resume().end()
  near.stream.resume()
  await closing
  t.same(order, ['leg', 'listener'])
})

t.test('whoever has dialled when the listener is closed is reset, and does not arrive', async t => {
  const address = ownAddress(t, 'memory')
  const arrivals: Arrival[] = []
  const { listener } = await listenAt(t, address, arrival => arrivals.push(arrival))
  const leg = await dial(address)
  await listener.close()
  t.match(await outcome(leg.stream), { ended: false, code: 'ECONNRESET' })
  t.same(arrivals, [])
})

t.test('a client that is refused is reset, and nobody has to listen for the error', async t => {
  const address = ownAddress(t, 'memory')
  await listenAt(t, address, ({ refuse }) => refuse(failure()))
  t.match(await outcome((await dial(address)).stream), { ended: false, code: 'ECONNRESET', data: Buffer.alloc(0) })
})

t.test('an aborted dial rejects as one of a socket, and so do its further attempts', async t => {
  const address = ownAddress(t, 'memory')
  const controller = new AbortController()
  const onRetry = () => controller.abort(new Error('enough'))
  const dialled = dial(address, { retry: 3, signal: controller.signal, onRetry })
  await t.rejects(dialled, { name: 'AbortError' })
  const late = dial(address, { signal: controller.signal })
  await t.rejects(late, { name: 'AbortError', code: 'ABORT_ERR', cause: { message: 'enough' } })
})

t.test('a name that is listened on later is reached by a further attempt', async t => {
  const address = ownAddress(t, 'memory')
  const codes: (string | undefined)[] = []
  const onRetry = (error: unknown) => {
    codes.push((error as NodeJS.ErrnoException).code)
    void listenAt(t, address, ({ open }) => void (open() as Leg).stream.end('hello'))
  }
  const leg = await dial(address, { retry: 1, onRetry })
  t.equal(await received(leg.stream), 'hello')
  t.same(codes, ['ECONNREFUSED'])
})

t.test('a reset in each direction: the peer sees ECONNRESET, and what it writes then fails', async t => {
  for (const side of [0, 1] as const) {
    const legs = pair(t)
    const [one, other] = [legs[side], legs[1 - side]] as [Leg, Leg]
    const seen = [outcome(one.stream), outcome(other.stream)]
    one.reset(failure())
    t.match(await Promise.all(seen), [
      { ended: false, code: 'OURS' },
      { ended: false, code: 'ECONNRESET' },
    ])
    t.match(await write(other, 'x'), { code: 'ERR_STREAM_DESTROYED' })
  }
})

t.test('what was written before a reset was known fails with it', async t => {
  const [one, other] = pair(t)
  const failed = outcome(other.stream)
  const writing = write(other, 'x')
  one.reset(failure())
  t.match(await writing, { code: 'ECONNRESET', syscall: 'write' })
  t.match(await failed, { code: 'ECONNRESET' })
  t.equal(other.bytes.out, 0, 'nobody has taken it')
})

t.test('destroyed without an error it is an end, and what is written to it fails with EPIPE', async t => {
  const [one, other] = pair(t)
  one.stream.write('the last')
  one.stream.destroy()
  t.equal(await received(other.stream), 'the last')
  t.equal(other.stream.errored, null)
  t.match(await write(other, 'x'), { code: 'EPIPE', syscall: 'write' })
  t.equal(other.bytes.out, 0)
})

t.test('two that have ended in both directions are closed, and none has failed', async t => {
  const legs = pair(t)
  for (const { stream } of legs) stream.resume().end()
  await Promise.all(legs.map(({ stream }) => closed(stream)))
  t.same(
    legs.map(({ stream }) => stream.errored),
    [null, null],
  )
})

t.test('one that is destroyed twice, or both of them at once, fails with nothing', async t => {
  const legs = pair(t)
  for (const { stream } of legs) stream.destroy()
  await Promise.all(legs.map(({ stream }) => closed(stream)))
  legs[0].reset(failure())
  await settled(() => 0)
  t.same(
    legs.map(({ stream }) => stream.errored),
    [null, null],
  )
})

t.test('an end behind a reader who is gone, and one that comes twice', async t => {
  const [one, other] = pair(t)
  other.stream.end()
  await once(other.stream, 'finish')
  other.stream.destroy()
  t.equal(await received(one.stream), '')
  one.stream.end()
  await closed(one.stream)
  t.equal(one.stream.errored, null)
})

t.test('10,000 messages there and back do not fill the stack', async t => {
  const [one, other] = pair(t)
  const messages = 10_000
  let count = 0
  other.stream.on('data', chunk => void other.stream.write(chunk))
  one.stream.on('data', chunk => {
    count += chunk.length
    if (count < messages) one.stream.write('x')
    else one.stream.end()
  })
  other.stream.once('end', () => other.stream.end())
  one.stream.write('x')
  await closed(one.stream)
  t.equal(count, messages)
  t.same(
    [one.bytes, other.bytes],
    [
      { in: messages, out: messages },
      { in: messages, out: messages },
    ],
  )
})

t.test('10,000 messages whose answers are written while they are read', async t => {
  const [one, other] = pair(t)
  const answers = collect(one.stream)
  void (async () => {
    for await (const chunk of other.stream.iterator({ destroyOnReturn: false })) other.stream.write(chunk)
    other.stream.end()
  })()
  for (let i = 0; i < 10_000; i++) one.stream.write('x')
  one.stream.end()
  t.equal((await answers).length, 10_000)
})

t.test('a reader who does not read stops the writer; no more than two blocks are held for him', async t => {
  const [one, other] = pair(t)
  const block = Buffer.alloc(4096)
  let written = 0
  const source = new Readable({
    read() {
      written += block.length
      this.push(written > 100_000_000 ? null : block)
    },
  })
  source.pipe(one.stream)
  const held = await settled(() => written)
  t.ok(held < 4 * other.stream.readableHighWaterMark, `${held} bytes`)
  t.equal(one.bytes.out, other.bytes.in)
  let read = 0
  other.stream.on('data', chunk => {
    read += chunk.length
  })
  await once(other.stream, 'end')
  t.ok(read >= 100_000_000 - block.length)
  t.equal(read, other.bytes.in)
})

t.test('the buffer of a writer is its own again when it has been taken', async t => {
  const [one, other] = pair(t)
  const buffer = Buffer.from('first ')
  await write(one, buffer)
  buffer.fill('later ')
  await write(one, buffer)
  buffer.fill('never ')
  one.stream.end()
  t.equal(await received(other.stream), 'first later ')
})

t.test('any data, cut in any way, is the same on the other side, both ways at once', async t => {
  const data = fc.tuple(fc.nat(200_000), cuts, cuts, fc.nat(1000))
  const property = fc.asyncProperty(data, async ([size, there, back, seed]) => {
    const [one, other] = memoryPair()
    const [sent, answered] = [noise(size, seed), noise(size, seed + 1)]
    const read = [collect(one.stream), collect(other.stream)] as const
    for (const chunk of cutAt(there, sent)) one.stream.write(chunk)
    for (const chunk of cutAt(back, answered)) other.stream.write(chunk)
    one.stream.end()
    other.stream.end()
    const [nearData, farData] = await Promise.all(read)
    await Promise.all([closed(one.stream), closed(other.stream)])
    const isCounted = [one.bytes.in, one.bytes.out, other.bytes.in, other.bytes.out].every(count => count === size)
    return nearData.equals(answered) && farData.equals(sent) && isCounted
  })
  await t.resolves(fc.assert(property, { numRuns: 50 }))
})

t.test('serve and send over it: the reply, the figures, and no handle', async t => {
  failOnWarning(t)
  const before = handles()
  const { server, address } = await echo(t)
  const output = memorySink()
  const data = noise(1_000_000)
  const summary = await send({ to: address, from: from(data), output })
  t.ok(output.data.equals(data))
  t.match(summary, {
    remote: 'memory',
    port: undefined,
    bytesIn: data.length,
    bytesOut: data.length,
    closedBy: 'local',
  })
  t.same(handles(), before)
  await server.close()
  t.match(server.stats(), { accepted: 1, failed: 0, bytesIn: data.length, bytesOut: data.length, connections: [] })
})

t.test('serve: once, and close waits for those that are there', async t => {
  const { server, address } = await echo(t, { once: true })
  const leg = await dial(address)
  leg.stream.write('hello')
  t.equal(String((await once(leg.stream, 'data'))[0]), 'hello')
  await t.rejects(dial(address), { code: 'ECONNREFUSED' })
  let isClosed = false
  const closing = server.close().then(cut => {
    isClosed = true
    return cut
  })
  await settled(() => 0)
  t.notOk(isClosed)
  leg.stream.resume().end()
  t.equal(await closing, 0)
  await server.closed
})

t.test('serve: one too many is reset, a failure too, and the server lives', async t => {
  const { server, address } = await echo(t, { maxConnections: 1 })
  const first = await dial(address)
  first.stream.write('x')
  await once(first.stream, 'data')
  t.match(await outcome((await dial(address)).stream), { code: 'ECONNRESET' })
  first.reset(failure())
  await server.close()
  t.match(server.stats(), { accepted: 1, failed: 1, closed: { reset: 1 }, refused: { maxConnections: 1 } })
})

t.test('serve: a client that writes too much', async t => {
  const { server, address } = await echo(t, { maxBytes: 10 })
  const seen = await send({ to: address, from: from('0123456789', '+'), output: memorySink() }).catch(error => error)
  t.match(seen, { code: /^(ECONNRESET|EPIPE)$/, summary: { closedBy: 'reset' } })
  await server.close()
  t.match(server.stats().closed, { limit: 1 })
})

t.test('proxy: from one name to another, and from a name to a port', async t => {
  const { address } = await echo(t)
  const listen = ownAddress(t, 'memory')
  const inner = await proxy({ listen, to: address })
  t.teardown(() => inner.close({ drain: 0 }))
  const outer = await proxy({ port: 0, to: listen })
  t.teardown(() => outer.close({ drain: 0 }))
  const client = clientOf(t, outer.address)
  client.end('through all of them')
  t.equal(await received(client), 'through all of them')
  await outer.close()
  await inner.close()
  t.match(inner.stats(), { accepted: 1, failed: 0, bytesIn: 19, bytesOut: 19 })
})

t.test('proxy: a target that nobody listens on resets the client, and its own name is refused', async t => {
  const listen = ownAddress(t, 'memory')
  await t.rejects(proxy({ listen, to: listen }), { code: 'ERR_ADDRESS', message: /own address/ })
  const link = await proxy({ listen, to: ownAddress(t, 'memory') })
  t.teardown(() => link.close({ drain: 0 }))
  t.match(await outcome((await dial(listen)).stream), { ended: false, code: 'ECONNRESET' })
  await link.disable()
  await t.rejects(dial(listen), { code: 'ECONNREFUSED' })
  await link.enable()
  t.match(await outcome((await dial(listen)).stream), { code: 'ECONNRESET' })
})
