import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import t from 'tap'
import { closed, dial, eventually, exchange, serve, shortDirectory, tcpPipe } from './support.js'

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
  await eventually('it listens', () => existsSync(path))
  const client = await dial(t, { path })
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
