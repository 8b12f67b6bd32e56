/** `worker=true`: a stage in a thread. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { dial, exchange, run, serve, shortDirectory } from './support.js'

t.test('built-in stages and a module that imports tcp-pipe: the same bytes', async t => {
  const path = join(shortDirectory(t), 'own.mjs')
  writeFileSync(path, "import { eachLine } from 'tcp-pipe'\nexport default eachLine(line => '<' + line + '>')\n")
  const stages = `gunzip worker=true | ${path} worker=true | hex plain=true`
  const server = await serve(t, ['0', '--reply', '-t', `gzip worker=true | ${stages}`])
  t.equal(String(await exchange(t, server.port, 'a\nb\n')), `${Buffer.from('<a>\n<b>\n').toString('hex')}\n`)
})

t.test('a stage that works for ever holds up its own connection, and no other', async t => {
  const path = join(shortDirectory(t), 'own.mjs')
  writeFileSync(path, "export default chunk => { while (String(chunk) === 'stop'); return chunk }\n")
  const server = await serve(t, ['0', '--reply', '-t', `${path} worker=true`], { faults: null })
  const stuck = await dial(t, server.port)
  stuck.write('go')
  await once(stuck, 'data')
  stuck.write('stop')
  const other = await dial(t, server.port)
  other.write('hello')
  t.equal(String((await once(other, 'data'))[0]), 'hello')
  other.end()
  stuck.resetAndDestroy()
  await server.logged('connection failed')
  for (let i = 0; i < 3; i++) t.equal(String(await exchange(t, server.port, 'again')), 'again')
})

t.test('a thread that dies resets its connections, and the next one has a new thread', async t => {
  const path = join(shortDirectory(t), 'own.mjs')
  writeFileSync(path, "export default chunk => { if (String(chunk) === 'die') process.exit(3); return chunk }\n")
  const server = await serve(t, ['0', '--reply', '-t', `${path} worker=true`], { faults: ['connection failed'] })
  const socket = await dial(t, server.port)
  socket.write('die')
  t.match(await server.logged('connection failed'), { code: 'ERR_STAGE', error: /has exited with 3/ })
  t.equal(String(await exchange(t, server.port, 'hello')), 'hello')
})

t.test('what cannot run in a thread: exit 2', async t => {
  const faults = ['logger cannot run in a thread: it uses the log or the signals of its connection']
  t.equal((await run(t, ['serve', '0', '-t', 'logger worker=true'], { faults })).code, 2)
})
