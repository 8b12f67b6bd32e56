import { once } from 'node:events'
import t from 'tap'
import { capBytes } from '../../../lib/endpoints/max-bytes.js'
import { collect, socketPair } from '../network.js'

t.test('up to the cap every byte comes, and the end', async t => {
  const [socket, client] = await socketPair(t)
  capBytes(socket, 10, error => t.fail(error.message))
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
  capBytes(socket, 10, failed)
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
  capBytes(socket, 4, error => errors.push(error))
  t.match(errors, [{ code: 'ERR_LIMIT' }])
})
