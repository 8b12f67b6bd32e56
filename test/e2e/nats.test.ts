import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import t from 'tap'
import { parseAddress } from '../../lib/endpoints/address.js'
import type { NatsAddress } from '../../lib/endpoints/nats/address.js'
import { natsSource } from '../../lib/endpoints/nats/source.js'
import { serve as open } from '../../lib/serve.js'
import { type NatsServer, natsServer, noServer } from '../lib/endpoints/nats/server.js'
import { bounded, closed, dial, serve, tcpPipe } from './support.js'

const skip = noServer

/** Reads all that a stream has, and acknowledges it. */
async function drained(server: NatsServer): Promise<string> {
  const source = natsSource(
    parseAddress(`${server.url}/in.lines?durable=reader&until=empty&max-pending=100000`) as NatsAddress,
  )
  const chunks: Buffer[] = []
  source.on('data', chunk => chunks.push(chunk))
  await once(source, 'end')
  const all = Buffer.concat(chunks)
  source.acks?.kept(all.length)
  await source.acks?.settled()
  return String(all)
}

t.test('100,000 lines of several clients arrive once, those of each client in order', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const ingest = await open({ port: 0, to: `${server.url}/in.lines` })
  t.teardown(() => ingest.close())
  const clients = Array.from({ length: 5 }, async (_, client) => {
    const socket = await dial(t, ingest.address.port)
    const ended = once(socket.resume(), 'end')
    for (let i = 0; i < 20_000; i++)
      if (!socket.write(`${client} ${i}\n`)) await bounded(once(socket, 'drain'), 'room', 60_000)
    socket.end()
    await bounded(ended, 'the answer to the end', 60_000)
  })
  await Promise.all(clients)
  const lines = (await drained(server)).split('\n').slice(0, -1)
  t.equal(lines.length, 100_000)
  for (let client = 0; client < 5; client++) {
    const own = lines.filter(line => line.startsWith(`${client} `)).map(line => Number(line.slice(2)))
    t.ok(
      own.every((number, i) => number === i),
      `client ${client}`,
    )
  }
})

t.test('serve --to nats: what the client has sent is stored when its end is answered', { skip }, async t => {
  const server = await natsServer(t, {
    configuration: 'authorization { user: me, password: s3cret }\n',
    admin: 'me:s3cret@',
  })
  const to = `nats://127.0.0.1:${server.port}/in.lines?stream=S&create=true`
  const env = { NATS_USER: 'me', NATS_PASSWORD: 's3cret' }
  const ingest = await serve(t, ['127.0.0.1:0', '-t', 'json', '--to', to], { env })
  t.match(ingest.logs[0], { msg: 'listening', to: `nats://***@127.0.0.1:${server.port}/in.lines?stream=S&create=true` })
  const socket = await dial(t, ingest.port)
  const ended = once(socket.resume(), 'end')
  socket.end('{"a": 1}\n{"b": 2}')
  await bounded(ended, 'the answer to the end')
  t.equal((await server.payloads('S')).join(''), '{"a":1}\n{"b":2}\n')
  const { sink } = await ingest.logged('connection closed')
  t.match(sink, { stream: 'S', bytes: 16, retries: 0 })
  ingest.kill('SIGTERM')
  const { code, stderr } = await ingest.ended
  t.equal(code, 0)
  t.notMatch(stderr, /s3cret/)
})

t.test('a client whose records cannot be stored is reset (I-02)', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream({ max_bytes: 10_000, discard: 'new' as never })
  const faults = [/maximum bytes exceeded/]
  const ingest = await serve(t, ['127.0.0.1:0', '--once', '--to', `${server.url}/in.lines`], { faults })
  const socket = await dial(t, ingest.port)
  socket.end('line\n'.repeat(10_000))
  await closed(socket.resume())
  t.match(socket.failed, { code: 'ECONNRESET' })
  t.equal((await ingest.ended).code, 1)
})

t.test(
  'a server that cannot be reached, or a stream that is missing, is an error before there is a client (I-07)',
  { skip },
  async t => {
    const server = await natsServer(t)
    const fails = async (to: string, code: number, fault: RegExp) => {
      const run = tcpPipe(t, ['serve', '127.0.0.1:0', '--to', to], { faults: [fault] })
      t.equal((await run.ended).code, code, to)
    }
    await fails(`${server.url}/in.lines`, 1, /no stream stores the subject; make one/)
    await fails('nats://me:s3cret@127.0.0.1:1/in', 1, /nats:\/\/\*\*\*@127.0.0.1:1\/in: no server can be reached/)
    await fails('nats://me:s3cret@127.0.0.1:1/in.*', 2, /its subject has a wildcard/)
    await fails('nats://me:s3cret@127.0.0.1:1/in?steam=x', 2, /did you mean 'stream'/)
    await fails('file:x', 2, /--to: 'file:x' cannot be sent to; expected .*nats/)
  },
)

t.test('a process ends when its last client has gone: nothing keeps it', { skip }, async t => {
  const server = await natsServer(t)
  await server.stream()
  const ingest = await serve(t, ['127.0.0.1:0', '--once', '--to', `${server.url}/in.lines`])
  const socket = await dial(t, ingest.port)
  socket.end('one\n')
  await finished(socket.resume())
  t.equal((await ingest.ended).code, 0)
})
