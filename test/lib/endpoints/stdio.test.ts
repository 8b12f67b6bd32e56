import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Sink } from '../../../lib/endpoints/endpoint.js'
import { checkSink, sinkTo, sourceAt } from '../../../lib/endpoints/open.js'
import { pipeSource, sharedSink, sharedSource, stdinSource, stdio } from '../../../lib/endpoints/stdio.js'
import { serve } from '../../../lib/serve.js'
import { collect, failOnWarning, heldSink, memorySink } from '../network.js'
import { connection } from './legs.js'

const write = (sink: Sink, chunk: string) =>
  new Promise<Error | null | undefined>(resolve => sink.write(Buffer.from(chunk), resolve))

const linesSink = (stream: Writable) => Object.assign(sharedSink(stream), { lines: true })

t.test('sharedSink: each chunk is taken before the next one, and the stream is not ended', async t => {
  const { sink: stream, held } = heldSink()
  const sink = sharedSink(stream)
  let taken = 0
  sink.write('a', () => taken++)
  sink.write('b', () => taken++)
  sink.end()
  await new Promise(setImmediate)
  t.same([held.length, taken], [1, 0])
  held.shift()?.()
  await new Promise(setImmediate)
  t.same([held.length, taken], [1, 1])
  t.notOk(sink.writableFinished)
  held.shift()?.()
  await finished(sink)
  t.notOk(stream.writableEnded)
})

t.test('sharedSink: a stream whose own write waits is waited for', async t => {
  const stream = memorySink()
  const { write: writeNow } = stream
  const waiting: (() => void)[] = []
  const write = (...given: Parameters<typeof writeNow>) => {
    waiting.push(() => writeNow.apply(stream, given))
    return false
  }
  Object.assign(stream, { write })
  const sink = sharedSink(stream)
  let taken = 0
  sink.write('a', () => taken++)
  await new Promise(setImmediate)
  t.equal(taken, 0)
  waiting.shift()?.()
  await new Promise(setImmediate)
  t.equal(taken, 1)
})

t.test('sharedSink: many connections add one listener', async t => {
  failOnWarning(t)
  const stream = memorySink()
  const sinks = Array.from({ length: 50 }, () => sharedSink(stream))
  for (const sink of sinks) sink.end('x')
  await Promise.all(sinks.map(sink => finished(sink)))
  t.equal(stream.data.length, 50)
  t.equal(stream.listenerCount('error'), 1)
})

t.test('sharedSink: an unfinished last line gets its LF when another one writes behind it', async t => {
  const stream = memorySink()
  const [one, two, bytes] = [linesSink(stream), linesSink(stream), sharedSink(stream)]
  await write(one, 'a')
  await write(one, 'b\nc')
  await write(two, 'd\n')
  await write(one, 'e')
  await write(bytes, 'raw')
  await write(bytes, 'raw')
  await write(two, 'f')
  t.equal(String(stream.data), 'ab\nc\nd\nerawrawf', 'bytes are left as they are')
})

t.test('sharedSink: the first error is told to all', async t => {
  const stream = new Writable({ write: (_c, _e, callback) => callback(new Error('first')) })
  const [one, two] = [sharedSink(stream), sharedSink(stream)].map(sink => sink.on('error', () => {})) as [Sink, Sink]
  t.match(await write(one, 'x'), { message: 'first' })
  await new Promise(setImmediate)
  t.match(await write(two, 'y'), { message: 'first' })
})

t.test('sharedSink: a stream that was ended already fails the sink', async t => {
  const stream = memorySink()
  const sink = sharedSink(stream).on('error', () => {}) as Sink
  stream.end()
  t.match(await write(sink, 'x'), { code: 'ERR_STREAM_WRITE_AFTER_END' })
})

t.test('sharedSource: each connection takes what comes while it is there; the stream stays', async t => {
  failOnWarning(t)
  const stream = new PassThrough()
  stream.write('for the first')
  for (const [i, text] of ['for the first', 'for the second'].entries()) {
    const source = sharedSource(stream)
    const [chunk] = await once(source, 'data')
    t.equal(String(chunk), text)
    source.destroy()
    await once(source, 'close')
    if (i === 0) stream.write('for the second')
    t.notOk(stream.destroyed)
  }
  for (const event of ['readable', 'end', 'error'])
    t.equal(stream.listeners(event).filter(each => /take|push|destroy/.test(String(each))).length, 0, event)
  const last = sharedSource(stream)
  stream.end('the rest')
  t.equal(String(await collect(last)), 'the rest')
  t.equal(String(await collect(sharedSource(stream))), '', 'it has ended')
})

t.test('sharedSource: it takes nothing before it is read, and fails with the stream', async t => {
  const stream = new PassThrough()
  const source = sharedSource(stream)
  stream.write('x')
  await new Promise(setImmediate)
  t.equal(stream.readableLength, 1)
  stream.destroy(new Error('EIO'))
  await t.rejects(finished(source), { message: 'EIO' })
  t.match(source.errored, { message: 'EIO' })
})

t.test('stdinSource: a file is read from where it stands', async t => {
  const path = join(t.testdir({ f: 'content' }), 'f')
  const fd = openSync(path, 'r')
  t.teardown(() => closeSync(fd))
  t.equal(String(await collect(stdinSource(fd))), 'content')
})

t.test('stdinSource: a device is read, and a descriptor that is closed is an error', async t => {
  const fd = openSync('/dev/null', 'r')
  t.equal((await collect(stdinSource(fd))).length, 0)
  closeSync(fd)
  t.throws(() => stdinSource(fd), { code: 'EBADF' })
})

t.test('stdinSource: a FIFO is read to its end', async t => {
  const path = join(t.testdir({}), 'fifo')
  execFileSync('mkfifo', [path])
  const child = spawn('sh', ['-c', 'printf piped > "$0"', path], { stdio: 'ignore' })
  const source = stdinSource(openSync(path, 'r'))
  t.equal(String(await collect(source)), 'piped')
  t.equal(source.bytesRead, 5)
  source.destroy()
  if (child.exitCode === null) await once(child, 'exit')
})

t.test('pipeSource: an idle pipe is let go', async t => {
  const path = join(t.testdir({}), 'fifo')
  execFileSync('mkfifo', [path])
  const source = pipeSource(openSync(path, 'r+'))
  source.resume().destroy()
  await once(source, 'close')
  t.ok(source.destroyed)
})

t.test('pipeSource: a terminal is the standard one', async t => {
  const child = `
    import { isatty } from 'node:tty'
    const { pipeSource, stdinSource } = await import(process.argv[1])
    console.log([isatty(0), pipeSource(0) === process.stdin, stdinSource() === process.stdin].join())
    process.stdin.destroy()`
  const lib = fileURLToPath(new URL('../../../lib/endpoints/stdio.js', import.meta.url))
  const node = [process.execPath, '--input-type=module', '-e', child, lib]
  const quoted = node.map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
  const pty = spawn('script', ['-qec', quoted, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const output = String(await collect(pty.stdout))
  t.match(output, 'true,true,true')
  pty.stdin.destroy()
})

t.test('its address is one character, and has no parts', async t => {
  t.strictSame(stdio.parse('-'), { scheme: 'stdio' })
  t.strictSame(stdio.complete({ scheme: 'stdio' }), { scheme: 'stdio' })
  t.equal(stdio.format({ scheme: 'stdio' }), '-')
  t.same(['-', '--', '-:80', ''].map(stdio.accepts), [true, false, false, false])
})

t.test('as a sink it is stdout, which is not ended', async t => {
  const stdout = memorySink()
  t.intercept(process, 'stdout', { value: stdout })
  checkSink({ scheme: 'stdio' })
  for (const text of ['one ', 'two']) {
    const sink = await sinkTo({ scheme: 'stdio' }, connection, {})
    sink.end(text)
    await finished(sink)
  }
  t.equal(String(stdout.data), 'one two')
  t.notOk(stdout.writableEnded)
})

t.test('a stdout that writes at once, as into a file, is not waited for', async t => {
  const stdout = Object.assign(memorySink(), { _type: 'fs' })
  t.intercept(process, 'stdout', { value: stdout })
  const sink = await sinkTo({ scheme: 'stdio' }, connection, {})
  t.equal(sink.releases, true)
  t.ok(sink.write(Buffer.alloc(256 * 1024)))
  t.equal(sink.writableLength, 0)
  Object.assign(stdout, { write: stdout.write }) // somebody listens in
  t.equal((await sinkTo({ scheme: 'stdio' }, connection, {})).releases, false)
})

t.test('as a source it is stdin', async t => {
  const child = `
    const { sourceAt } = await import(process.argv[1])
    for await (const chunk of sourceAt({ scheme: 'stdio' })) process.stdout.write(chunk)`
  const lib = fileURLToPath(new URL('../../../lib/endpoints/open.js', import.meta.url))
  const node = ['-u', 'NODE_OPTIONS', process.execPath, '--input-type=module', '-e', child, lib]
  t.equal(String(execFileSync('env', node, { input: 'piped' })), 'piped')
  const ours = sourceAt({ scheme: 'stdio' })
  t.type(ours.read, 'function')
  ours.destroy()
})

t.test('it is refused where a connection is needed', async t => {
  const message =
    /^'-' cannot be (listened on|connected to); expected host:port, .* or reliable\[\+tls\]:\/\/host:port$/
  await t.rejects(serve({ listen: '-' }), { code: 'ERR_ADDRESS', message })
})
