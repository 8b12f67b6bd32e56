import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type Duplex, PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip, gunzipSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { compose, records } from '../../../lib/stages/compose.js'
import { defineTransform } from '../../../lib/stages/define.js'
import { eachLine, type Stage } from '../../../lib/stages/stage.js'
import { streamName, webStage } from '../../../lib/stages/web-stage.js'
import { closed, endless, failOnWarning, memorySink } from '../network.js'
import { cutEvery, errorOf, planned, run, settled, textOf } from '../pipes.js'

const text = 'line\n'.repeat(100_000)

/** A pair whose transform gives the results of the function. */
function pairOf(give: (chunk: Buffer, controller: TransformStreamDefaultController) => unknown) {
  return new TransformStream({
    transform(chunk, controller) {
      const result = give(chunk, controller)
      if (result !== undefined) controller.enqueue(result)
    },
  })
}

t.test('what the pair gives', async t => {
  const other = new ReadableStream({
    start(controller) {
      controller.enqueue('other')
      controller.close()
    },
  })
  const large = Buffer.alloc(1_000_000, 'large ')
  for (const [name, stages, input, output] of [
    ['compression', [new CompressionStream('gzip'), createGunzip()], text, text],
    ['decompression', [createGzip(), new DecompressionStream('gzip')], text, text],
    [
      'both, in small chunks',
      [new CompressionStream('deflate'), new DecompressionStream('deflate')],
      cutEvery(7, large.subarray(0, 5000)),
      String(large.subarray(0, 5000)),
    ],
    ['strings', [new TextDecoderStream()], [Buffer.of(0xc3), Buffer.of(0xa9)], 'é'],
    ['another encoding', [new TextDecoderStream('latin1')], Buffer.of(0xe9), 'é'],
    ['nothing', [new CompressionStream('gzip'), new DecompressionStream('gzip')], '', ''],
    ['ArrayBuffers', [pairOf(() => new Uint8Array([120]).buffer)], 'a', 'x'],
    [
      'an empty chunk before a full one',
      [pairOf((chunk, controller) => controller.enqueue(Buffer.alloc(0)) ?? chunk)],
      'ab',
      'ab',
    ],
    ['a large chunk', [new TransformStream()], large, String(large)],
    ['to a function behind it', [new TextDecoderStream(), (chunk: Buffer) => `${Buffer.isBuffer(chunk)}`], 'a', 'true'],
    [
      'to a line stage behind it',
      [new DecompressionStream('gzip'), eachLine(line => line.toUpperCase())],
      gzipSync('a\nb\n'),
      'A\nB\n',
    ],
    [
      'a pair of streams',
      [
        {
          readable: other,
          writable: new WritableStream(),
        },
      ],
      'a',
      'other',
    ],
  ] as [string, Stage[], string | Buffer, string][])
    t.equal(await textOf(stages, input), output, name)
})

t.test('compose, records, and a transform that makes a pair', async t => {
  const zip = defineTransform({ name: 'zip', summary: '', unit: 'bytes', create: () => new CompressionStream('gzip') })
  const chunks: Buffer[] = []
  await pipeline(Readable.from([text]), zip(), async output => {
    for await (const chunk of output) chunks.push(chunk)
  })
  t.equal(String(gunzipSync(Buffer.concat(chunks))), text)
  const unzip = compose(
    new DecompressionStream('gzip'),
    eachLine(line => line.length),
  )
  const lengths: number[] = []
  for await (const length of records(Readable.from(chunks).pipe(unzip))) lengths.push(length)
  t.equal(lengths.length, 100_000)
  const pair = new CompressionStream('gzip')
  const again = defineTransform({ name: 'again', summary: '', unit: 'bytes', create: () => pair })
  await textOf([again()], 'a')
  await t.rejects(textOf([again()], 'a'), { code: 'ERR_STAGE', message: /is already part of a pipeline/ })
})

t.test('its name in figures', async t => {
  const { meters, indivisible } = planned([new CompressionStream('gzip'), new PassThrough()])
  t.match(meters, [{ stages: [{ name: 'CompressionStream' }] }, { stages: [{ name: 'PassThrough' }] }])
  t.same(indivisible, ['CompressionStream', 'PassThrough'])
  t.equal(streamName(webStage({ readable: new ReadableStream(), writable: new WritableStream() })), 'Object')
  const zip = defineTransform({ name: 'zip', summary: '', unit: 'bytes', create: () => new CompressionStream('gzip') })
  t.match(planned([zip()]).meters, [{ stages: [{ name: 'zip' }] }])
})

t.test('it can be used once', async t => {
  const message = 'stage 2 is already part of a pipeline: a stream can be used once'
  const taken = new CompressionStream('gzip')
  compose(taken)
  const read = new CompressionStream('gzip')
  read.readable.getReader()
  const written = new CompressionStream('gzip')
  written.writable.getWriter()
  for (const pair of [taken, read, written])
    t.throws(() => compose(new PassThrough(), pair), { code: 'ERR_STAGE', message })
  const twice = new TextDecoderStream()
  t.throws(() => compose(twice, twice), { code: 'ERR_STAGE', message })
})

t.test('the error of a pair is the failure', async t => {
  failOnWarning(t)
  const boom = new Error('boom')
  const fail = (error: unknown) =>
    pairOf(() => {
      throw error
    })
  const zipped = gzipSync(text)
  for (const [name, pair, input, expected] of [
    [
      'no gzip',
      new DecompressionStream('gzip'),
      'no gzip at all',
      { code: 'Z_DATA_ERROR', message: 'incorrect header check' },
    ],
    [
      'half a gzip',
      new DecompressionStream('gzip'),
      zipped.subarray(0, -9),
      { code: 'Z_BUF_ERROR', message: 'unexpected end of file' },
    ],
    [
      'a gzip with a wrong byte',
      new DecompressionStream('gzip'),
      Buffer.concat([zipped.subarray(0, -8), Buffer.alloc(8)]),
      { code: 'Z_DATA_ERROR', message: 'incorrect data check' },
    ],
    [
      'no UTF-8',
      new TextDecoderStream('utf-8', { fatal: true }),
      Buffer.of(0xff),
      { code: 'ERR_ENCODING_INVALID_ENCODED_DATA', message: /not valid/ },
    ],
    ['an error of its own', fail(boom), 'a', boom],
    ['a text', fail('text'), 'a', { message: 'text' }],
    ['nothing', fail(undefined), 'a', { message: 'undefined' }],
    ['an error without a message', fail(new Error()), 'a', { message: '' }],
    ['an error that hides another one', fail(new TypeError('', { cause: boom })), 'a', boom],
    [
      'an object',
      pairOf(() => ({})),
      'a',
      {
        code: 'ERR_STAGE_RESULT',
        message: /^TransformStream returned an object \(Object\); expected a string, a Buffer/,
      },
    ],
  ] as [string, TransformStream, string | Buffer, Error][]) {
    t.match(await errorOf([pair], input), expected, name)
  }
})

t.test('a pair that ends its output early', async t => {
  let given = 0
  const first = () =>
    pairOf((chunk, controller) => {
      controller.enqueue(chunk)
      if (++given % 2 === 0) controller.terminate()
    })
  for (const [title, input, output] of [
    ['in the middle', ['a', 'b', 'c', 'd'], 'ab'],
    ['with the last chunk', ['a', 'b'], 'ab'],
  ] as const) {
    given = 0
    const sink = memorySink()
    await pipeline(Readable.from(input), webStage(first()), sink)
    t.equal(String(sink.data), output, title)
  }
  given = 1
  const stage = webStage(first())
  endless().pipe(stage)
  let length = 0
  stage.on('data', chunk => {
    length += chunk.length
  })
  await once(stage, 'end')
  t.equal(length, 16 * 1024)
  stage.destroy()
})

t.test('half-close: the output goes on behind the end of the input', async t => {
  const held: (() => void)[] = []
  const stage = webStage(
    new TransformStream({
      async flush(controller) {
        await new Promise<void>(resolve => held.push(resolve))
        controller.enqueue('last')
      },
    }),
  )
  const sink = memorySink()
  const done = pipeline(stage, sink)
  stage.end('first ')
  await settled(() => held.length)
  t.equal(String(sink.data), 'first ')
  held[0]?.()
  await done
  t.equal(String(sink.data), 'first last')
})

t.test('backpressure holds', async t => {
  for (const pair of [new TransformStream(), new CompressionStream('gzip'), new TextDecoderStream()]) {
    const stage = webStage(pair)
    // Text that cannot be compressed: a compressor gives as much as it takes.
    const noise = Buffer.from(randomBytes(65_536).map(byte => byte & 127))
    let given = 0
    const source = new Readable({
      read() {
        given++
        this.push(noise)
      },
    })
    source.pipe(stage)
    t.ok((await settled(() => given)) < 100, `${streamName(stage)}: ${given} blocks`)
    source.destroy()
    stage.destroy()
    await closed(stage)
  }
})

t.test('nothing is left behind when it is destroyed in the middle', async t => {
  failOnWarning(t)
  const boom = new Error('boom')
  const never = () => new TransformStream({ transform: () => new Promise(() => {}) })
  for (const error of [undefined, boom])
    for (const [name, make, use] of [
      ['before it is used', () => new CompressionStream('gzip'), () => {}],
      ['while it is read', () => new CompressionStream('gzip'), (stage: Duplex) => stage.resume()],
      ['with a chunk in it', () => new CompressionStream('gzip'), (stage: Duplex) => stage.write('x')],
      ['with a chunk in it that never ends', never, (stage: Duplex) => stage.resume().write('x')],
      ['while it ends', never, (stage: Duplex) => stage.resume().end('x')],
    ] as const) {
      const pair: TransformStream = make()
      const stage = webStage(pair).on('error', () => {})
      use(stage)
      await settled(() => 0)
      stage.destroy(error)
      await closed(stage)
      t.equal(stage.errored, error ?? null, name)
    }
})

t.test('in the middle of a pipeline that fails', async t => {
  const boom = new Error('boom')
  const fail = () => {
    throw boom
  }
  const pair = new CompressionStream('gzip')
  const { error } = await run([pair, fail], Array(100).fill(text))
  t.equal(error, boom)
})

t.test('both streams of the pair are told why', async t => {
  const boom = new Error('boom')
  for (const error of [boom, undefined]) {
    const told: [string, unknown][] = []
    const stage = webStage({
      readable: new ReadableStream({ cancel: reason => void told.push(['cancel', reason]) }),
      writable: new WritableStream({ abort: reason => void told.push(['abort', reason]) }),
    }).on('error', () => {})
    stage.destroy(error)
    await closed(stage)
    await settled(() => told.length)
    t.same(told.sort(), [
      ['abort', error],
      ['cancel', error],
    ])
  }
})
