import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import type { Connection } from '../../lib/connection/connection.js'
import type { PipeOptions } from '../../lib/pipe/options.js'
import { pipe } from '../../lib/pipe.js'
import { isSendError } from '../../lib/send/send-error.js'
import { serve } from '../../lib/serve.js'
import type { Summary } from '../../lib/stats/summary.js'
import { gzip } from '../../transforms/gzip.js'
import { head } from '../../transforms/head.js'
import { clientOf, closed, failOnWarning, listener, portOf, received, recorder, socketPath, until } from './network.js'
import { storing } from './storing.js'
import { identity } from './tls.js'

const upper = (chunk: Buffer) => chunk.toString().toUpperCase()
const text = (path: string) => readFileSync(path, 'utf8')

/** A folder with a file of this content. */
function folderWith(t: Test, content: string) {
  const folder = t.testdir({ from: content })
  const at = (name: string) => join(folder, name)
  return { folder, at, from: `file:${at('from')}` }
}

/** The parts of a folder, in order of their time. */
const partsIn = (folder: string) =>
  readdirSync(folder)
    .filter(name => name.startsWith('part-'))
    .sort()

t.test('a file goes through transforms into another file', async t => {
  failOnWarning(t)
  const { at, from } = folderWith(t, 'hello')
  const log = recorder()
  const summary = await pipe({ from, to: `file:${at('to')}`, transforms: () => [upper], log: log.log })
  t.equal(text(at('to')), 'HELLO')
  t.match(summary, {
    ...{ remote: from, port: undefined, bytesIn: 5, closedBy: 'local', sink: { file: at('to'), bytes: 5 } },
    directions: [{ direction: 'forward', bytesIn: 5, bytesOut: 5 }],
  })
  t.match(log.lines, [{ msg: 'connection closed', remote: from }])
})

t.test('an address to a file, and a file to an address, one way', async t => {
  const { at, from } = folderWith(t, 'sent')
  const got: Promise<string>[] = []
  const server = await listener(t, socket => {
    got.push(received(socket))
    socket.once('end', () => socket.end('answer'))
  })
  const address = `127.0.0.1:${portOf(server)}`
  const summary = await pipe({ from, to: address })
  t.equal(await got[0], 'sent')
  t.match(summary, { bytesIn: 4, sink: { to: address, answered: 6 } })
  const other = await listener(t, socket => void got.push(received(socket.end('answer'))))
  await pipe({ from: { port: portOf(other) }, to: `file:${at('answer')}` })
  t.equal(text(at('answer')), 'answer')
  t.equal(await got[1], '', 'nothing goes back')
})

t.test('two addresses in both directions, with half-closes', async t => {
  const path = socketPath(t)
  const log = recorder()
  const server = await listener(t, socket => void received(socket).then(all => socket.end(`echo ${all}`)))
  const opened: Connection[] = []
  const summary = pipe({
    ...{ from: `listen:unix:${path}`, to: { port: portOf(server) }, log: log.log },
    ...{ transforms: () => [upper], replyTransforms: () => [(chunk: Buffer) => `${chunk}!`] },
    onConnection: connection => opened.push(connection),
  })
  await until(() => log.lines.some(line => (line as { msg: string }).msg === 'listening'))
  const client = clientOf(t, path)
  client.end('hello')
  t.equal(await received(client), 'echo HELLO!')
  t.match(await summary, { bytesIn: 5, bytesOut: 11, target: { bytesIn: 10, bytesOut: 5 } })
  t.equal(opened.length, 1)
})

t.test('both directions are stopped', async t => {
  const server = await listener(t, socket => void socket.on('end', () => socket.end()).resume())
  const stop = new AbortController()
  const end = { port: portOf(server) }
  const done = pipe({ from: end, to: end, stop: stop.signal, onConnection: () => setImmediate(() => stop.abort()) })
  t.match(await done, { bytesIn: 0, bytesOut: 0 })
})

t.test('a failure of one end resets the other one', async t => {
  const sockets: Socket[] = []
  const server = await listener(t, socket => void sockets.push(socket.resume()))
  const failed = pipe({ from: { port: portOf(server) }, to: { port: portOf(server) } })
  await until(() => sockets.length === 2)
  sockets[1]?.resetAndDestroy()
  const error = await failed.catch(each => each)
  t.ok(isSendError(error))
  t.match(error, { code: 'ECONNRESET', summary: { closedBy: 'reset' } })
  await closed(sockets[0] as Socket)

  const { log, lines } = recorder()
  const to = `unix:${socketPath(t)}`
  const retried = { log, retry: 1, retryInterval: 1 }
  await t.rejects(pipe({ from: { port: portOf(server) }, to, ...retried }), { code: 'ENOENT' })
  t.match(lines, [{ msg: 'not connected, trying again' }])
  await until(() => sockets.length === 3)
  await closed(sockets[2] as Socket)
})

t.test('stdin and stdout are an end with two directions', async t => {
  const server = await listener(t, socket => void received(socket).then(all => socket.end(`echo ${all}`)))
  const to = `127.0.0.1:${portOf(server)}`
  const run = async (options: string, input: string) => {
    const script = `const { pipe } = await import(process.argv[1]); await pipe(${options})`
    const module = new URL('../../lib/pipe.js', import.meta.url).href
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, module], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    child.stdin.end(input)
    return received(child.stdout)
  }
  t.equal(await run(`{ from: '-', to: '${to}' }`, 'typed'), 'echo typed')
  t.equal(await run(`{ from: '${to}', to: '-' }`, 'other way'), 'echo other way')
  t.equal(await run(`{ from: '-' }`, 'one way'), 'one way')
  t.equal(await run(`{ from: '-', to: '${to}', oneWay: true }`, 'no answer'), '')
})

t.test('on a terminal nobody need type an end after that of the peer', async t => {
  const server = await listener(t, socket => void socket.end('bye\n'))
  const port = portOf(server)
  for (const options of [`{ from: '-', to: '${port}' }`, `{ from: '${port}', to: '-' }`]) {
    const script = `const { pipe } = await import('${new URL('../../lib/pipe.js', import.meta.url).href}'); await pipe(${options})`
    const words = [process.execPath, '--input-type=module', '-e', script].map(
      each => `'${each.replaceAll("'", `'\\''`)}'`,
    )
    const child = spawn('script', ['-qec', words.join(' '), '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
    t.teardown(() => child.kill('SIGKILL'))
    t.equal((await received(child.stdout)).trim(), 'bye')
  }
})

t.test('TLS at either end', async t => {
  const { at, from } = folderWith(t, 'secret')
  const server = await serve({ port: 0, tls: identity, to: { scheme: 'file', path: at('got') }, once: true })
  const to = `tls://127.0.0.1:${server.address.port}`
  await pipe({ from, to, targetTls: { ca: identity.cert, serverName: 'localhost' } })
  await server.closed
  t.equal(text(at('got')), 'secret')
  const source = await serve({ port: 0, tls: identity, from: () => 'from tls', to: `file:${at('void')}`, once: true })
  const tls = { ca: identity.cert, serverName: 'localhost' }
  await pipe({ from: `tls://127.0.0.1:${source.address.port}`, to: `file:${at('out')}`, tls })
  t.equal(text(at('out')), 'from tls')
  await source.closed
  const rotated = await serve({ port: 0, tls: identity, from: () => 'in parts', to: `file:${at('empty')}`, once: true })
  const ends: Summary[] = []
  rotated.observe({ closed: summary => ends.push(summary) })
  await pipe({ from: `tls://127.0.0.1:${rotated.address.port}`, to: `file:${at('part-{id}')}`, tls, rotate: 60_000 })
  await rotated.closed
  t.match(ends, [{ error: undefined }], 'our end is a whole one')
})

t.test('rotate: complete files, each with its own stages', async t => {
  const lines = Array.from({ length: 100 }, (_, i) => `line ${i}\n`).join('')
  const { folder, at, from } = folderWith(t, lines)
  const closed: Summary[] = []
  const observer = { closed: (summary: Summary) => closed.push(summary) }
  await pipe({ from, to: `file:${at('part-{id}.gz')}`, rotateSize: 200, transforms: () => [gzip()], observer })
  const parts = partsIn(folder)
  t.ok(parts.length > 2)
  t.equal(parts.map(name => gunzipSync(readFileSync(at(name)))).join(''), lines)
  t.same(
    closed.map(({ number }) => number),
    parts.map((_, i) => i + 1),
  )
  for (const { bytesIn } of closed.slice(0, -1)) t.ok(bytesIn >= 200 && bytesIn < 210)
})

t.test('rotate: what an address sends, and a connection for each part', async t => {
  const { folder, at, from } = folderWith(t, 'a\nb\nc\n')
  const got: Promise<string>[] = []
  const server = await listener(t, socket => void got.push(received(socket).finally(() => socket.end())))
  await pipe({ from, to: { port: portOf(server) }, oneWay: true, rotateSize: 2 })
  t.same(await Promise.all(got), ['a\n', 'b\n', 'c\n'])
  const source = await listener(t, socket => void socket.resume().end('x\ny\n'))
  await pipe({ from: { port: portOf(source) }, to: `file:${at('part-{id}')}`, rotateSize: 2 })
  t.same(
    partsIn(folder).map(name => text(at(name))),
    ['x\n', 'y\n'],
  )
  writeFileSync(at('from'), '')
  t.match(await pipe({ from, to: `file:${at('none-{id}')}`, rotate: 1000 }), { bytesIn: 0 })
  t.notOk(
    readdirSync(folder).some(name => name.startsWith('none')),
    'no file without a byte',
  )
})

t.test('rotate: a part that fails ends the pipe, and the source is reset', async t => {
  const ended: Promise<void>[] = []
  const source = await listener(t, socket => {
    socket.resume().write('x\ny\n')
    ended.push(closed(socket))
  })
  const to = `unix:${socketPath(t)}`
  await t.rejects(pipe({ from: { port: portOf(source) }, to, rotateSize: 2, oneWay: true }), { code: 'ENOENT' })
  await Promise.all(ended)
  const broken = join(t.testdir({}), 'missing')
  await t.rejects(pipe({ from: `file:${broken}`, to: `file:${broken}-{id}`, rotateSize: 1 }), { code: 'ENOENT' })
})

t.test('a file that is followed goes on until it is stopped', async t => {
  const { at } = folderWith(t, 'one\n')
  const stop = new AbortController()
  const from = { scheme: 'file', path: at('from'), follow: true } as const
  const opened: Connection[] = []
  const onConnection = (connection: Connection) => void opened.push(connection)
  const done = pipe({ from, to: `file:${at('to')}`, stop: stop.signal, onConnection })
  await until(() => opened[0]?.stats().bytesIn === 4)
  appendFileSync(at('from'), 'two\n')
  await until(() => opened[0]?.stats().bytesIn === 8)
  stop.abort()
  await done
  t.equal(text(at('to')), 'one\ntwo\n')
  await pipe({ from, to: `file:${at('nothing')}`, stop: stop.signal })
  t.equal(text(at('nothing')), '')
})

t.test('rotated by time, until it is stopped', async t => {
  const { at, folder } = folderWith(t, 'one\n')
  const stop = new AbortController()
  const from = { scheme: 'file', path: at('from'), follow: true } as const
  const done = pipe({ from, to: `file:${at('part-{id}')}`, rotate: 20, stop: stop.signal })
  await until(() => partsIn(folder).some(name => !name.endsWith('.part')))
  appendFileSync(at('from'), 'two\n')
  await until(() => partsIn(folder).filter(name => !name.endsWith('.part')).length === 2)
  stop.abort()
  await done
  t.same(
    partsIn(folder).map(name => text(at(name))),
    ['one\n', 'two\n'],
  )
})

t.test('an abort resets', async t => {
  const { at } = folderWith(t, 'one\n')
  const from = { scheme: 'file', path: at('from'), follow: true } as const
  for (const more of [{}, { rotate: 60_000 }]) {
    const abort = new AbortController()
    const opened: Connection[] = []
    const onConnection = (connection: Connection) => void opened.push(connection)
    const done = pipe({ from, to: `file:${at('cut{id}')}`, signal: abort.signal, onConnection, ...more })
    done.catch(() => {})
    await until(() => opened[0]?.stats().bytesIn === 4)
    abort.abort()
    await t.rejects(done, { name: 'AbortError' })
    await t.rejects(pipe({ from, to: `file:${at('never{id}')}`, signal: abort.signal, ...more }), {
      name: 'AbortError',
    })
  }
  t.ok(readdirSync(join(at('from'), '..')).every(name => name === 'from' || name.endsWith('.part')))
  const waiting = new AbortController()
  const between = pipe({
    from: { ...from, path: at('later') },
    to: `file:${at('x{id}')}`,
    rotate: 1,
    signal: waiting.signal,
  })
  between.catch(() => {})
  setImmediate(() => waiting.abort())
  await t.rejects(between, { name: 'AbortError' })
})

t.test('what is on the disk is acknowledged at once, if it is appended', async t => {
  const { at } = folderWith(t, '')
  const { stream, last, settled } = storing(t)
  const done = pipe({ from: 'file:x', to: { scheme: 'file', path: at('all'), append: true } })
  stream.write('one\n')
  await until(() => last() === 4)
  t.equal(text(at('all')), 'one\n')
  stream.write('two\n')
  await until(() => last() === 8)
  stream.end('three\n')
  await done
  t.equal(last(), 14)
  t.equal(settled(), 1)
})

t.test('a file of its own is acknowledged when it is complete; a source that waits before fails', async t => {
  const { at } = folderWith(t, '')
  const { stream, kept, full } = storing(t)
  const opened: Connection[] = []
  const onConnection = (connection: Connection) => void opened.push(connection)
  const done = pipe({ from: 'file:x', to: `file:${at('one')}`, onConnection })
  stream.write('one\n')
  await until(() => opened[0]?.stats().bytesIn === 4)
  t.same(kept, [])
  full()
  await t.rejects(done, { code: 'ERR_OPTION', message: /until its records are kept.*rotate/ })
  t.same(kept, [])
})

t.test('with rotate, a source that waits gets a new file', async t => {
  const { at, folder } = folderWith(t, '')
  const { stream, last, full } = storing(t)
  const opened: Connection[] = []
  const onConnection = (connection: Connection) => void opened.push(connection)
  const done = pipe({ from: 'file:x', to: `file:${at('part-{id}')}`, rotate: 60_000, onConnection })
  stream.write('one\n')
  await until(() => opened[0]?.stats().bytesIn === 4)
  full()
  await until(() => last() === 4)
  stream.end('two\n')
  await done
  t.equal(last(), 8)
  t.same(
    partsIn(folder).map(name => text(at(name))),
    ['one\n', 'two\n'],
  )
})

t.test('a stage that stops early ends the pipe; what it has not taken comes again', async t => {
  const { at } = folderWith(t, '')
  for (const more of [{}, { rotateSize: 100 }]) {
    const { stream, kept } = storing(t)
    stream.write('one\ntwo\nthree\n')
    await pipe({ from: 'file:x', to: `file:${at('head-{id}')}`, transforms: () => [head({ lines: 2 })], ...more })
    t.same(kept, [])
    t.ok(stream.destroyed)
  }
  t.same(
    readdirSync(at('.'))
      .filter(name => name.startsWith('head'))
      .map(name => text(at(name))),
    ['one\ntwo\n', 'one\ntwo\n'],
  )
})

t.test('a device takes one part after another', async t => {
  const { stream, last, full } = storing(t)
  const opened: Connection[] = []
  const onConnection = (connection: Connection) => void opened.push(connection)
  const done = pipe({ from: 'file:x', to: 'file:/dev/null', onConnection })
  stream.write('one\n')
  await until(() => opened[0]?.stats().bytesIn === 4)
  full()
  await until(() => last() === 4)
  stream.end('two\n')
  await done
  t.equal(last(), 8)
})

t.test('an address is complete when its peer has ended after us; then it is acknowledged', async t => {
  const { stream, kept, last, full } = storing(t)
  const sockets: Socket[] = []
  const server = await listener(t, socket => void sockets.push(socket.resume()))
  const done = pipe({ from: 'file:x', to: { port: portOf(server) }, transforms: () => [upper] })
  stream.write('one\n')
  await until(() => (sockets[0]?.bytesRead ?? 0) === 4)
  full()
  await once(sockets[0] as Socket, 'end')
  t.same(kept, [], 'the peer may still fail')
  sockets[0]?.end()
  await until(() => last() === 4)
  stream.end('two\n')
  await until(() => sockets.length === 2)
  sockets[1]?.resetAndDestroy()
  await t.rejects(done, { code: 'ECONNRESET' })
  t.equal(last(), 4)
})

t.test('a session tells what its peer has on its disk', async t => {
  const { at } = folderWith(t, '')
  const { stream, last } = storing(t)
  const server = await serve({ port: 0, reliable: true, to: { scheme: 'file', path: at('got'), append: false } })
  t.teardown(() => server.close({ drain: 0 }))
  const done = pipe({ from: 'file:x', to: `reliable://127.0.0.1:${server.address.port}` })
  stream.end('everything')
  await done
  t.equal(text(at('got')), 'everything')
  t.equal(last(), 10)
})

t.test('mistakes are found before anything is opened', async t => {
  const { at, from } = folderWith(t, 'x')
  const wrong = async (options: object, code: string, message: RegExp) =>
    t.rejects(pipe(options as PipeOptions), { code, message })
  await wrong({}, 'ERR_ADDRESS', /pipe needs from/)
  await wrong({ from: '127.0.0.1:0' }, 'ERR_ADDRESS', /port 0 cannot be dialled/)
  await wrong({ from, to: '127.0.0.1:0' }, 'ERR_ADDRESS', /port 0/)
  await wrong({ from: 'nats://h/in.lines' }, 'ERR_ADDRESS', /it needs durable=/)
  await wrong({ from, to: from }, 'ERR_FILE_EXISTS', /exists/)
  await wrong({ from, to: `file:${at('{x}')}` }, 'ERR_ADDRESS', /\{x\}/)
  await wrong({ from, to: `file:${at('one')}`, rotate: 1 }, 'ERR_OPTION', /is one file; several need a placeholder/)
  await wrong({ from: ':1', to: ':2', rotate: 1 }, 'ERR_OPTION', /needs one direction/)
  await wrong({ from, replyTransforms: () => [] }, 'ERR_OPTION', /needs two ends with two directions/)
  await wrong({ from, rotate: 'soon' }, 'ERR_OPTION', /rotate/)
  await wrong({ from, transforms: [] }, 'ERR_OPTION', /transforms/)
  await wrong({ from, insecure: true }, 'ERR_OPTION', /belongs in tls or targetTls/)
  await wrong({ from, to: ':1', targetTls: {} }, 'ERR_OPTION', /needs an address with TLS/)
  execFileSync('mkdir', [at('folder')])
  await wrong({ from, to: `file:${at('folder')}` }, 'ERR_OPTION', /folder/)
})
