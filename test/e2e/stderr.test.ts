import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import t from 'tap'
import { bounded, closed, dial, eventually, exchange, reached, serve, shortDirectory, tcpPipe } from './support.js'

t.test('a reader of stderr that has gone: a usage mistake is exit 2 as ever', async t => {
  const program = tcpPipe(t, ['serve', '--nonsense'], { faults: null })
  program.child.stderr?.destroy()
  t.equal((await program.ended).code, 2)
})

t.test('a reader of stderr that has gone: a server serves on, and ends well', async t => {
  const path = join(shortDirectory(t), 'socket')
  const words = ['serve', `unix:${path}`, '--tls', 'auto', '-q', '-o', '/dev/null'] // -q tells the pin there
  const program = tcpPipe(t, words, { input: null, faults: null })
  program.child.stderr?.destroy()
  const client = await reached(t, { path })
  await closed(client.destroy())
  program.kill('SIGTERM')
  t.equal((await program.ended).code, 0)
})

t.test('a reader of stderr that does not read: the server serves on, and no line is lost', async t => {
  const server = await serve(t, ['0', '--reply'], { timeout: 60_000 })
  const stderr = server.child.stderr as Readable
  stderr.pause()
  const [rounds, atOnce] = [80, 25] // far more lines than the kernel keeps
  for (let i = 0; i < rounds; i++)
    await Promise.all(Array.from({ length: atOnce }, () => exchange(t, server.port, 'as ever')))
  t.ok(server.logs.length < rounds * atOnce, 'not all of them have come')
  stderr.resume()
  await eventually('every line', () => server.logs.length > rounds * atOnce)
  t.same(new Set(server.logs.slice(1).map(({ msg }) => msg)), new Set(['connection closed']))
})

for (const [what, isOpen] of [
  ['with an open connection', true],
  ['without one', false],
] as const) {
  t.test(`a full stderr, ${what}: the process ends after the drain timeout (G-09)`, async t => {
    const words = ['0', '--reply', '--drain-timeout', '500ms']
    const server = await serve(t, words, { timeout: 60_000, faults: null })
    const stderr = server.child.stderr as Readable
    stderr.pause()
    if (isOpen) {
      const socket = await dial(t, server.port)
      socket.write('x')
      await bounded(once(socket, 'data'), 'an echo')
    }
    for (let i = 0; i < 80; i++) await Promise.all(Array.from({ length: 25 }, () => exchange(t, server.port, 'x')))
    const exit = once(server.child, 'exit')
    server.kill('SIGTERM')
    const [code] = await bounded(exit, 'the end', 5000)
    t.equal(code, isOpen ? 1 : 0)
    stderr.resume()
    await server.ended
    t.ok(server.logs.length < 2000, 'it was full')
  })
}
