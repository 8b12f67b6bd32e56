import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import t, { type Test } from 'tap'
import { formatAddress, parseAddress } from '../../../lib/endpoints/address.js'
import type { Leg, Sink } from '../../../lib/endpoints/endpoint.js'
import {
  checkOutput,
  checkSink,
  dial,
  loadFor,
  openSource,
  reachSink,
  sinkTo,
  sourceAt,
} from '../../../lib/endpoints/open.js'
import { clientContext } from '../../../lib/endpoints/tls/secure-context.js'
import {
  closed,
  collect,
  endless,
  failOnWarning,
  handles,
  listener,
  outcome,
  portOf,
  received,
  until,
} from '../network.js'
import { identity } from '../tls.js'
import { type Carrier, carriers, connection, dialling, isSession, legPair, listenAt, ownAddress } from './legs.js'

const tls = dialling

/** A sink that sends to a target, the leg of the target, and how the two are called. */
async function targetOf(t: Test, carrier: Carrier): Promise<{ sink: Sink; near: Leg; target: Leg; name: string }> {
  let accept: (leg: Leg | Promise<Leg>) => void
  const accepted = new Promise<Leg>(resolve => {
    accept = resolve
  })
  const { to } = await listenAt(t, ownAddress(t, carrier), arrival => accept(arrival.open() as Leg | Promise<Leg>))
  const [target, sink] = await Promise.all([accepted, sinkTo(to, connection, tls)])
  t.teardown(() => [target.stream, sink].forEach(stream => void stream.destroy()))
  return { sink: sink.on('error', () => {}) as Sink, near: sink.leg as Leg, target, name: formatAddress(to) }
}

const write = (sink: Writable, chunk: string) =>
  new Promise<Error | null | undefined>(resolve => sink.write(chunk, resolve))

t.test('dial: the leg is paused, and what came before it is read is kept', async t => {
  for (const carrier of carriers) {
    const { far, to } = await legPair(t, carrier)
    far.stream.destroy()
    const { near } = await legPair(t, carrier)
    t.equal(near.stream.readableFlowing, null, carrier)
    t.match(carrier, to.scheme)
  }
})

t.test('dial: what cannot be dialled is refused, and the options reach the endpoint', async t => {
  for (const text of ['-', 'file:a'])
    await t.rejects(dial(parseAddress(text)), { code: 'ERR_ADDRESS', message: /cannot be connected to/ })
  const { listener, to } = await listenAt(
    t,
    ownAddress(t, 'tls'),
    ({ open }) => void Promise.resolve(open()).catch(() => {}),
  )
  await t.rejects(dial(to, { tls: clientContext({}), retry: 3 }), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  const leg = await dial(to, { tls: clientContext({ ca: identity.cert }) })
  t.match(leg.facts.tls, { protocol: 'TLSv1.3' })
  leg.stream.destroy()
  void listener.close()
  const told: unknown[] = []
  await t.rejects(dial(to, { ...tls, retry: 1, onRetry: error => void told.push(error) }), { code: 'ECONNREFUSED' })
  t.match(told, [{ code: 'ECONNREFUSED' }])
})

t.test('what can be read and what can be written', async t => {
  for (const text of ['80', 'tls://80', 'unix:a', 'memory:a']) {
    t.throws(() => sourceAt(parseAddress(text)), {
      code: 'ERR_ADDRESS',
      message: /cannot be read; expected nats\[\+tls\]:\/\/host\/subject, file:path or -/,
    })
    t.doesNotThrow(() => checkSink(parseAddress(text)), text)
  }
  for (const text of ['-', 'file:a']) t.doesNotThrow(() => checkSink(parseAddress(text)), text)
  const message = /^'file:\{id\}\{ip\}': '\{ip\}' is not a placeholder/
  t.throws(() => checkSink(parseAddress('file:{id}{ip}')), { code: 'ERR_ADDRESS', message })
  for (const text of ['80', '-', 'file:new-{id}']) await t.resolves(checkOutput(parseAddress(text)), text)
  await t.rejects(checkOutput(parseAddress('file:package.json')), { code: 'ERR_FILE_EXISTS' })
})

t.test('what connections need is loaded beforehand', async t => {
  for (const text of ['80', 'reliable://80', 'file:a']) await t.resolves(loadFor(parseAddress(text)), text)
  await t.resolves(loadFor(undefined))
})

t.test('a server that stores is asked beforehand; of other targets nothing is known', async t => {
  await t.resolves(reachSink(undefined))
  await t.resolves(reachSink(parseAddress('80')))
  const server = await listener(t, () => {})
  const nobody = parseAddress(`nats://127.0.0.1:${portOf(server)}/in.x`)
  await new Promise(resolve => server.close(resolve))
  await t.rejects(reachSink(nobody), { code: 'ERR_NATS', message: /no server can be reached/ })
})

for (const carrier of carriers) {
  t.test(`a sink over ${carrier} finishes when the target has ended, and counts what that one answers`, async t => {
    failOnWarning(t)
    const { sink, target, name } = await targetOf(t, carrier)
    const order: string[] = []
    sink.once('finish', () => order.push('finish'))
    let kept = 0
    sink.onKept?.(bytes => {
      kept = bytes
    })
    target.stream.write('12345')
    sink.write('hello ')
    sink.end('world')
    order.push(await received(target.stream))
    order.push('ended')
    target.stream.end('67')
    await finished(sink)
    t.same(order, ['hello world', 'ended', 'finish'])
    t.equal(kept, isSession(carrier) ? 11 : 0, 'only a session tells what its peer has on its disk')
    t.same(sink.report?.(), { to: name, answered: 7 })
    await closed(target.stream)
  })

  t.test(`a target over ${carrier} that ends before the data does has not taken it (G-35)`, async t => {
    const early = { code: 'ERR_TARGET', message: / ended before the data did, so it cannot confirm/ }
    for (const part of ['sent before', '']) {
      const { sink, near, target, name } = await targetOf(t, carrier)
      if (part) await write(sink, part)
      const failed = finished(sink)
      failed.catch(() => {})
      const over = once(near.stream, 'end')
      target.stream.end()
      await over
      if (!part) sink.end('sent after')
      await t.rejects(failed, early)
      t.match(sink.errored?.message, name)
    }
  })

  t.test(`a target over ${carrier} whose end has come when ours does has not taken the data (G-35)`, async t => {
    const { sink, target } = await targetOf(t, carrier)
    await write(sink, 'a')
    target.stream.end(() => sink.end())
    await t.rejects(finished(sink), { code: 'ERR_TARGET' })
  })

  t.test(`a target over ${carrier} that ends first has taken nothing, if that is all`, async t => {
    const { sink, near, target } = await targetOf(t, carrier)
    const read = collect(target.stream)
    target.stream.end()
    await once(near.stream, 'end')
    sink.end()
    await finished(sink)
    t.equal(String(await read), '')
  })

  t.test(`a target over ${carrier} that resets fails the sink`, async t => {
    const { sink, target } = await targetOf(t, carrier)
    target.stream.once('data', () => target.reset(new Error('no')))
    await t.rejects(pipeline(endless(), sink), { code: /^(ECONNRESET|EPIPE|ERR_TARGET|ERR_SESSION)$/ })
    t.ok(sink.destroyed)
  })

  t.test(`a sink over ${carrier} that is destroyed with an error resets the target, without one it closes`, async t => {
    for (const error of [new Error('ours'), undefined]) {
      const { sink, target } = await targetOf(t, carrier)
      const came = once(target.stream, 'data')
      const seen = outcome(target.stream)
      await write(sink, 'x')
      await came
      sink.destroy(error)
      target.stream.once('end', () => target.stream.end())
      await closed(sink)
      const { code, ended } = await seen
      if (isSession(carrier)) t.equal(code, 'ERR_SESSION')
      else if (carrier === 'unix' || (!error && carrier !== 'tls')) t.same([code, ended], [undefined, true])
      else t.match(code, error ? 'ECONNRESET' : 'ERR_UNEXPECTED_EOF')
    }
  })
}

t.test('a target whose reset comes together with its answer', async t => {
  const { sink, target } = await targetOf(t, 'tcp')
  target.stream.once('data', () => target.stream.write('x', () => target.reset(new Error('no'))))
  sink.write('request')
  await t.rejects(finished(sink), { code: 'ECONNRESET' })
})

t.test('a target that has ended and then resets has not taken what it was sent', async t => {
  const { sink, near, target } = await targetOf(t, 'memory')
  target.stream.end()
  await once(near.stream, 'end')
  t.match(await write(sink, 'a part'), { code: 'ERR_TARGET' })
  target.reset(new Error('no'))
  t.match(sink.errored, { code: 'ERR_TARGET' })
})

t.test('a target that is closed without an end is told by its address', async t => {
  const { sink, near, name } = await targetOf(t, 'memory')
  near.stream.destroy()
  await t.rejects(finished(sink), { code: 'ERR_TARGET', message: `${name} closed the connection` })
})

t.test('a sink that no address has dialled has no leg', async t => {
  const path = `${t.testdir({})}/{id}`
  await t.rejects(sinkTo({ scheme: 'file', path }, connection, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  const sink = await sinkTo({ scheme: 'file', path }, connection, {})
  t.equal(sink.leg, undefined)
  sink.end('x')
  await finished(sink)
  t.match(sink.report?.(), { file: path.replace('{id}', 'abc'), bytes: 1 })
  await until(() => !('TCPSocketWrap' in handles()))
})

t.test('a source is data, or what is read at an address', async t => {
  const path = `${t.testdir({ f: 'of the file' })}/f`
  t.equal(String(await collect(openSource({ scheme: 'file', path }))), 'of the file')
  t.equal(String(await collect(openSource(Buffer.from('data')))), 'data')
  t.throws(() => openSource(parseAddress('80')), { code: 'ERR_ADDRESS', message: /cannot be read/ })
})

t.test('an end in which the leg has failed is no end: the failure counts', async t => {
  const { sink, near, target } = await targetOf(t, 'memory')
  near.stream.prependOnceListener('end', () => void near.stream.destroy(new Error('failed')))
  const failed = once(sink, 'error')
  target.stream.resume().end()
  t.match(await failed, [{ message: 'failed' }])
})
