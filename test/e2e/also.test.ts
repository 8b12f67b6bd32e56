/** `serve --also`: further sinks, which block, drop or fail by their own policy. */
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { cleanup, dial, eventually, exchange, freePort, onTerminal, run, serve, shortDirectory } from './support.js'

/** A target of the test. What it does with a connection is for the test. */
async function target(t: Test, work: (socket: Socket) => void, port = 0) {
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {})
    cleanup(t, () => socket.destroy())
    work(socket)
  }).listen(port, '127.0.0.1')
  await once(server, 'listening')
  cleanup(t, () => server.close())
  return { server, port: (server.address() as { port: number }).port }
}

/** A target that takes everything, and then ends. */
async function taker(t: Test, port?: number) {
  const received: Buffer[] = []
  let ended = 0
  const { port: bound } = await target(
    t,
    socket => {
      const own: Buffer[] = []
      socket.on('data', chunk => own.push(chunk))
      socket.on('end', () => {
        received.push(Buffer.concat(own))
        ended++
        socket.end()
      })
    },
    port,
  )
  return { port: bound, received, text: () => received.join(''), ended: () => ended }
}

const lines = (count: number) => Array.from({ length: count }, (_, i) => `${i} ${'x'.repeat(100)}\n`).join('')

t.test('every sink gets every byte, and the client is ended after all of them', async t => {
  const folder = shortDirectory(t)
  const { port, text } = await taker(t)
  const also = ['--also', `127.0.0.1:${port}`, '--also', `file:${folder}/b-{id}`]
  const server = await serve(t, ['0', '-o', join(folder, 'a'), '--append', ...also])
  const data = lines(10_000)
  await exchange(t, server.port, data)
  const { sink } = await server.logged('connection closed')
  const [first, second] = (sink as { also: { to: string; bytes: number; file: string }[] }).also
  t.match(first, { to: `127.0.0.1:${port}`, bytes: data.length })
  t.equal(text(), data)
  t.equal(readFileSync(join(folder, 'a'), 'utf8'), data)
  t.equal(readFileSync(String(second?.file), 'utf8'), data)
})

t.test('drop: a target that does not read costs the others nothing, and loses whole lines (G-70)', async t => {
  const sockets: Socket[] = []
  const { port } = await target(t, socket => void sockets.push(socket.pause()))
  const server = await serve(t, ['0', '-t', 'grep x', '-o', '/dev/null', '--also', `${port}`, '--also-slow', 'drop'])
  const client = await dial(t, server.port)
  const block = lines(20_000)
  while (!server.logs.some(({ msg }) => msg === 'a further sink is slow, dropping data'))
    if (!client.write(block)) await once(client, 'drain')
  await eventually('the connection to the target', () => sockets.length > 0)
  const [socket] = sockets as [Socket]
  let received = ''
  socket.on('data', chunk => {
    received += chunk
  })
  socket.on('end', () => socket.end()).resume()
  client.end().resume()
  const closed = await server.logged('connection closed')
  const [report] = (closed.sink as { also: { bytes: number; dropped: { bytes: number; lines: number } }[] }).also
  t.equal(received.length, report?.bytes)
  t.ok((report?.dropped.lines ?? 0) > 0)
  t.equal(Number(report?.bytes) + Number(report?.dropped.bytes), closed.bytesIn)
  const known = new Set(block.split('\n'))
  t.ok(
    received.split('\n').every(line => known.has(line)),
    'whole lines',
  )
})

t.test('a target that resets: continue warns, and end resets the client (G-71)', async t => {
  const { port } = await target(t, socket => void socket.once('data', () => socket.resetAndDestroy()))
  const to = `127.0.0.1:${port}`
  for (const [policy, faults, code] of [
    ['continue', [], 1],
    ['end', ['connection failed'], 1],
  ] as const) {
    const words = ['0', '--once', '-o', '/dev/null', '--also', to, '--also-fail', policy]
    const server = await serve(t, words, { faults })
    const client = await dial(t, server.port)
    client.on('error', () => {})
    client.write('hello')
    if (policy === 'continue') {
      await server.logged('a further sink failed, the others go on', line => line.to === to)
      client.end()
      await once(client.resume(), 'end')
      t.match(await server.logged('connection closed'), { level: 40, warnings: [/failed/] })
    }
    t.equal((await server.ended).code, code, policy)
  }
})

t.test('a target that cannot be reached (G-71)', async t => {
  const to = `127.0.0.1:${await freePort()}`
  const server = await serve(t, ['0', '--once', '--also', to], { faults: [/ECONNREFUSED/] })
  await exchange(t, server.port, 'a').catch(() => {})
  t.equal((await server.ended).code, 1)
  const dropping = await serve(t, ['0', '--once', '--also', to, '--also-slow', 'drop'])
  await exchange(t, dropping.port, 'a')
  const { code, stdout } = await dropping.ended
  t.equal(code, 1)
  t.equal(String(stdout), 'a')
})

t.test('on a terminal: stdout is escaped, a further sink is not', async t => {
  const { port, text } = await taker(t)
  const shell = onTerminal(t, `tcp-pipe serve 0 --once --also ${port}`)
  const [, own] = /listening on 127\.0\.0\.1:(\d+)/.exec(String(await shell.printed(/listening on \S+/))) ?? []
  await exchange(t, Number(own), 'a\x1b[2Jb\n')
  await shell.printed('a\\e[2Jb')
  t.equal(text(), 'a\x1b[2Jb\n')
})

const spooling = (folder: string, to: string) => ['--also', to, '--also-slow', 'spool', '--spool', folder]

/** The files of a spool folder, without the locks. */
function spooled(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => /\.(open|spool)$/.test(name))
}

t.test('spool: a target that comes back gets every connection, each whole, and the folder is empty (G-70)', async t => {
  const folder = shortDirectory(t)
  const port = await freePort()
  const server = await serve(t, ['0', '-o', '/dev/null', ...spooling(folder, `${port}`)])
  const all = Array.from({ length: 5 }, (_, i) => `${i} ${lines(1000)}`)
  for (const data of all) await exchange(t, server.port, data)
  t.equal(spooled(folder).length, 5)
  await server.logged('a further sink takes no data, its spools wait')
  const closed = await server.logged('connection closed')
  t.match(closed.sink, { also: [{ to: `127.0.0.1:${port}`, bytes: all[0]?.length, spooled: all[0]?.length }] })
  const { received } = await taker(t, port)
  await eventually('all spools', () => received.length === 5, 30_000)
  t.same(received.map(String).sort(), all)
  await eventually('an empty folder', () => spooled(folder).length === 0)
})

t.test('spool: what a killed server has left is delivered by the next one (G-72)', async t => {
  const folder = shortDirectory(t)
  const port = await freePort()
  const words = ['0', '-o', '/dev/null', ...spooling(folder, `${port}`)]
  const server = await serve(t, words, { faults: null })
  await exchange(t, server.port, 'first')
  await exchange(t, server.port, 'second')
  const half = await dial(t, server.port)
  half.write('unfinished')
  await eventually('all files', () => spooled(folder).length === 3)
  server.kill('SIGKILL')
  await server.ended
  const next = await serve(t, words)
  t.match(await next.logged('spools of an earlier run found'), { spools: 2, bytes: 11 })
  await next.logged('spools of unfinished connections removed')
  const { received } = await taker(t, port)
  await eventually('both', () => received.length === 2, 30_000)
  t.same(received.map(String).sort(), ['first', 'second'])
  await eventually('an empty folder', () => spooled(folder).length === 0)
  next.kill('SIGTERM')
  t.equal((await next.ended).code, 0)
  t.same(readdirSync(folder), [], 'no lock, no folder')
})

t.test('spool: two servers share a folder, and leave each other alone (G-72)', async t => {
  const folder = shortDirectory(t)
  const port = await freePort()
  const words = ['0', '-o', '/dev/null', ...spooling(folder, `${port}`)]
  const [one, other] = [await serve(t, words), await serve(t, words, { faults: null })]
  await exchange(t, one.port, 'one')
  await exchange(t, other.port, 'other')
  t.notOk(other.logs.some(({ msg }) => msg === 'spools of an earlier run found'))
  other.kill('SIGKILL')
  await other.ended
  const third = await serve(t, words)
  t.match(await third.logged('spools of an earlier run found'), { spools: 1, bytes: 5 })
  const { received } = await taker(t, port)
  await eventually('both', () => received.length === 2, 30_000)
  t.same(received.map(String).sort(), ['one', 'other'])
})

t.test('spool: one that is full slows down its connection, and then nothing is stored (G-73)', async t => {
  const folder = shortDirectory(t)
  const sockets: Socket[] = []
  const { port } = await target(t, socket => void sockets.push(socket.pause()))
  const server = await serve(t, ['0', '-o', '/dev/null', ...spooling(folder, `${port}`), '--spool-size', '100k'])
  const client = await dial(t, server.port)
  const data = lines(200_000)
  client.end(data).resume()
  await server.logged('a spool is full, the connection waits for it')
  await eventually('the connection to the target', () => sockets.length > 0)
  const [socket] = sockets as [Socket]
  let received = ''
  socket.on('data', chunk => {
    received += chunk
  })
  socket.on('end', () => socket.end()).resume()
  const { sink } = await server.logged('connection closed')
  t.equal(received, data)
  t.strictSame((sink as { also: object[] }).also, [{ to: `127.0.0.1:${port}`, bytes: data.length }])
  t.same(spooled(folder), [])
})

t.test('mistakes are found before anything is opened', async t => {
  const folder = shortDirectory(t)
  for (const [words, says] of [
    [['--also', '-'], "--also: '-' is not allowed; expected host:port"],
    [['--also', 'memory:x'], "--also: 'memory:x' is not allowed"],
    [['--also', 'listen:4000'], "--also: 'listen:4000' is not allowed"],
    [['--also', 'x'], "--also: 'x' has no port"],
    [['--also-slow', 'drop', '--also', ':1'], '--also-slow drop needs an --also before it: it applies to that one'],
    [['--also', ':1', '--also-fail', 'end', '--also-fail', 'end'], '--also-fail is given twice for --also 127.0.0.1:1'],
    [['--also', ':1', '--also-slow', 'wait'], "--also-slow: 'wait' is not allowed; expected block"],
    [['--also', ':1', '--also', '127.0.0.1:1'], "--also: '127.0.0.1:1' is in use already"],
    [['--to', ':1', '--also', ':1'], "--also: '127.0.0.1:1' is in use already"],
    [['--also', ':1', '--also-slow', 'spool'], '--also-slow spool needs --spool FOLDER'],
    [['--also', ':1', '--spool', folder], '--spool needs --also-slow spool'],
    [['--also', ':1', '--spool-size', '1k'], '--spool-size needs --spool FOLDER'],
    [spooling('/dev/null/x', ':1'), '--spool: '],
    [spooling(folder, `file:${folder}/x-{id}`), '--also: spool is for an address to connect to'],
    [spooling(`${folder}/${'x'.repeat(90)}`, ':1'), 'bytes as a path; at most 91'],
    [['--reply', '--also', ':1'], '--reply and --also exclude each other'],
    [['--chat', '--also', ':1'], '--chat and --also exclude each other'],
    [['--also', `file:${folder}/x`], `--also file:${folder}/x: several connections need a placeholder`],
    [['--append', '--also', `file:${folder}/no/{x}`], "'{x}' is not a placeholder"],
    [['--also', `file:${folder}`, '--once'], 'this is a folder'],
    [['3999', '--also', ':3999'], "--also: '127.0.0.1:3999' is in use already"],
  ] as const) {
    const { code } = await run(t, ['serve', ...words], { faults: [says] })
    t.equal(code, 2, words.join(' '))
  }
})
