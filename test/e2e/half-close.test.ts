import type { Socket } from 'node:net'
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

/** Takes the end of a client for its departure, as some servers do; otherwise it sends all of it. */
function impatient(all: Buffer): (socket: Socket) => void {
  return async socket => {
    let left = false
    socket.resume().once('end', () => {
      left = true
      socket.end()
    })
    for (let from = 0; from < all.length && !left; from += 1000) {
      socket.write(all.subarray(from, from + 1000))
      await delay(5)
    }
    if (!left) socket.end()
  }
}

t.test('--on-eof keep: a server that takes our end for a departure sends all of its reply (G-34)', async t => {
  const all = pattern(20_000)
  const target = await listen(t, impatient(all))
  const { code, stdout, logs } = await run(t, ['send', '--to', target.to, '--on-eof', 'keep'], { input: 'request' })
  t.equal(code, 0)
  t.ok(stdout.equals(all))
  t.match(logs.at(-1), { closedBy: 'peer', bytesOut: 7 })
  const cut = await run(t, ['send', '--to', target.to], { input: 'request' })
  t.equal(cut.code, 0, 'without it the reply is cut, and nothing can tell')
  t.ok(cut.stdout.length < all.length)
})

t.test('--receive-only: sends nothing, reads no input and ends after the peer (G-33)', async t => {
  const all = pattern(20_000)
  const target = await listen(t, impatient(all))
  for (const input of ['unread', null]) {
    const { code, stdout, logs } = await run(t, ['send', '--to', target.to, '--receive-only'], { input })
    t.equal(code, 0)
    t.ok(stdout.equals(all), `${stdout.length} bytes`)
    t.match(logs.at(-1), { closedBy: 'peer', bytesOut: 0 })
  }
})

t.test('--receive-only: --wait limits it', async t => {
  const target = await listen(t, socket => void socket.write('x'))
  const args = ['send', '--to', target.to, '--receive-only', '--wait', '200ms']
  const { code, stdout } = await run(t, args, { faults: ['the peer did not end within 200ms'] })
  t.equal(code, 1)
  t.equal(String(stdout), 'x')
})

t.test('--on-peer-end stop: ends with the peer although the input is open (G-33)', async t => {
  const target = await listen(t, socket => void socket.resume().end('12:00'))
  for (const stages of [[], ['-t', 'exec cat']]) {
    const args = ['send', '--to', target.to, '--on-peer-end', 'stop', ...stages]
    const { code, stdout, logs } = await run(t, args, { input: null })
    t.equal(code, 0)
    t.equal(String(stdout), '12:00')
    t.match(logs.at(-1), { closedBy: 'peer' })
  }
})
