import { once } from 'node:events'
import { PassThrough, Readable, Transform, Writable } from 'node:stream'
import t from 'tap'
import { fileSource, type ServeOptions, type Stage, send, serve, stop } from '../../lib/index.js'
import { bounded, closed, dial, exchange, listen, serve as serveProgram } from './support.js'

const library = new URL('../../lib/index.js', import.meta.url).href

/** Stages that misbehave when they are sent `bad` → what becomes of that connection. */
const misbehaving: [title: string, stage: () => Stage, error: object][] = [
  [
    'throws',
    () => (chunk: Buffer) => {
      if (String(chunk) === 'bad') throw new Error('thrown')
      return chunk
    },
    { message: 'thrown' },
  ],
  [
    'rejects',
    () => async (chunk: Buffer) => {
      if (String(chunk) === 'bad') throw new Error('rejected')
      return chunk
    },
    { message: 'rejected' },
  ],
  [
    'throws what is no Error',
    () => (chunk: Buffer) => {
      if (String(chunk) === 'bad') throw 'a string'
      return chunk
    },
    { message: 'a string' },
  ],
  [
    'is a Transform that throws',
    () =>
      new Transform({
        transform(chunk, _encoding, callback) {
          if (String(chunk) === 'bad') throw new Error('thrown')
          callback(null, chunk)
        },
      }),
    { message: 'thrown' },
  ],
  [
    'is a Transform in object mode, and gives an object',
    () =>
      new Transform({
        objectMode: true,
        transform: (chunk, _encoding, callback) => callback(null, String(chunk) === 'bad' ? {} : chunk),
      }),
    { code: 'ERR_STAGE_RESULT', message: /^Transform emitted an object \(Object\); the next stage takes a Buffer/ },
  ],
  [
    'calls back twice',
    () =>
      new Transform({
        transform(chunk, _encoding, callback) {
          callback(null, chunk)
          if (String(chunk) === 'bad') callback()
        },
      }),
    { code: 'ERR_MULTIPLE_CALLBACK' },
  ],
  [
    'emits an error after its end',
    () =>
      new Transform({
        transform(chunk, _encoding, callback) {
          callback(null, chunk)
          if (String(chunk) === 'bad') setImmediate(() => this.destroy(new Error('late')))
        },
      }),
    { message: 'late' },
  ],
  [
    'emits an error behind the end of its output',
    () =>
      new Transform({
        transform(chunk, _encoding, callback) {
          this.push(chunk)
          if (String(chunk) === 'bad') {
            this.push(null)
            this.once('end', () => setImmediate(() => this.emit('error', new Error('late'))))
          }
          callback()
        },
      }),
    { message: 'late' },
  ],
  [
    'never calls back',
    () =>
      new Transform({
        transform(chunk, _encoding, callback) {
          if (String(chunk) !== 'bad') callback(null, chunk)
        },
      }),
    { code: 'ERR_TIMEOUT', message: /^idle timeout/ },
  ],
  [
    'destroys itself without an error',
    () =>
      new Transform({
        transform(chunk, _encoding, callback) {
          if (String(chunk) === 'bad') this.destroy()
          else callback(null, chunk)
        },
      }),
    { code: 'ERR_STREAM_PREMATURE_CLOSE' },
  ],
]

t.test('a stage that', async t => {
  for (const [title, stage, error] of misbehaving) {
    t.test(`${title}: that connection is reset with its error, another one lives (A-14, G-40)`, async t => {
      const ends: Promise<{ error?: Error }>[] = []
      const options: ServeOptions = {
        port: 0,
        reply: true,
        transforms: () => [stage()],
        idleTimeout: 300,
        onConnection: ({ closed }) => ends.push(closed),
      }
      await using server = await serve(options)
      const bad = await dial(t, server.address.port)
      const good = await dial(t, server.address.port)
      const closed = new Promise(resolve => bad.once('close', resolve))
      bad.resume().write('bad')
      t.match((await bounded(ends[0] as Promise<{ error?: Error }>, 'the end')).error, error)
      bad.write('x') // a reset that came together with data shows at the next write
      await bounded(closed, 'the reset')
      t.match(bad.failed, { code: /ECONNRESET|EPIPE/ })
      if (title !== 'never calls back') {
        good.end('good')
        t.equal(String((await once(good, 'data'))[0]), 'good')
      }
      t.equal(String(await exchange(t, server.address.port, 'later')), 'later')
    })
  }
})

t.test('a module with such a stream: its connection fails, and the program lives (G-40)', async t => {
  const cwd = t.testdir({
    'throws.mjs': `import { defineTransform } from '${library}'
      import { Transform } from 'node:stream'
      const transform = () => { throw new Error('thrown by a stream') }
      const create = () => new Transform({ transform })
      export default defineTransform({ name: 'throws', summary: '', unit: 'bytes', create })`,
    'values.mjs': `import { defineTransform } from '${library}'
      import { Transform } from 'node:stream'
      const create = () => new Transform({ objectMode: true, transform: (chunk, _, done) => done(null, { chunk }) })
      export default defineTransform({ name: 'values', summary: '', unit: 'bytes', create })`,
  })
  for (const [module, says] of [
    ['./throws.mjs', 'thrown by a stream'],
    ['./values.mjs', 'values emitted an object (Object)'],
  ] as const) {
    const server = await serveProgram(t, ['0', '--reply', '-t', module], { cwd, faults: [says, says] })
    for (const text of ['first', 'second']) {
      const client = await dial(t, server.port)
      client.resume().end(text)
      await bounded(closed(client), 'the reset')
      t.match(client.failed, { code: 'ECONNRESET' })
    }
    server.kill('SIGTERM')
    t.equal((await server.ended).code, 0)
  }
})

t.test('stop ends an endless source, and that is success', async t => {
  const target = await listen(t, socket => socket.resume().on('end', () => socket.end()))
  const port = Number(target.to.split(':')[1])
  const from = fileSource('/dev/zero')
  let taken = 0
  const { bytesOut } = await send({
    port,
    from,
    output: new Writable({ write: (_chunk, _encoding, callback) => callback() }),
    transforms: () => [(chunk: Buffer) => (++taken > 3 ? stop : chunk)],
  })
  t.equal(bytesOut % 3, 0)
  t.ok(bytesOut > 0 && bytesOut < 3_000_000, `${bytesOut} bytes`)
  t.ok(from.destroyed, 'it is read no longer')
})

t.test('stop ends a source that never waits', async t => {
  const target = await listen(t, socket => socket.resume().on('end', () => socket.end()))
  const from = new Readable({ read: () => void from.push(Buffer.alloc(1000)) })
  let taken = 0
  const sent = send({
    to: target.to,
    from,
    output: new Writable({ write: (_chunk, _encoding, callback) => callback() }),
    transforms: () => [(chunk: Buffer) => (++taken > 10 ? stop : chunk)],
  })
  t.equal((await bounded(sent, 'the end')).bytesOut, 10_000)
})

t.test('stop in serve --reply: the client gets its end although it sends on', async t => {
  await using server = await serve({
    port: 0,
    reply: true,
    transforms: () => [(chunk: Buffer) => (chunk.includes('enough') ? stop : chunk)],
  })
  const socket = await dial(t, server.address.port)
  socket.write('more')
  t.equal(String((await once(socket, 'data'))[0]), 'more')
  socket.write('enough')
  await bounded(once(socket.resume(), 'end'), 'the end')
  socket.end()
})

t.test('a silent source: the connection waits, and an abort ends it', async t => {
  const target = await listen(t, socket => void socket.resume())
  const abort = new AbortController()
  const sent = send({
    port: Number(target.to.split(':')[1]),
    from: new Readable({ read() {} }),
    signal: abort.signal,
    onConnect: () => abort.abort(),
  })
  await t.rejects(bounded(sent, 'the abort'), { name: 'AbortError' })
})

t.test('a Duplex that is used for two connections is refused in words', async t => {
  const one = new PassThrough()
  const ends: Promise<{ error?: Error }>[] = []
  await using server = await serve({
    port: 0,
    reply: true,
    transforms: () => [one],
    halfClosedTimeout: 100, // it never ends
    onConnection: ({ closed }) => ends.push(closed),
  })
  t.equal(String(await exchange(t, server.address.port, 'a')), 'a')
  await t.rejects(exchange(t, server.address.port, 'b'), { code: 'ECONNRESET' })
  t.match((await (ends[1] as Promise<{ error?: Error }>)).error, { code: 'ERR_STAGE' })
})
