import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import t from 'tap'
import { defineEndpoint, type Leg } from '../../../lib/endpoints/endpoint.js'
import { tcp } from '../../../lib/endpoints/tcp.js'
import { closed, collect, outcome, until } from '../network.js'
import { settled } from '../pipes.js'
import { type Carrier, carriers, isSession, legPair } from './legs.js'

const ways = ['the one that dialled', 'the one that was accepted'] as const

/** The first leg is the one of which the title tells. */
function order({ near, far }: { near: Leg; far: Leg }, way: (typeof ways)[number]): [Leg, Leg] {
  return way === ways[0] ? [near, far] : [far, near]
}

const written = (stream: Duplex, chunk: string | Buffer) =>
  new Promise<Error | null | undefined>(resolve => stream.write(chunk, resolve))

/** What a peer sees of a failure: a unix socket has no reset, and a session tells of it in words. */
function failureOf(carrier: Carrier): { ended: boolean; code: string | undefined } {
  if (carrier === 'unix') return { ended: true, code: undefined }
  return { ended: false, code: isSession(carrier) ? 'ERR_SESSION' : 'ECONNRESET' }
}

t.test('defineEndpoint gives back what it is given', async t => {
  t.equal(defineEndpoint(tcp), tcp)
})

for (const carrier of carriers) {
  for (const way of ways) {
    t.test(`${carrier}: ${way} ends first, and is answered behind its end`, async t => {
      const [one, other] = order(await legPair(t, carrier), way)
      const answer = collect(one.stream)
      one.stream.end('question')
      t.equal(String(await collect(other.stream)), 'question')
      t.ok(other.stream.readableEnded)
      t.notOk(other.stream.writableEnded, 'the other side is open')
      t.notOk(one.stream.readableEnded)
      t.notOk(await written(other.stream, 'ans'))
      other.stream.end('wer')
      t.equal(String(await answer), 'answer')
      await Promise.all([closed(one.stream), closed(other.stream)])
      t.same([one.stream.errored, other.stream.errored], [null, null])
      t.same([one.bytes.in, one.bytes.out], [6, 8])
      t.same([other.bytes.in, other.bytes.out], [8, 6])
    })

    t.test(`${carrier}: all data of ${way} comes before its end`, async t => {
      const [one, other] = order(await legPair(t, carrier), way)
      const data = Buffer.alloc(3_000_000, '0123456789')
      one.stream.end(data)
      t.ok((await collect(other.stream)).equals(data))
      t.equal(other.bytes.in, data.length)
      await until(() => one.bytes.out === data.length) // a session counts what its peer has confirmed
    })

    t.test(`${carrier}: a reset of ${way} is one for its peer`, async t => {
      const [one, other] = order(await legPair(t, carrier), way)
      const [ours, seen] = [outcome(one.stream), outcome(other.stream)]
      const came = once(other.stream, 'data')
      one.stream.write('a part')
      await came
      if (carrier === 'unix') other.stream.once('end', () => other.stream.end())
      one.reset(Object.assign(new Error('ours'), { code: 'OURS' }))
      one.reset(new Error('again'))
      t.match(await ours, { code: 'OURS', ended: false })
      t.match(await seen, failureOf(carrier))
    })

    t.test(`${carrier}: what ${way} has sent waits for a reader who is late`, async t => {
      const [one, other] = order(await legPair(t, carrier), way)
      one.stream.end('early')
      await once(one.stream, 'finish')
      await settled(() => other.bytes.in)
      t.notOk(other.stream.readableEnded)
      t.equal(String(await collect(other.stream)), 'early')
      t.ok(other.stream.readableEnded)
    })

    t.test(`${carrier}: a reader who does not read stops ${way}, who goes on when he reads`, async t => {
      const [one, other] = order(await legPair(t, carrier), way)
      const block = Buffer.alloc(64 * 1024, 'x')
      const blocks = 512
      let sent = 0
      const send = () => {
        while (sent < blocks) {
          sent++
          if (!one.stream.write(block)) return void one.stream.once('drain', send)
        }
        one.stream.end()
      }
      send()
      await settled(() => one.bytes.out + other.bytes.in)
      t.ok(sent < blocks, `${sent} blocks of ${blocks}`)
      const most = isSession(carrier) ? 5 : 2 // a session holds its window
      t.ok(other.stream.readableLength <= most * 1024 * 1024, `${other.stream.readableLength} bytes are held for him`)
      t.equal((await collect(other.stream)).length, blocks * block.length)
      t.equal(sent, blocks)
    })

    t.test(
      `${carrier}: ${way} writes more than all buffers hold before it reads, while its peer does both (H-17)`,
      async t => {
        const [one, other] = order(await legPair(t, carrier), way)
        const data = Buffer.alloc(24 * 1024 * 1024, '0123456789')
        const got = collect(other.stream)
        other.stream.end(data)
        await settled(() => other.bytes.out) // it is stuck: nobody reads
        one.stream.end(data)
        t.ok((await got).equals(data), 'the other direction does not wait for it')
        t.ok((await collect(one.stream)).equals(data))
      },
    )

    t.test(`${carrier}: ${way} is gone, and what is written to it fails`, async t => {
      const [one, other] = order(await legPair(t, carrier), way)
      const failed = outcome(other.stream)
      one.stream.resume().destroy()
      const writing = () => other.stream.destroyed || other.stream.write('more', () => setImmediate(writing))
      writing()
      t.match((await failed).code, /^(EPIPE|ECONNRESET|ERR_UNEXPECTED_EOF|ERR_SESSION)$/)
    })

    t.test(
      `${carrier}: ${way} is destroyed with something to read, which its peer has sent as the last thing`,
      async t => {
        const [one, other] = order(await legPair(t, carrier), way)
        const seen = outcome(other.stream)
        other.stream.end(Buffer.alloc(2_000_000))
        await settled(() => other.bytes.out)
        one.stream.destroy()
        t.match(await seen, { code: /^(EPIPE|ECONNRESET|ERR_SESSION)$/ }, 'nobody takes it for delivered')
      },
    )
  }

  t.test(`${carrier}: what a leg tells of its peer`, async t => {
    const { near, far, to } = await legPair(t, carrier)
    const remote = 'port' in to ? '127.0.0.1' : carrier
    t.same([near.remote, far.remote], [remote, remote])
    t.equal(near.port, 'port' in to ? to.port : undefined)
    t.equal(typeof far.port, 'port' in to ? 'number' : 'undefined')
    t.same(Object.keys(near.facts), [/tls/.test(carrier) && 'tls', isSession(carrier) && 'session'].filter(Boolean))
    near.stream.destroy()
    await closed(near.stream)
    t.equal(near.remote, remote, 'it stays known')
  })
}
