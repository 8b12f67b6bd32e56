/** The signal of a user: aborted before, during and after whatever it was given to. */
import { getEventListeners } from 'node:events'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { proxy, type Summary, send, serve } from '../../lib/index.js'
import { failOnWarning, memorySink } from '../lib/network.js'
import { bounded, closed, dial, exchange, listen, tcpPipe } from './support.js'

/** A server that gives back what it gets, and the sockets that it has. */
async function echo(t: Test) {
  const sockets: Socket[] = []
  const { to } = await listen(t, socket => void sockets.push(socket.pipe(socket)))
  return { to, sockets }
}

const silent = () => new Readable({ read() {} })

t.test('before: nothing is dialled or bound (A-15)', async t => {
  failOnWarning(t)
  const { to, sockets } = await echo(t)
  const signal = AbortSignal.abort(new Error('enough'))
  const from = silent()
  const aborted = { name: 'AbortError', cause: { message: 'enough' } }
  await t.rejects(send({ to, from, signal, output: memorySink() }), aborted)
  t.ok(from.destroyed)
  await t.rejects(serve({ port: 0, reply: true, signal }), aborted)
  await t.rejects(proxy({ port: 0, to, signal }), aborted)
  t.equal(sockets.length, 0)
  t.equal(getEventListeners(signal, 'abort').length, 0)
})

t.test('during: send rejects, its peer is reset (A-15)', async t => {
  failOnWarning(t)
  const { to, sockets } = await echo(t)
  const controller = new AbortController()
  const { signal } = controller
  let connected = 0
  const all = Array.from({ length: 20 }, () => {
    const from = silent()
    const onConnect = () => void (++connected === 20 && controller.abort())
    const sent = send({ to, from, signal, output: memorySink(), onConnect })
    return t.rejects(sent, { name: 'AbortError', summary: { closedBy: 'signal' } }).then(() => t.ok(from.destroyed))
  })
  await bounded(Promise.all(all), 'the abort')
  await bounded(Promise.all(sockets.map(closed)), 'the resets')
  t.equal(getEventListeners(signal, 'abort').length, 0)
})

t.test('during the handshake: send rejects with an AbortError, the program dies of its signal (G-20)', async t => {
  failOnWarning(t)
  let came = (_: Socket) => {}
  const arrival = () =>
    new Promise<Socket>(resolve => {
      came = resolve
    })
  const { to } = await listen(t, socket => void socket.once('readable', () => came(socket))) // the ClientHello
  const controller = new AbortController()
  const first = arrival()
  const sent = send({ to: `tls://${to}`, from: silent(), signal: controller.signal, output: memorySink() })
  const rejected = t.rejects(sent, { name: 'AbortError', cause: { name: 'AbortError' } })
  const socket = await bounded(first, 'the handshake')
  controller.abort()
  await rejected
  await bounded(closed(socket), 'the reset')

  const second = arrival()
  const program = tcpPipe(t, ['send', '--to', `tls://${to}`], { input: null, faults: ['interrupted'] })
  await bounded(second, 'the handshake')
  program.kill('SIGINT')
  t.equal((await program.ended).signal, 'SIGINT')
})

for (const [title, open] of [
  ['serve', ({ signal, onConnection }) => serve({ port: 0, reply: true, signal, onConnection })],
  ['proxy', ({ to, signal, onConnection }) => proxy({ port: 0, to, signal, onConnection })],
] as [string, (options: Options) => ReturnType<typeof serve>][]) {
  t.test(`during: ${title} closes, all its connections are reset (A-15)`, async t => {
    failOnWarning(t)
    const { to, sockets } = await echo(t)
    const controller = new AbortController()
    const { signal } = controller
    const summaries: Promise<Summary>[] = []
    const server = await open({ to, signal, onConnection: ({ closed }) => summaries.push(closed) })
    const { port } = server.address
    const clients = await Promise.all(Array.from({ length: 20 }, () => dial(t, port)))
    for (const client of clients) {
      client.write('x')
      await new Promise(resolve => client.once('data', resolve))
    }
    controller.abort(new Error('enough'))
    await t.rejects(server.closed, { name: 'AbortError', cause: { message: 'enough' } })
    for (const client of clients) {
      await bounded(closed(client), 'the reset')
      t.match(client.failed, { code: 'ECONNRESET' })
    }
    await bounded(Promise.all(sockets.map(closed)), 'the resets of the other side')
    for (const summary of await Promise.all(summaries))
      t.match(summary, { closedBy: 'signal', error: { name: 'AbortError' } })
    t.equal(getEventListeners(signal, 'abort').length, 0)
    await t.rejects(dial(t, port), { code: 'ECONNREFUSED' })
  })
}

t.test('after: nothing listens to it any more, and nothing happens (A-15)', async t => {
  failOnWarning(t)
  const { to } = await echo(t)
  const controller = new AbortController()
  const { signal } = controller
  for (let i = 0; i < 20; i++) {
    const from = Readable.from([Buffer.from('x')])
    t.match(await send({ to, from, signal, output: memorySink() }), { bytesIn: 1, error: undefined })
  }
  const server = await serve({ port: 0, reply: true, signal })
  const link = await proxy({ port: 0, to, signal })
  for (let i = 0; i < 20; i++) {
    t.equal(String(await exchange(t, server.address.port, 'a')), 'a')
    t.equal(String(await exchange(t, link.address.port, 'b')), 'b')
  }
  await Promise.all([server.close(), link.close()])
  t.equal(getEventListeners(signal, 'abort').length, 0)
  controller.abort()
  await server.closed
  await link.closed
})

interface Options {
  to: string
  signal: AbortSignal
  onConnection: (connection: { closed: Promise<Summary> }) => void
}
