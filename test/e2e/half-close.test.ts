import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { serve as serveInLibrary } from '../../lib/index.js'
import { dial, exchange, listen, pattern, run, serve } from './support.js'

const size = 1_000_007

t.test('every byte comes back through a slow stage to a client that has ended its side (A-01)', async t => {
  await using server = await serveInLibrary({
    port: 0,
    reply: true,
    transforms: () => [
      async (chunk: Buffer) => {
        await delay(5)
        return chunk
      },
    ],
  })
  const sent = pattern(size)
  const back = await exchange(t, server.address.port, sent)
  t.equal(back.length, size)
  t.ok(back.equals(sent))
})

t.test('the same with a trailer that a stage adds at its end, and through a slow generator (A-01)', async t => {
  await using server = await serveInLibrary({
    port: 0,
    reply: true,
    transforms: () => [
      async function* (chunk: Buffer) {
        await delay(2)
        yield chunk.subarray(0, 1000)
        await delay(2)
        yield chunk.subarray(1000)
      },
      {
        write: (chunk: Buffer) => chunk,
        flush: async () => {
          await delay(50)
          return Buffer.from('trailer')
        },
      },
    ],
  })
  const sent = pattern(size)
  const back = await exchange(t, server.address.port, sent)
  t.ok(back.equals(Buffer.concat([sent, Buffer.from('trailer')])), `${back.length} bytes`)
})

t.test('the same through the command line: 1 MB there and back, slowed down (A-01)', async t => {
  const server = await serve(t, ['0', '--reply', '-t', 'throttle 2MiB'])
  const sent = pattern(size)
  const { code, stdout } = await run(t, ['send', '--to', server.to], { input: sent })
  t.equal(code, 0)
  t.ok(stdout.equals(sent), `${stdout.length} bytes`)
})

t.test('a server that ends first still takes everything that the client sends (A-02)', async t => {
  const server = await serve(t, ['0', '--from', '/dev/null', '--once'])
  const socket = await dial(t, server.port)
  const sent = pattern(10_000_000)
  socket.resume()
  await new Promise(resolve => socket.once('end', resolve))
  socket.end(sent)
  const { code, stdout } = await server.ended
  t.equal(code, 0)
  t.ok(stdout.equals(sent), `${stdout.length} bytes`)
  t.match(await server.logged('connection closed'), { bytesIn: sent.length, bytesOut: 0, closedBy: 'local' })
})

t.test('a server that ends first does not keep send from sending the rest of a pipe', async t => {
  const server = await serve(t, ['0', '--from', '/dev/null', '--once'])
  const client = run(t, ['send', '--to', server.to], { input: pattern(3_000_000) })
  t.equal((await server.ended).stdout.length, 3_000_000)
  t.equal((await client).code, 0)
})

t.test('a peer that takes 5 s to answer: send waits for it, unless --wait is shorter (C-08)', async t => {
  const target = await listen(t, socket => {
    socket.resume().on('end', () => setTimeout(() => socket.end('late'), 5000))
  })
  const bound = 'wait timeout: the peer did not end within 1s'
  const [patient, bounded, impatient] = await Promise.all([
    run(t, ['send', '--to', target.to], { input: 'question' }),
    run(t, ['send', '--to', target.to, '--wait', '60s'], { input: 'question' }),
    run(t, ['send', '--to', target.to, '--wait', '1s'], { input: 'question', faults: [bound] }),
  ])
  for (const { code, stdout, logs } of [patient, bounded]) {
    t.equal(code, 0)
    t.equal(String(stdout), 'late')
    t.ok((logs.at(-1)?.duration as number) >= 4900)
  }
  t.equal(impatient.code, 1)
  t.match(impatient.logs.at(-1), { closedBy: 'timeout' })
  t.ok((impatient.logs.at(-1)?.duration as number) < 5000)
})
