import { once } from 'node:events'
import t from 'tap'
import { deadlines, idleWatch } from '../../../lib/connection/timeouts.js'
import { socketPair } from '../network.js'

const timeouts = { idleTimeout: 200, halfClosedTimeout: 40 }

t.test('a socket without a byte', async t => {
  const [socket] = await socketPair(t)
  const error = await new Promise<Error>(resolve => idleWatch(timeouts, () => false, resolve)(socket))
  t.match(error, { code: 'ERR_TIMEOUT', message: 'idle timeout: no byte for 200 ms' })
})

t.test('half-closed it has less time', async t => {
  const [socket, peer] = await socketPair(t)
  const failed = new Promise<Error>(resolve => idleWatch(timeouts, () => false, resolve)(socket))
  peer.end()
  socket.resume()
  t.match(await failed, { message: 'half-closed timeout: no byte for 40 ms' })
})

t.test('while the sink is waited for it is not idle', async t => {
  const [socket] = await socketPair(t)
  let asked = 0
  const error = await new Promise<Error>(resolve => idleWatch(timeouts, () => ++asked < 3, resolve)(socket))
  t.equal(asked, 3)
  t.match(error, { code: 'ERR_TIMEOUT' })
})

t.test('of two sockets the last one that moved counts', async t => {
  const [a] = await socketPair(t)
  const [b, peer] = await socketPair(t)
  let failed: (error: Error) => void = () => {}
  const failure = new Promise<Error>(resolve => {
    failed = resolve
  })
  const watch = idleWatch(timeouts, () => false, failed)
  watch(a)
  watch(b)
  a.setTimeout(40)
  let moves = 0
  b.on('data', () => moves++)
  a.once('timeout', () => peer.write('x')) // a is silent, b is not
  await once(b, 'data')
  const since = performance.now()
  await failure
  t.equal(moves, 1)
  t.ok(performance.now() - since > 150, 'a whole timeout behind the last byte')
})

t.test('a socket that is closed does not count', async t => {
  const [a] = await socketPair(t)
  const [b] = await socketPair(t)
  const failure = new Promise<Error>(resolve => {
    const watch = idleWatch(timeouts, () => false, resolve)
    watch(a)
    watch(b)
  })
  a.destroy()
  t.match(await failure, { code: 'ERR_TIMEOUT' })
})

t.test('deadlines: a peer that says nothing', async t => {
  const [socket] = await socketPair(t)
  const error = await new Promise<Error>(resolve => deadlines(socket, { ...timeouts, firstByteTimeout: 20 }, resolve))
  t.match(error, { code: 'ERR_TIMEOUT', timeout: 'first-byte', message: /^first-byte timeout: .* for 20 ms$/ })
})

t.test('deadlines: a byte, or an end, is in time; the duration ends it whatever it does', async t => {
  for (const say of ['write', 'end'] as const) {
    const [socket, peer] = await socketPair(t)
    const errors: Error[] = []
    const over = new Promise<void>(resolve => {
      deadlines(socket, { ...timeouts, firstByteTimeout: 60, maxDuration: 120 }, error => {
        errors.push(error)
        resolve()
      })
    })
    peer[say]('x')
    socket.resume()
    await over
    t.match(errors, [{ timeout: 'duration', message: 'duration timeout: the connection has lasted 120 ms' }])
    t.equal(errors.length, 1)
  }
})

t.test('deadlines: none by default, and none for a socket that is closed', async t => {
  const [socket] = await socketPair(t)
  deadlines(socket, { ...timeouts, maxDuration: 30 }, error => t.fail(error.message))
  const [other] = await socketPair(t)
  deadlines(other, timeouts, error => t.fail(error.message))
  socket.destroy()
  await new Promise(resolve => setTimeout(resolve, 60))
})

t.test('without another time for half-closed it is idle', async t => {
  const [socket, peer] = await socketPair(t)
  const failed = new Promise<Error>(resolve => idleWatch({ idleTimeout: 30 }, () => false, resolve)(socket))
  peer.end()
  socket.resume()
  t.match(await failed, { timeout: 'idle', message: 'idle timeout: no byte for 30 ms' })
})
