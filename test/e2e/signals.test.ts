import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { bounded, dial, freePort, run, serve, tcpPipe } from './support.js'

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} to an idle serve: exit 0 within 100 ms, and the port is free (C-01)`, async t => {
    const times: number[] = []
    for (let i = 0; i < 3; i++) {
      const server = await serve(t, ['0'], { env: { NODE_V8_COVERAGE: '' } }) // it takes a while to write that
      const started = performance.now()
      server.kill(signal)
      await once(server.child, 'exit')
      times.push(performance.now() - started)
      const { code, signal: killed } = await server.ended
      t.equal(code, 0)
      t.equal(killed, null)
      const again = createServer().listen(server.port, '127.0.0.1')
      await once(again, 'listening')
      again.close()
    }
    t.ok(Math.min(...times) <= 100, `after ${times.map(Math.round)} ms: the machine may be busy, but not three times`)
  })
}

t.test('SIGTERM with a running connection: no new one, it finishes, exit 0 (C-02)', async t => {
  const server = await serve(t, ['0', '--reply'])
  const socket = await dial(t, server.port)
  socket.write('before')
  await once(socket, 'data')
  server.kill('SIGTERM')
  t.match(await server.logged('draining'), { signal: 'SIGTERM', connections: 1, drainTimeout: 10_000 })
  await t.rejects(dial(t, server.port), { code: 'ECONNREFUSED' })
  socket.write('after')
  t.equal(String((await once(socket, 'data'))[0]), 'after', 'it still works')
  socket.end()
  await bounded(once(socket, 'end'), 'the end')
  t.notOk(socket.failed)
  t.equal((await server.ended).code, 0)
})

t.test(
  'SIGTERM: what has not ended after --drain-timeout is reset, exit 1, and the number is logged (C-02)',
  async t => {
    const faults = ['were cut when the drain timeout had passed', 'drain timeout', 'drain timeout']
    const server = await serve(t, ['0', '--drain-timeout', '200ms'], { faults })
    const sockets = [await dial(t, server.port), await dial(t, server.port)]
    for (const socket of sockets) socket.write('x')
    await server.printed(2)
    server.kill('SIGTERM')
    const { code, logs } = await server.ended
    t.equal(code, 1)
    t.match(
      logs.find(({ msg }) => msg.includes('cut')),
      { cut: 2 },
    )
    for (const line of logs.filter(({ msg }) => msg === 'connection failed'))
      t.match(line, { closedBy: 'timeout', timeout: 'drain' })
    for (const socket of sockets) {
      if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
      t.match(socket.failed, { code: 'ECONNRESET' })
    }
  },
)

for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const) {
  t.test(`a second ${signal}: ends at once by that signal, which a shell shows as ${code} (C-03)`, async t => {
    const server = await serve(t, ['0'], { faults: null })
    const socket = await dial(t, server.port)
    socket.write('x')
    await server.printed(1)
    server.kill('SIGINT')
    await server.logged('draining')
    const closed = new Promise(resolve => socket.once('close', resolve))
    server.kill(signal)
    t.equal((await server.ended).signal, signal)
    await bounded(closed, 'the reset')
    t.match(socket.failed, { code: 'ECONNRESET' })
  })
}

t.test('an interrupted send is a reset and no clean end, which would look like success', async t => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const server = await serve(t, ['0', '--once'], { faults: ['ECONNRESET'] })
    const client = tcpPipe(t, ['send', '--to', server.to], { input: null, faults: null })
    client.child.stdin?.write('half of it')
    await server.printed('half of it')
    client.kill(signal)
    t.equal((await client.ended).signal, signal)
    const { code, logs } = await server.ended
    t.equal(code, 1, 'with --once the exit code is the connection’s')
    t.match(logs.at(-1), { msg: 'connection failed', closedBy: 'reset', code: 'ECONNRESET' })
  }
})

t.test('send is interrupted while it connects, and while it waits to try again', async t => {
  const to = `127.0.0.1:${await freePort()}`
  const client = tcpPipe(t, ['send', '--to', to, '--retry', '1000'], { input: 'x', faults: null })
  await client.logged('not connected, trying again', () => client.logs.length >= 3)
  client.kill('SIGINT')
  t.equal((await client.ended).signal, 'SIGINT')
})

t.test('send is interrupted while the peer is slow: still no clean end', async t => {
  const server = await serve(t, ['0', '--once', '-t', 'throttle 4MiB'], { faults: ['ECONNRESET'] })
  const client = tcpPipe(t, ['send', '/dev/zero', '--to', server.to], { faults: null })
  await server.printed(1)
  client.kill('SIGTERM')
  t.equal((await client.ended).signal, 'SIGTERM')
  t.equal((await server.ended).code, 1)
})

t.test('serve --once: the exit code is that of the connection', async t => {
  const good = await serve(t, ['0', '--once'])
  t.equal((await run(t, ['send', '--to', good.to], { input: 'x' })).code, 0)
  t.equal((await good.ended).code, 0)
  const bad = await serve(t, ['0', '--once'], { faults: ['ECONNRESET'] })
  const socket = await dial(t, bad.port)
  socket.write('x')
  await bad.printed(1)
  socket.resetAndDestroy()
  t.equal((await bad.ended).code, 1)
})
