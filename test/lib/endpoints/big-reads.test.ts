import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { lendReads } from '../../../lib/endpoints/big-reads.js'
import { blockSize } from '../../../lib/endpoints/blocks.js'
import { socketLeg } from '../../../lib/endpoints/socket.js'
import { collect, memorySink, outcome, socketPair, unixPair, until } from '../network.js'
import { turns } from '../stats/stopped-clock.js'
import { legPair } from './legs.js'

const MiB = 1024 * 1024

/** Data whose every place is different, so that nothing can be lost, repeated or overwritten without notice. */
const data = randomBytes(24 * MiB)

/** A sink that checks that what it was given is unchanged as long as it has it. `wait` decides when it is written. */
function checkingSink(t: Test, wait: () => Promise<unknown> | undefined) {
  const hash = createHash('sha256')
  let changed = 0
  let largest = 0
  const sink = new Writable({
    highWaterMark: MiB,
    write(chunk: Buffer, _encoding, callback) {
      largest = Math.max(largest, chunk.length)
      const before = Buffer.from(chunk)
      const done = () => {
        if (!before.equals(chunk)) changed++
        hash.update(before)
        callback()
      }
      const waiting = wait()
      if (waiting) void waiting.then(done)
      else done()
    },
  })
  return Object.assign(sink, {
    verify: (sent = data) => {
      t.equal(changed, 0, 'nothing is overwritten while the sink has it')
      t.equal(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'))
    },
    largest: () => largest,
  })
}

/** Sends the data in pieces of random sizes. */
async function send(socket: Socket, bytes = data): Promise<void> {
  let seed = 7
  const random = (most: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31
    return 1 + (seed % most)
  }
  for (let at = 0; at < bytes.length; ) {
    const piece = bytes.subarray(at, at + random(random(3) === 1 ? 100 : 2 * MiB))
    at += piece.length
    if (!socket.write(piece)) await once(socket, 'drain')
    if (random(4) === 1) await setImmediate()
  }
  socket.end()
}

/** Of Node's sockets. */
function handleOf(socket: Socket): object {
  return (socket as unknown as { _handle: object })._handle
}

function lent(socket: Socket, sink: Writable): void {
  lendReads(socket, sink)
  socket.pipe(sink)
}

/** Over TLS. */
async function securePair(t: Test): Promise<[Socket, Socket]> {
  const { near, far } = await legPair(t, 'tls')
  return [far.stream as Socket, near.stream as Socket]
}

for (const [name, pair] of [
  ['an accepted socket', socketPair],
  ['a dialled one', async (t: Test) => (await socketPair(t)).reverse() as [Socket, Socket]],
  ['a unix socket', unixPair],
  ['a TLS socket', securePair],
] as const) {
  t.test(`${name}: every byte comes, to a sink that writes at once, late, and now and then`, async t => {
    let turn = 0
    const ways = [
      () => undefined,
      () => setImmediate(),
      () => (turn++ % 3 === 0 ? undefined : setImmediate().then(() => setImmediate())),
    ]
    for (const wait of ways) {
      const [socket, peer] = await pair(t)
      const sink = checkingSink(t, wait)
      lent(socket, sink)
      await Promise.all([send(peer), once(sink, 'finish')])
      sink.verify()
      socket.end('the other way stays open')
      t.equal(String(await collect(peer)), 'the other way stays open')
    }
  })
}

t.test('between two sockets, with a peer that reads slowly', async t => {
  const [[from, sender], [to, receiver]] = await Promise.all([socketPair(t), socketPair(t)])
  lent(from, to)
  const sink = checkingSink(t, () => setImmediate())
  receiver.pipe(sink)
  await Promise.all([send(sender), once(sink, 'finish')])
  sink.verify()
})

t.test('large reads come in blocks, small ones hold none', async t => {
  const [socket, peer] = await socketPair(t)
  const sink = checkingSink(t, () => undefined)
  lent(socket, sink)
  peer.write('small')
  await until(() => socket.bytesRead === 5)
  t.equal(sink.largest(), 5)
  peer.write(data)
  await until(() => socket.bytesRead === data.length + 5)
  t.equal(sink.largest(), blockSize)
  const sent = [Buffer.from('small'), data]
  for (let i = 0; i < 20; i++) {
    peer.write('more')
    sent.push(Buffer.from('more'))
    await until(() => socket.bytesRead === Buffer.concat(sent).length)
  }
  peer.end(data)
  await once(sink, 'finish')
  sink.verify(Buffer.concat([...sent, data]))
})

t.test('several that read much take turns', async t => {
  const pairs = await Promise.all([socketPair(t), socketPair(t), socketPair(t)])
  let inTurn = 0
  let most = 0
  let isOver = false
  const count = async () => {
    while (!isOver) {
      most = Math.max(most, inTurn)
      inTurn = 0
      await setImmediate()
    }
  }
  const ends = pairs.map(async ([socket, peer]) => {
    const sink = checkingSink(t, () => undefined)
    socket.on('data', chunk => {
      inTurn += chunk.length
    })
    lent(socket, sink)
    await Promise.all([send(peer), once(sink, 'finish')])
    sink.verify()
  })
  const counting = count()
  await Promise.all(ends)
  isOver = true
  await counting
  t.ok(most <= 5 * MiB, `${most} bytes in a turn`)
})

t.test('a socket that is paused in its turn, or closes, does not go on', async t => {
  const pairs = await Promise.all([socketPair(t), socketPair(t), socketPair(t)])
  const sinks = pairs.map(() => checkingSink(t, () => undefined))
  for (const [i, [socket]] of pairs.entries()) lent(socket, sinks[i] as Writable)
  const [[paused], [closing]] = pairs as [[Socket, Socket], [Socket, Socket], [Socket, Socket]]
  let read = 0
  paused.on('data', chunk => {
    read += chunk.length
    if (read > 3 * MiB) paused.unpipe().pause()
  })
  closing.on('data', () => closing.bytesRead > 3 * MiB && closing.destroy())
  for (const [, peer] of pairs) peer.on('error', () => {})
  const all = pairs.map(([, peer]) => send(peer).catch(() => {}))
  await all[2]
  await once(sinks[2] as Writable, 'finish')
  const before = read
  await turns(20)
  t.equal(read, before)
  paused.destroy()
})

t.test('what is lent is over and begins again while a chunk is given', async t => {
  const [socket, peer] = await socketPair(t)
  const sink = checkingSink(t, () => undefined)
  socket.on('data', ({ length }) => {
    if (length !== 64 * 1024) return
    lendReads(socket, undefined)
    lendReads(socket, sink)
  })
  lent(socket, sink)
  await Promise.all([send(peer), once(sink, 'finish')])
  sink.verify()
})

t.test('a socket that is paused hears of a reset, as others do', async t => {
  const [socket, peer] = await socketPair(t)
  const sink = checkingSink(t, () => undefined)
  lent(socket, sink)
  peer.write('some bytes')
  await once(socket, 'data')
  socket.unpipe().pause()
  const over = outcome(socket)
  peer.resetAndDestroy()
  t.match(await over, { code: 'ECONNRESET' })
})

t.test('a socket that is silent gives its blocks back, and reads on', async t => {
  const [socket, peer] = await socketPair(t)
  const sink = checkingSink(t, () => undefined)
  let buffers = 0
  const handle = handleOf(socket) as { useUserBuffer(buffer: Buffer): void }
  const { useUserBuffer } = handle
  handle.useUserBuffer = buffer => {
    buffers++
    useUserBuffer.call(handle, buffer)
  }
  lent(socket, sink)
  t.equal(buffers, 1)
  peer.write(data)
  await until(() => socket.bytesRead === data.length)
  await until(() => buffers > 1)
  peer.end(data)
  await once(sink, 'finish')
  sink.verify(Buffer.concat([data, data]))
  t.equal(buffers, 2)
})

t.test('when it is over, nothing is used again, and every byte comes', async t => {
  const [socket, peer] = await socketPair(t)
  const first = checkingSink(t, () => undefined)
  lent(socket, first)
  const all: Buffer[] = []
  let isOver = false
  socket.on('data', chunk => {
    if (isOver) all.push(chunk) // it keeps them
    if (isOver || socket.bytesRead < data.length / 2) return
    isOver = true
    socket.unpipe(first)
    lendReads(socket, undefined)
    socket.resume()
  })
  const sending = send(peer)
  await Promise.all([sending, once(socket, 'end')])
  const rest = Buffer.concat(all)
  t.ok(rest.length > data.length / 4)
  t.ok(rest.equals(data.subarray(data.length - rest.length)))
  lendReads(socket, first)
})

t.test('too many at once: the others read into the shared buffer', async t => {
  const pairs = await Promise.all([...Array(40)].map(() => socketPair(t)))
  const part = data.subarray(0, 2 * MiB)
  await Promise.all(
    pairs.map(async ([socket, peer]) => {
      const sink = checkingSink(t, () => setImmediate())
      lent(socket, sink)
      await Promise.all([send(peer, part), once(sink, 'finish')])
      sink.verify(part)
    }),
  )
})

t.test('a reset in the middle is an error, and a socket that destroys itself reads no more', async t => {
  const [socket, peer] = await socketPair(t)
  socketLeg(socket)
  lent(socket, memorySink())
  const failed = outcome(socket)
  peer.write(data)
  await until(() => socket.bytesRead > MiB)
  peer.resetAndDestroy()
  t.equal((await failed).code, 'ECONNRESET')
  const [other, sender] = await socketPair(t)
  lent(other, memorySink())
  other.on('data', () => other.bytesRead > MiB && other.destroy())
  sender.on('error', () => {})
  sender.write(data)
  await once(other, 'close')
  t.ok(other.bytesRead < data.length)
})

t.test('a socket that cannot do it reads as always', async t => {
  const [socket, peer] = await socketPair(t)
  Object.defineProperty(handleOf(socket), 'useUserBuffer', { value: undefined })
  const sink = checkingSink(t, () => undefined)
  lent(socket, sink)
  lendReads(socket, undefined)
  await Promise.all([send(peer), once(sink, 'finish')])
  sink.verify()
  const strange = { _handle: { useUserBuffer: () => t.fail('it has no such property') } }
  lendReads(strange as unknown as Socket, sink)
  const [closed] = await socketPair(t)
  closed.destroy()
  lendReads(closed, sink)
})
