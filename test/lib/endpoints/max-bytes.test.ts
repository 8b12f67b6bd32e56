import { once } from 'node:events'
import { Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Leg } from '../../../lib/endpoints/endpoint.js'
import { capBytes } from '../../../lib/endpoints/max-bytes.js'
import { socketLeg } from '../../../lib/endpoints/socket.js'
import { collect, outcome, socketPair, until } from '../network.js'
import { settled } from '../pipes.js'
import { carriers, legPair } from './legs.js'

t.test('up to the cap every byte comes, and the end', async t => {
  const [socket, client] = await socketPair(t)
  capBytes(socketLeg(socket), 10, error => t.fail(error.message))
  client.write('01234')
  await once(socket, 'readable')
  client.end('56789')
  t.equal(String(await collect(socket)), '0123456789')
})

t.test('a leg with a cap lends no memory: what the cap drops is not delivered', async t => {
  const [socket] = await socketPair(t)
  const leg = socketLeg(socket)
  t.ok(leg.lend)
  capBytes(leg, 10, () => {})
  t.notOk(leg.lend)
})

/** Resolves with the failure. */
function capped(leg: Leg, maxBytes: number): Promise<Error> {
  return new Promise(resolve => capBytes(leg, maxBytes, resolve))
}

t.test('as many as are allowed are passed on, however they come, and then the connection fails (G-14)', async t => {
  for (const pieces of [['01234', '56789+'], ['0123456789', '+'], ['0123456789+++'], [...'0123456789++']]) {
    const [socket, client] = await socketPair(t)
    const failure = capped(socketLeg(socket), 10)
    client.setNoDelay(true)
    let text = ''
    socket.on('data', chunk => {
      text += chunk
    })
    for (const piece of pieces) {
      client.write(piece)
      await setImmediate()
    }
    const message = 'the peer has sent more than maxBytes, 10 bytes'
    t.match(await failure, { code: 'ERR_LIMIT', message })
    t.equal(text, '0123456789', pieces.join(' '))
    client.write('more')
    await settled(() => socket.bytesRead)
    t.equal(text, '0123456789', 'and nothing after that')
  }
})

t.test('it fails when they are written', async t => {
  const [socket, client] = await socketPair(t)
  let release = () => {}
  const sink = new Writable({
    write(_chunk, _encoding, callback) {
      release = callback
    },
  })
  let failed = 0
  const failure = capped(socketLeg(socket), 10).then(() => failed++)
  socket.pipe(sink)
  client.write('0123456789+')
  await settled(() => sink.writableLength)
  t.equal(failed, 0)
  while (sink.writableLength === 0) await setImmediate()
  release()
  await failure
  t.equal(sink.writableLength, 0)
})

t.test('bytes that have come before count, too', async t => {
  const [socket, client] = await socketPair(t)
  client.write('12345')
  await once(socket, 'readable')
  const failure = capped(socketLeg(socket), 4)
  t.equal(String(socket.read()), '1234')
  t.match(await failure, { code: 'ERR_LIMIT' })
})

t.test('bytes that have come in pieces count together', async t => {
  const [socket, client] = await socketPair(t)
  client.setNoDelay(true)
  socket.on('readable', () => {})
  for (const piece of ['12', '34', '56']) {
    client.write(piece)
    await until(() => socket.readableLength >= Number(piece.at(-1)))
  }
  const failure = capped(socketLeg(socket), 3)
  t.equal(String(socket.read(socket.readableLength)), '123')
  t.match(await failure, { code: 'ERR_LIMIT' })
})

for (const carrier of carriers) {
  t.test(`${carrier}: a leg passes on what the cap allows, and not a byte more`, async t => {
    const { near, far } = await legPair(t, carrier)
    const failed = new Promise<Error>(resolve => {
      capBytes(far, 100_000, error => {
        resolve(error)
        far.reset(error)
      })
    })
    let passed = 0
    far.stream.on('data', chunk => {
      passed += chunk.length
    })
    const seen = outcome(near.stream)
    if (carrier === 'unix') near.stream.once('end', () => near.stream.destroy())
    near.stream.write(Buffer.alloc(60_000))
    near.stream.write(Buffer.alloc(60_000))
    t.match(await failed, { code: 'ERR_LIMIT' })
    t.match(await seen, { data: Buffer.alloc(0) })
    t.equal(passed, 100_000)
    t.ok(far.stream.destroyed)
  })
}
