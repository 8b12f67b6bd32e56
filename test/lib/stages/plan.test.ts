import { once } from 'node:events'
import { type Duplex, PassThrough, Transform, type TransformCallback } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'
import { many } from 'stream-chain/defs.js'
import t from 'tap'
import { compose } from '../../../lib/stages/compose.js'
import { type Context, defineTransform } from '../../../lib/stages/define.js'
import type { Step } from '../../../lib/stages/fuse.js'
import { partsOf, recipe, toParts } from '../../../lib/stages/parts.js'
import { plan } from '../../../lib/stages/plan.js'
import { eachJson, eachLine, type Stage } from '../../../lib/stages/stage.js'
import { runStats } from '../../../lib/stats/snapshot.js'
import { originOf } from '../../../lib/text/blame.js'
import { errorOf, planned, run, settled, textOf } from '../pipes.js'

const error = new Error('the very error')
const same = () => eachLine(line => line)
const upper = defineTransform({ name: 'upper', summary: 's', unit: 'line', create: () => line => line.toUpperCase() })

t.test('neighbouring functions are one stream, each Duplex is its own', async t => {
  const gzip = createGzip()
  const { streams, meters } = planned([upper(), same(), gzip, compose(same(), upper())])
  t.equal(streams.length, 3)
  t.equal(streams[1], gzip)
  t.strictSame(
    meters.map(({ stages }) => stages.map(({ name }) => name)),
    [['upper', 'stage 2'], ['Gzip'], ['stage 1', 'upper']],
  )
  t.equal(planned([compose(compose(same(), upper()), compose(same()))]).streams.length, 1, 'compose of compose is flat')
  t.match(plan([]), { streams: [], meters: [], makesLines: false, indivisible: [] })
})

t.test('stages are called by name', async t => {
  const { meters } = planned([
    function named(chunk: Buffer) {
      return chunk
    },
    (chunk: Buffer) => chunk,
    { write: (chunk: Buffer) => chunk },
    Object.assign({ write: (chunk: Buffer) => chunk }, { name: 'mine' }),
    Object.assign({ write: (chunk: Buffer) => chunk }, { name: 7 }),
  ])
  t.strictSame(
    meters[0]?.stages.map(({ name }) => name),
    ['named', 'stage 2', 'stage 3', 'mine', 'stage 5'],
  )
})

t.test('the signal of the context', async t => {
  const signals: AbortSignal[] = []
  const spy = (write: (chunk: Buffer) => unknown = chunk => chunk) =>
    defineTransform({
      name: 'spy',
      summary: 's',
      unit: 'bytes',
      create(_options, context: Context) {
        signals.push(context.signal)
        return write
      },
    })()
  const isAborted = () => settled(() => Number(signals.at(-1)?.aborted))

  await run([spy()], 'x')
  t.equal(await isAborted(), 1, 'is aborted after the end')
  await errorOf(
    [
      spy(),
      () => {
        throw error
      },
    ],
    'x',
  )
  t.equal(await isAborted(), 1, 'after an error')
  await errorOf(
    [
      spy(),
      createGzip(),
      () => {
        throw error
      },
    ],
    'x',
  )
  t.equal(await isAborted(), 1, 'after an error of another stream')
  const stream = compose(spy())
  stream.write('x')
  t.equal(await isAborted(), 0, 'not before')
  stream.destroy()
  t.equal(await isAborted(), 1, 'if it is destroyed')

  let finish = () => {}
  const slow = compose(
    createGzip(),
    spy(
      chunk =>
        new Promise(resolve => {
          finish = () => resolve(chunk)
        }),
    ),
  )
  slow.resume().end('x')
  await settled(() => Number(signals.length))
  t.equal(await isAborted(), 0, 'not while a stage still works, although the streams before it have ended')
  while (!slow.readableEnded) {
    finish()
    await new Promise(resolve => setImmediate(resolve))
  }
  t.equal(await isAborted(), 1)
})

t.test('the cap of a line is an option of the plan', async t => {
  t.equal(await textOf([same()], 'xxx\n', { maxRecord: 3 }), 'xxx\n')
  t.match(await errorOf([same()], 'xxxx\n', { maxRecord: 3 }), { code: 'ERR_RECORD_TOO_LONG' })
  t.equal(await textOf([same()], 'x'.repeat(2 ** 20)), 'x'.repeat(2 ** 20), '1 MiB if nothing is said')
  t.match(await errorOf([same()], 'x'.repeat(2 ** 20 + 1)), { code: 'ERR_RECORD_TOO_LONG', message: /1048576 bytes/ })
})

t.test('a plan knows whether text in whole lines comes out', async t => {
  for (const [title, stages, makesLines] of [
    ['bytes', [(chunk: Buffer) => chunk], false],
    ['lines', [same()], true],
    ['values', [eachJson(value => value)], true],
    ['a function behind lines', [same(), (line: string) => line], true],
    ['a Duplex behind lines', [same(), createGzip()], false],
    ['a function behind a Duplex', [same(), createGzip(), (chunk: Buffer) => chunk], false],
  ] as const) {
    t.equal(planned(stages as readonly Stage[]).makesLines, makesLines, title)
  }
})

t.test('the meters of a plan', async t => {
  const { meters } = await run([same(), createGzip(), createGunzip(), eachLine(line => many([line, line]))], 'a\nb\n')
  t.match(meters, [
    { bytesIn: 4, bytesOut: 4, stages: [{ recordsIn: 2, recordsOut: 2 }] },
    { bytesIn: 4, stages: [{ name: 'Gzip' }] },
    { bytesOut: 4, stages: [{ name: 'Gunzip' }] },
    { bytesIn: 4, bytesOut: 8, stages: [{ recordsIn: 2, recordsOut: 4 }] },
  ])
  for (const meter of meters) {
    const { waitingForInput, busy, waitingForOutput, over } = runStats(meter)
    t.ok(waitingForInput >= 0 && busy > 0 && waitingForOutput >= 0)
    t.ok(over, 'it has ended')
  }
})

t.test('a context that is given to a stage goes before that of the pipeline', async t => {
  const seen: unknown[] = []
  const create = (context: Context) => {
    seen.push(context.connection, context.signal)
    return (chunk: Buffer) => chunk
  }
  const part = recipe('spy', undefined, create, { context: { connection: undefined } })
  const info = { id: '1', number: 1, remote: '::1', port: 2, direction: 'reply' } as const
  for (const stream of plan([part], { connection: info }).streams) stream.destroy()
  t.equal(seen[0], undefined)
  t.type(seen[1], AbortSignal)
})

t.test('the meter of a transform that is a Duplex has its name', async t => {
  const zip = defineTransform({ name: 'zip', summary: 's', unit: 'bytes', create: () => createGzip() })
  t.match(planned([zip(), createGunzip()]).meters, [{ stages: [{ name: 'zip' }] }, { stages: [{ name: 'Gunzip' }] }])
})

t.test('create may give a pair of Web streams', async t => {
  const zip = defineTransform({ name: 'zip', summary: 's', unit: 'bytes', create: () => new CompressionStream('gzip') })
  t.match(planned([zip()]).meters, [{ stages: [{ name: 'zip' }] }])
  t.equal(await textOf([zip(), createGunzip()], 'a'), 'a')
})

t.test('what create gives is checked', async t => {
  for (const [body, what] of [
    [undefined, 'undefined'],
    [5, 'a number'],
    [{ flush() {} }, 'an object (Object)'],
  ] as const) {
    const wrong = defineTransform({ name: 'wrong', summary: 's', unit: 'line', create: () => body as never })
    const message = `wrong: create returned ${what}; expected a Duplex, a TransformStream, a function or { write, flush, destroy }`
    await t.rejects(textOf([wrong()], 'a'), { code: 'ERR_STAGE', message })
  }
})

t.test('a plan names the stages that cannot be ended in the middle', async t => {
  const whole = defineTransform({
    name: 'whole',
    summary: '',
    unit: 'bytes',
    indivisible: true,
    create: () => chunk => chunk,
  })
  const part = defineTransform({ name: 'part', summary: '', unit: 'bytes', create: () => new PassThrough() })
  const stages = [
    whole(),
    part(),
    compose(whole(), chunk => chunk),
    new PassThrough(),
    (chunk: unknown) => chunk,
    eachJson(value => value),
  ]
  t.same(plan(stages.flatMap(toParts)).indivisible, ['whole', 'whole', 'PassThrough', 'stage 6'])
})

t.test('a plan tells its stages that they are replaced', async t => {
  let signal: AbortSignal | undefined
  const stage = defineTransform({
    name: 'stage',
    summary: '',
    unit: 'bytes',
    create(_options, context) {
      signal = context.replaced
      return chunk => chunk
    },
  })
  const planned = plan([stage()].flatMap(toParts))
  t.notOk(signal?.aborted)
  planned.replace(false)
  t.ok(signal?.aborted)
})

t.test('the bytes of a character that a replaced line stage has a part of are kept for those in its place', async t => {
  for (const [keepRest, stages, rest] of [
    [true, [same()], [0xe2, 0x82]],
    [false, [same()], []],
    [true, [same(), new PassThrough()], [0xe2, 0x82]],
    [true, [new PassThrough(), same()], []],
    [true, [(chunk: Buffer) => chunk], []],
  ] as const) {
    const made = planned(stages as readonly Stage[])
    const [head] = made.streams as [Duplex]
    if (made.streams[1]) head.pipe(made.streams[1])
    made.streams.at(-1)?.resume()
    head.write(Buffer.of(0x61, 0xe2, 0x82))
    await settled(() => made.meters[0]?.bytesIn ?? 0)
    made.replace(keepRest)
    head.end()
    await once(made.streams.at(-1) as Duplex, 'end')
    t.same([...made.rest.bytes], rest)
  }
})

t.test('a Transform that ends while its input waits for room lets the stages before it end', async t => {
  const flush = (done: TransformCallback) => done(null, 'a trailer')
  const stage = new Transform({ highWaterMark: 1, transform: (chunk, _encoding, done) => done(null, chunk), flush })
  const [head] = planned([same(), stage]).streams as [Duplex, Duplex]
  head.pipe(stage)
  head.write('a line\n')
  head.end('one that is dropped, as the trailer is\n')
  await once(stage, 'readable')
  stage.push(null)
  const finished = once(stage, 'finish')
  t.equal(String(stage.read()), 'a line\n')
  stage.resume()
  await finished
})

t.test('a Transform that has ended well is asked for nothing more', async t => {
  const stage = new Transform({
    read() {
      this.push('x')
      this.push(null)
    },
    transform: (_chunk, _encoding, done) => done(),
  })
  t.equal(await textOf([stage], 'input'), 'x')
  t.equal(stage.errored, null)
})

t.test('a Transform is flushed once, and what that gives is the last of it', async t => {
  let flushes = 0
  const flush = (done: TransformCallback) => {
    flushes++
    done(null, ' and a trailer')
  }
  const stage = new Transform({ transform: (chunk, _encoding, done) => done(null, chunk), flush })
  t.equal(await textOf([stage], 'text'), 'text and a trailer')
  t.equal(flushes, 1)
})

t.test('a stream that throws, and one that emits what is no data, fail their pipeline (G-40)', async t => {
  const throwing = new Transform({
    transform() {
      throw error
    },
  })
  t.equal(await errorOf([throwing], 'x'), error)
  const values = (value: unknown) =>
    new Transform({ objectMode: true, transform: (_chunk, _encoding, done) => done(null, value) })
  for (const stages of [
    [values({}), same()],
    [values({}), new PassThrough()],
  ]) {
    const message = 'Transform emitted an object (Object); the next stage takes a Buffer, a Uint8Array or a string'
    t.match(await errorOf(stages, 'x'), { code: 'ERR_STAGE_RESULT', message })
  }
  t.equal(await textOf([values('text'), same()], 'x'), 'text')
  const serialize = new Transform({
    writableObjectMode: true,
    transform: (value, _encoding, done) => done(null, JSON.stringify(value)),
  })
  t.equal(await textOf([values({ a: 1 }), serialize], 'x'), '{"a":1}', 'two of them may pass values to each other')
})

t.test('an error of create has the stage that it comes from (G-42)', async t => {
  const boom = new Error('boom')
  const create = () => {
    throw boom
  }
  t.throws(() => plan([recipe('mine', undefined, create)]), boom)
  t.match(originOf(boom), { stage: 'mine' })
})

t.test('the steps of each stream are collected if somebody asks', async t => {
  const steps: Step[][] = []
  const { streams } = plan(partsOf([eachLine((line: string) => line), new PassThrough()]), { steps })
  t.same(
    steps.map(each => each.map(({ kind }) => kind)),
    [['decode', 'stage', 'encode'], ['stage']],
  )
  for (const stream of streams) stream.destroy()
})

t.test('a stage in a thread is a stream of its own, and keeps what is known of its output', async t => {
  const thread = { source: { path: './x.mjs' }, options: {} }
  const create = () => (line: string) => line
  const { streams, meters, makesLines } = plan([
    { ...recipe('bytes', 'bytes', create), thread },
    { ...recipe('lines', 'line', create), thread },
  ])
  t.equal(streams.length, 2)
  t.same(
    meters.map(({ stages }) => stages[0]?.name),
    ['bytes', 'lines'],
  )
  t.equal(makesLines, true)
  t.equal(plan([{ ...recipe('x', 'bytes', create), thread }]).makesLines, false)
})
