import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { flushable, many, none, stop } from 'stream-chain/defs.js'
import t from 'tap'
import { type Batch, type BatchFunction, blockBytes } from '../../../lib/formats/records.js'
import { Run, type RunOptions } from '../../../lib/stages/run.js'
import { runMeter } from '../../../lib/stats/meter.js'
import { cutEvery, settled, source } from '../pipes.js'

const error = new Error('the very error')
const tick = () => new Promise(resolve => setImmediate(resolve))
const never = new Promise<never>(() => {})
const same = (batch: Batch): unknown => batch
const leave = (batch: Batch) => (batch.length === 1 ? batch[0] : many(batch))

function runOf(functions: BatchFunction[], more: Partial<RunOptions> = {}): Run {
  return new Run({ functions: [...functions, leave], aborts: [], meter: runMeter([]), output: 'bytes', ...more })
}

/** What comes out of a run that is given these chunks. */
async function textOf(run: Run, chunks: string[]): Promise<string> {
  const output: Buffer[] = []
  await pipeline(source(chunks), run, async (read: AsyncIterable<Buffer>) => {
    for await (const chunk of read) output.push(chunk)
  })
  return Buffer.concat(output).toString()
}

/** A function that gives the same, by other means than a batch. */
const kinds: [string, (batch: Batch) => unknown][] = [
  ['a batch', same],
  ['a promise', async batch => batch],
  ['many', batch => many([batch])],
  [
    'a generator',
    function* (batch) {
      yield batch
    },
  ],
  [
    'an async generator',
    async function* (batch) {
      yield batch
    },
  ],
]

t.test('functions may return anything that the executor takes, in any order', async t => {
  for (const [first, one] of kinds) {
    for (const [second, other] of kinds) {
      t.equal(await textOf(runOf([one, other, same]), ['a', 'b', 'c']), 'abc', `${first}, then ${second}`)
    }
  }
  t.equal(await textOf(runOf([() => none]), ['a']), '', 'none')
  t.equal(await textOf(runOf([() => [Buffer.from('x'), Buffer.from('y')]]), ['a', 'b']), 'xyxy', 'several chunks')
})

t.test('the stream is in byte mode, with 64 KiB on each side', async t => {
  t.match(runOf([]), { readableObjectMode: false, writableObjectMode: false })
  t.match(runOf([]), { readableHighWaterMark: blockBytes, writableHighWaterMark: blockBytes })
  t.equal(blockBytes, 65_536)
})

t.test('a reader that pauses loses nothing', async t => {
  const text = Array.from({ length: 5000 }, (_, i) => `line ${i}\n`).join('')
  for (const [kind, write] of kinds) {
    const run = runOf([write])
    const chunks: Buffer[] = []
    run.on('data', chunk => {
      chunks.push(chunk)
      run.pause()
      setImmediate(() => run.resume())
    })
    source(cutEvery(1000, Buffer.from(text))).pipe(run)
    await once(run, 'end')
    t.ok(Buffer.concat(chunks).toString() === text, kind)
  }
})

t.test('what it has taken and not given is missing: one that passes all on misses nothing', async t => {
  for (const [functions, missing] of [
    [[same], 0],
    [[() => none], 3],
    [[(batch: Batch) => [...batch, ...batch]], 0],
    [[() => stop], Number.POSITIVE_INFINITY],
  ] as [BatchFunction[], number][]) {
    const run = runOf(functions)
    await new Promise(resolve => run.write('abc', resolve))
    t.equal(run.missing, missing)
    run.destroy()
  }
})

t.test('the end flushes the functions, each into those behind it', async t => {
  const ending = (name: string) =>
    flushable(
      (batch: Batch) => batch,
      () => [Buffer.from(name)],
    )
  const shout = (batch: Batch) => batch.map(chunk => Buffer.from(`${chunk}!`))
  t.equal(await textOf(runOf([ending('x'), shout, ending('y')]), ['a']), 'a!x!y')
})

t.test('a stop ends the output, and flushes what stands behind it', async t => {
  const count = { released: 0 }
  const release = async () => void count.released++
  const ending = flushable(same, () => [Buffer.from('end')])
  for (const [title, functions, chunks, expected] of [
    ['at once', [() => stop, ending], ['a', 'b'], 'end'],
    ['among others', [(batch: Batch) => many([batch, stop, batch]), ending], ['a', 'b'], 'aend'],
    ['in a flush', [flushable(same, (): unknown => stop), ending], ['a'], 'aend'],
    ['in a flush after a stop', [() => stop, flushable(same, (): unknown => stop), ending], ['a'], 'end'],
  ] as [string, BatchFunction[], string[], string][]) {
    count.released = 0
    t.equal(await textOf(runOf(functions, { aborts: [release] }), chunks), expected, title)
    t.equal(count.released, 1, `${title}: what was not flushed is released`)
  }
  const bad = () => {
    throw error
  }
  await t.rejects(textOf(runOf([() => stop, flushable(same, bad)]), ['a']), error, 'a flush behind it that fails')
})

t.test('behind a stop the source is discarded without keeping the event loop to itself', async t => {
  const run = runOf([() => stop])
  let taken = 0
  const endless = new Readable({ read: () => void endless.push(Buffer.alloc(1000, ++taken)) })
  endless.pipe(run).resume()
  await once(run, 'end')
  endless.unpipe(run).destroy()
  t.ok(taken < 1000, `${taken} chunks were taken`)
})

t.test('an error of a function is that of the stream', async t => {
  for (const [kind, wrap] of kinds) {
    const bad = () => {
      throw error
    }
    await t.rejects(textOf(runOf([wrap, bad]), ['a']), error, kind)
    await t.rejects(textOf(runOf([wrap, flushable(same, bad)]), ['a']), error, `${kind}, in the flush`)
  }
})

t.test('what precedes an error is delivered, and then it comes (G-10)', async t => {
  const bad = () => {
    throw error
  }
  const failing = {
    'a function': function* (batch: Batch) {
      yield batch
      bad()
    },
    'a flush': flushable(same, bad),
    'a flush behind a stop': flushable((batch: Batch) => batch, bad),
  }
  for (const [title, functions] of [
    ['a function', [failing['a function']]],
    ['a flush', [failing['a flush']]],
    ['a flush behind a stop', [(batch: Batch) => many([batch, stop]), failing['a flush behind a stop']]],
  ] as [string, BatchFunction[]][]) {
    for (const pauses of [false, true]) {
      const run = runOf(functions)
      let text = ''
      run.on('data', chunk => {
        text += chunk
        if (pauses) run.pause()
        setImmediate(() => run.resume())
      })
      run.end('a')
      t.same(await once(run, 'error').catch(reason => [reason]), [error], title)
      t.equal(text, 'a', title)
    }
    const sink = new PassThrough({ highWaterMark: 1 })
    let text = ''
    sink.on('data', chunk => {
      text += chunk
    })
    await t.rejects(pipeline(source(['a']), runOf(functions), sink), error, title)
    t.equal(text, 'a', `${title}, piped`)
  }
})

t.test('what still runs when the stream is destroyed is cancelled', async t => {
  for (const [title, reads] of [
    ['waiting for its reader', true],
    ['giving nothing', false],
  ] as const) {
    let given = 0
    const endless = async function* () {
      for (; ; given++) {
        await tick()
        yield reads ? [Buffer.alloc(blockBytes)] : none
      }
    }
    const run = runOf([endless])
    run.write('go')
    await settled(() => (reads ? given : Math.min(given, 3)))
    run.destroy()
    await once(run, 'close')
    await tick()
    const before = given
    await tick()
    await tick()
    t.equal(given, before, title)
  }
  let goOn = () => {}
  const waiting = runOf([() => new Promise<void>(resolve => (goOn = resolve)).then(() => [Buffer.from('late')])])
  waiting.write('go', () => goOn())
  waiting.destroy()
  goOn()
  await once(waiting, 'close')
  await tick()
  t.match(waiting, { errored: null, readableLength: 0 }, 'waiting for a promise')
  const stopping = runOf([() => stop, flushable(same, (): unknown => many(Array(9).fill([Buffer.alloc(blockBytes)])))])
  stopping.write('go')
  await settled(() => stopping.readableLength)
  stopping.destroy()
  await once(stopping, 'close')
  t.equal(stopping.errored, null, 'in the flush behind a stop')
})

t.test('a destroy releases what was not flushed, in order; the first failure counts', async t => {
  for (const [title, reason, failures, expected] of [
    ['no failure', undefined, [], null],
    ['a failure', undefined, [1], 'release 1'],
    ['two failures', undefined, [0, 1], 'release 0'],
    ['a failure after an error', error, [0], error.message],
  ] as [string, Error | undefined, number[], string | null][]) {
    const released: number[] = []
    const aborts = [0, 1, 2].map(i => async () => {
      await tick()
      released.push(i)
      if (failures.includes(i)) throw new Error(`release ${i}`)
    })
    const run = runOf([() => never], { aborts })
    run.on('error', () => {})
    run.write('a')
    run.destroy(reason)
    await once(run, 'close').catch(() => {})
    await settled(() => released.length)
    t.same(released, [0, 1, 2], title)
    t.equal(run.errored?.message ?? null, expected, title)
  }
})

t.test('in batches: object mode, one batch ahead', async t => {
  const run = new Run({ functions: [same], aborts: [], meter: runMeter([]), output: 'batches' })
  t.ok(run.readableObjectMode)
  t.equal(run.readableHighWaterMark, 1)
  t.same(await source(['a', 'bb']).pipe(run).toArray(), [[Buffer.from('a')], [Buffer.from('bb')]])
})
