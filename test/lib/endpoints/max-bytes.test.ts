import { once } from 'node:events'
import t from 'tap'
import { capBytes } from '../../../lib/endpoints/max-bytes.js'
import { socketLeg } from '../../../lib/endpoints/socket.js'
import { collect, outcome, socketPair } from '../network.js'
import { carriers, legPair } from './legs.js'

t.test('up to the cap every byte comes, and the end', async t => {
  const [socket, client] = await socketPair(t)
  capBytes(socketLeg(socket), 10, error => t.fail(error.message))
  client.write('01234')
  await once(socket, 'readable')
  client.end('56789')
  t.equal(String(await collect(socket)), '0123456789')
})

t.test('the chunk that goes over it is not passed on, and fails the connection', async t => {
  const [socket, client] = await socketPair(t)
  let failed: (error: Error) => void = () => {}
  const failure = new Promise<Error>(resolve => {
    failed = resolve
  })
  capBytes(socketLeg(socket), 10, failed)
  let text = ''
  socket.on('data', chunk => {
    text += chunk
    if (text === '01234') client.write('56789+')
  })
  client.write('01234')
  t.match(await failure, { code: 'ERR_LIMIT', message: 'the peer has sent more than maxBytes (--max-bytes), 10 bytes' })
  t.equal(text, '01234')
})

t.test('bytes that have come before count, too', async t => {
  const [socket, client] = await socketPair(t)
  client.write('12345')
  await once(socket, 'readable')
  const errors: Error[] = []
  capBytes(socketLeg(socket), 4, error => errors.push(error))
  t.match(errors, [{ code: 'ERR_LIMIT' }])
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
    t.ok(passed <= 100_000, `${passed} bytes`)
    t.ok(far.stream.destroyed)
  })
}
