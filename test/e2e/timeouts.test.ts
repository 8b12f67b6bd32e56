import t from 'tap'
import { blackHole, bounded, closed, dial, exchange, listen, run, serve, tcpPipe } from './support.js'

t.test('--idle-timeout cuts a silent connection, and every byte begins it anew', async t => {
  const server = await serve(t, ['0', '--reply', '--idle-timeout', '400ms'], {
    faults: ['idle timeout', 'idle timeout'],
  })
  const silent = await dial(t, server.port)
  const busy = await dial(t, server.port)
  let echoed = 0
  busy.on('data', () => {
    if (++echoed < 8) setTimeout(() => busy.write('x'), 100)
  })
  const started = performance.now()
  busy.write('x')
  await bounded(closed(silent), 'the cut')
  t.match(silent.failed, { code: 'ECONNRESET' })
  t.match(await server.logged('connection failed'), {
    closedBy: 'timeout',
    code: 'ERR_TIMEOUT',
    error: 'idle timeout: no byte for 400 ms',
  })
  await bounded(closed(busy), 'the other cut')
  t.equal(echoed, 8)
  t.ok(performance.now() - started > 1000)
})

t.test('a stage that never calls back is cut by the idle timeout', async t => {
  const server = await serve(t, ['0', '--reply', '-t', 'throttle 1', '--idle-timeout', '500ms'], {
    faults: ['idle timeout'],
  })
  const socket = await dial(t, server.port)
  socket.write('x'.repeat(100_000))
  await bounded(closed(socket), 'the cut')
})

t.test('--half-closed-timeout cuts what hangs after one side has ended', async t => {
  const server = await serve(t, ['0', '--from', '/dev/null', '--half-closed-timeout', '300ms'], {
    faults: ['half-closed timeout: no byte for 300 ms'],
  })
  const socket = await dial(t, server.port)
  socket.resume()
  t.match(await server.logged('connection failed'), { closedBy: 'timeout' })
  socket.write('x') // a socket that has read its end looks again when it writes
  await bounded(closed(socket), 'the reset')
})

t.test('timeouts of 0 are never', async t => {
  const server = await serve(t, ['0', '--reply', '--idle-timeout', '0', '--half-closed-timeout', '0'])
  t.equal(String(await exchange(t, server.port, 'hello')), 'hello')
})

t.test('send waits for a slow answer by default (C-08)', async t => {
  const target = await listen(t, socket => {
    socket.resume().on('end', () => setTimeout(() => socket.end('late'), 2000))
  })
  const started = performance.now()
  const { code, stdout } = await run(t, ['send', '--to', target.to], { input: 'question' })
  t.equal(code, 0)
  t.equal(String(stdout), 'late')
  t.ok(performance.now() - started >= 2000)
})

t.test('--wait bounds how long send waits for the end of the peer: exit 1 (C-08)', async t => {
  const target = await listen(t, socket => void socket.resume())
  const { code, logs } = await run(t, ['send', '--to', target.to, '--wait', '200ms'], {
    input: 'question',
    faults: ['wait timeout: the peer did not end within 200ms'],
  })
  t.equal(code, 1)
  t.match(logs.at(-1), { closedBy: 'timeout' })
})

t.test('--wait does not begin before our own end', async t => {
  const target = await listen(t, socket => void socket.pipe(socket))
  const client = tcpPipe(t, ['send', '--to', target.to, '--wait', '300ms'], { input: null })
  client.child.stdin?.write('first')
  await client.printed('first')
  await new Promise(resolve => setTimeout(resolve, 500))
  client.child.stdin?.end('second')
  await client.printed('firstsecond')
  t.equal((await client.ended).code, 0)
})

t.test('--on-eof close does not wait for a peer that never ends: exit 0', async t => {
  let received = ''
  const target = await listen(t, socket => {
    socket.on('data', chunk => {
      received += chunk
    })
  })
  const { code } = await run(t, ['send', '--to', target.to, '--on-eof', 'close'], { input: 'all of it' })
  t.equal(code, 0)
  t.equal(received, 'all of it')
})

t.test('--connect-timeout: a host that does not answer', async t => {
  const port = await blackHole(t)
  const started = performance.now()
  const { code } = await run(t, ['send', '--to', `127.0.0.1:${port}`, '--connect-timeout', '300ms'], {
    input: 'x',
    faults: [`connect timeout: no answer from 127.0.0.1:${port} in 300ms`],
  })
  t.equal(code, 1)
  t.ok(performance.now() - started < 5000)
})

t.test('an idle terminal or pipe on stdin does not keep send alive when its peer has reset', async t => {
  const target = await listen(t, socket => void socket.once('data', () => socket.resetAndDestroy()))
  const client = tcpPipe(t, ['send', '--to', target.to], { input: null, faults: [/ECONNRESET|EPIPE/] })
  client.child.stdin?.write('x')
  t.equal((await client.ended).code, 1)
})
