import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { many, none } from 'stream-chain/defs.js'
import t from 'tap'
import type { Unit } from '../../../lib/formats/records.js'
import { fuse, type Step } from '../../../lib/stages/fuse.js'
import { type FunctionStage, functionStage } from '../../../lib/stages/stage.js'
import { runStats } from '../../../lib/stats/snapshot.js'
import fc from '../../fast-check.js'
import { cutAt, cutEvery, cuts, type Input, settled, source } from '../pipes.js'
import { stoppedClock } from '../stats/stopped-clock.js'

type Write = (record: never) => unknown

/** A stage of a unit; without a unit a plain function. */
function stage(unit: Unit | undefined, write: Write = record => record, name = 'stage'): FunctionStage {
  return functionStage(write as (record: unknown) => unknown, name, unit)
}

async function textOf(stages: FunctionStage[], input: Input, maxRecord = 2 ** 20): Promise<string> {
  const chunks: Buffer[] = []
  await pipeline(source(input), fuse(stages, maxRecord).stream, async (output: AsyncIterable<Buffer>) => {
    for await (const chunk of output) chunks.push(chunk)
  })
  return Buffer.concat(chunks).toString()
}

const units = ['bytes', 'line', 'json'] as const

t.test('stages of any units compose in any order', async t => {
  const text = '{"a":"é😀"}\n[1,2]\n3\n'
  for (const a of units) {
    for (const b of units) {
      for (const c of units) {
        t.equal(
          await textOf([stage(a), stage(b), stage(c)], cutEvery(5, Buffer.from(text))),
          text,
          `${a} | ${b} | ${c}`,
        )
      }
    }
  }
})

t.test('identity of bytes and lines gives the very input, however it is cut', async t => {
  const texts = fc
    .array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\n', '\r\n', '\ufeff')))
    .map(parts => parts.join(''))
  const pairs = fc.array(fc.constantFrom('bytes' as const, 'line' as const), { minLength: 1, maxLength: 4 })
  await t.resolves(
    fc.assert(
      fc.asyncProperty(texts, cuts, pairs, async (text, positions, names) => {
        const stages = names.map(name => stage(name))
        return (await textOf(stages, cutAt(positions, Buffer.from(text)))) === text
      }),
    ),
  )
})

t.test('as many lines come out as came in, however many make a batch', async t => {
  for (const count of [1023, 1024, 1025, 2048, 3072]) {
    const text = 'a\n'.repeat(count)
    t.ok((await textOf([stage('line')], text)) === text, `${count} lines`)
    t.ok((await textOf([stage('json')], '1\n'.repeat(count))) === '1\n'.repeat(count), `${count} values`)
  }
})

t.test('a stage receives its unit, and a plain function that of the stage before it', async t => {
  for (const [title, stages, expected] of [
    ['bytes at the start', [stage(undefined)], [Buffer.from('1\n2')]],
    ['bytes', [stage('bytes')], [Buffer.from('1\n2')]],
    ['lines', [stage('line')], ['1', '2']],
    ['values', [stage('json')], [1, 2]],
    ['lines behind a stage of lines', [stage('line'), stage(undefined)], ['1', '2']],
    ['values behind a stage of values', [stage('json'), stage(undefined)], [1, 2]],
    ['what the function before gave', [stage('line', (line: string) => [line]), stage(undefined)], [['1'], ['2']]],
    [
      'a text that the function before gave',
      [stage(undefined, (chunk: Buffer) => chunk.toString()), stage(undefined)],
      ['1\n2'],
    ],
    [
      'bytes, although the one before gave a text',
      [stage('bytes', (chunk: Buffer) => chunk.toString()), stage('bytes')],
      [Buffer.from('1\n2')],
    ],
    ['lines of values', [stage('json', (value: number) => ({ value })), stage('line')], ['{"value":1}', '{"value":2}']],
    ['values of lines', [stage('line', line => `[${line}]`), stage('json')], [[1], [2]]],
    ['bytes of lines', [stage('line'), stage('bytes')], [Buffer.from('1\n'), Buffer.from('2')]],
  ] as const) {
    const received: unknown[] = []
    const spy = stages.at(-1) as FunctionStage
    await textOf([...stages.slice(0, -1), { ...spy, write: record => void received.push(record) }], '1\n2')
    t.strictSame(received, expected, title)
  }
})

t.test('what a plain function gives among records goes through bytes, as between two programs', async t => {
  const behindA = (value: unknown) => (line: string) => (line === 'a' ? value : line)
  for (const [title, write, input, lines] of [
    ['bytes that are lines', behindA(Buffer.from('x\ny\n')), 'a\nb\n', ['x', 'y', 'b']],
    ['bytes that are a part of a line', behindA(Buffer.from('x')), 'a\nb\n', ['xb']],
    ['a part of the last line', behindA(Buffer.from('x')), 'b\na', ['b', 'x']],
    ['a value', behindA({ x: 1 }), 'a\nb', ['{"x":1}', 'b']],
    ['null', behindA(null), 'a\nb', ['null', 'b']],
    ['nothing but lines', behindA('c'), 'a\nb', ['c', 'b']],
  ] as const) {
    const received: unknown[] = []
    const spy = stage('line', (line: string) => {
      received.push(line)
      return line
    })
    const output = await textOf([stage('line'), stage(undefined, write), spy], input)
    t.strictSame(received, lines, title)
    t.equal(output, lines.join('\n') + (input.endsWith('\n') ? '\n' : ''), title)
  }
  const later = [stage('line'), stage(undefined, behindA(Buffer.from('x'))), stage('line', line => `<${line}>`)]
  t.equal(await textOf(later, ['b\n', 'a\n', 'b\n', 'a\n']), '<b>\n<xb>\n<x>', 'from then on, also what comes later')
  const bytes = stage(undefined, () => Buffer.from('1 2 '))
  t.equal(
    await textOf([stage('json'), bytes, stage('json', (value: number) => value * 10)], '0 0'),
    '10\n20\n10\n20\n',
    'values',
  )
  const texts = stage('json', (value: number) => `"${value}"`)
  t.equal(await textOf([texts, stage('json', value => [value])], '1'), '["\\"1\\""]\n', 'a text is a value')
})

t.test('lines of one input are one chunk, and what a stage cut stays cut', async t => {
  const lengths = async (stages: FunctionStage[], input: string) => {
    const { stream } = fuse(stages, 100)
    const pushed: number[] = []
    stream.on('data', chunk => pushed.push(chunk.length)).end(input)
    await once(stream, 'end')
    return pushed
  }
  t.strictSame(await lengths([stage('line')], 'a\n'.repeat(1000)), [2000])
  t.strictSame(await lengths([stage('line'), stage('line')], 'a\n'.repeat(3000)), [2048, 2048, 1904])
  const cut = stage('bytes', () => many([Buffer.from('ab'), 'c', Buffer.from('def')]))
  t.strictSame(await lengths([cut], 'x'), [2, 1, 3])
})

t.test('empty chunks are nothing', async t => {
  t.equal(await textOf([stage('bytes', () => many([Buffer.alloc(0), 'a', '']))], 'x'), 'a')
  t.equal(await textOf([stage('bytes', () => Buffer.alloc(0))], ['x', 'y']), '')
  t.equal(await textOf([stage('bytes', () => none)], 'x'), '')
})

t.test('the cap of a record holds for every decoder', async t => {
  const long = 'x'.repeat(11)
  for (const [title, stages, input] of [
    ['of lines', [stage('line')], long],
    ['of values', [stage('json')], `"${long}"`],
    ['of lines behind another stage', [stage('bytes', () => long), stage('line')], 'x'],
    ['of lines behind what was mixed', [stage('line', () => Buffer.from(long)), stage('line')], 'x'],
  ] as const) {
    await t.rejects(textOf([...stages], input, 10), { code: 'ERR_RECORD_TOO_LONG' }, title)
  }
})

t.test('against a reader that has stalled, five stages take in less than 512 KiB', async t => {
  for (const [title, write] of [
    ['functions', (line: string) => line],
    ['async functions', async (line: string) => line],
    [
      'generators',
      function* (line: string) {
        yield line
      },
    ],
  ] as const) {
    const { stream, meter } = fuse(
      Array.from({ length: 5 }, () => stage('line', write)),
      2 ** 20,
    )
    let offered = 0
    const block = Buffer.alloc(65_536, `${'x'.repeat(79)}\n`)
    const endless = new Readable({
      read() {
        offered += block.length
        this.push(block)
      },
    })
    endless.pipe(stream)
    await settled(() => offered + meter.bytesIn)
    t.ok(offered > 0 && offered <= 512 * 1024, `${title}: ${offered} bytes`)
    endless.destroy()
    stream.destroy()
  }
})

t.test('the meter of a run counts bytes and records, and its times sum to its age', async t => {
  const clock = stoppedClock(t)
  const work = (time: number) => (line: string) => {
    clock.now += time
    return line === 'b' && time > 1 ? none : line
  }
  const { stream, meter } = fuse([stage('line', work(1), 'first'), stage('line', work(10), 'second')], 100)
  clock.now += 7
  t.match(runStats(meter), { waitingForInput: 7, busy: 0, waitingForOutput: 0, over: false })
  stream.resume().end('a\nb\nc')
  await once(stream, 'close')
  t.match(meter, { bytesIn: 5, bytesOut: 3, state: 'over' })
  clock.now += 100
  t.match(runStats(meter), {
    waitingForInput: 7,
    busy: 33,
    waitingForOutput: 0,
    over: true,
    stages: [
      { name: 'first', recordsIn: 3, recordsOut: 3, busy: 3, waitingForInput: 7, waitingForOutput: 30 },
      { name: 'second', recordsIn: 3, recordsOut: 2, busy: 30, waitingForInput: 10, waitingForOutput: 0 },
    ],
  })
})

t.test('a literal of a stage lets the decoder skip lines, which count as taken in', async t => {
  const grep = { ...stage('line', (line: string) => (line.includes('x') ? line : none), 'grep'), literal: 'x' }
  const { stream, meter } = fuse([grep], 2 ** 20)
  const output = source('a\nx\nb\nyx\nc').pipe(stream)
  t.equal(Buffer.concat(await output.toArray()).toString(), 'x\nyx\n')
  t.match(meter.stages, [{ recordsIn: 5, recordsOut: 2 }])
  t.equal(await textOf([stage('line'), grep], 'a\nx\n'), 'x\n', 'behind another line stage, too')
})

t.test('lines of JSON pass a stage that copies values, which count one by one', async t => {
  const seen: unknown[] = []
  const see = (value: unknown) => {
    seen.push(Buffer.isBuffer(value) ? value.toString() : value)
    return value
  }
  const copier = { ...stage('json', see, 'json'), copies: true, encode: (value: unknown) => JSON.stringify(value) }
  const text = '{ "a": 1 }\n{ "a": 2 }\n3\n\n1.0\n"b"'
  const expected = '{"a":1}\n{"a":2}\n3\n1\n"b"\n'
  const { stream, meter } = fuse([copier], 2 ** 20)
  t.equal(Buffer.concat(await source(text).pipe(stream).toArray()).toString(), expected)
  t.strictSame(seen, [{ a: 1 }, '{"a":2}\n3\n', 1, 'b'])
  t.match(meter.stages, [{ recordsIn: 5, recordsOut: 5 }])
  for (const next of [stage('bytes'), stage('line')]) t.equal(await textOf([copier, next], text), expected)
  t.equal(seen.filter(value => value === '{"a":2}\n3\n').length, 3, 'also where the next stage takes bytes or lines')
  for (const next of [stage('json', see), stage(undefined, see)]) await textOf([copier, next], text)
  await source(text)
    .pipe(fuse([copier], 2 ** 20, 'batches').stream)
    .toArray()
  await textOf([{ ...copier, copies: false }], text)
  t.equal(seen.filter(value => value === '{"a":2}\n3\n').length, 3, 'but not where somebody gets the values')
})

t.test('what becomes of the memory of a chunk: as its first stages say, and codecs copy', async t => {
  const passing = { ...stage(undefined), memory: 'passes' } as const
  const releasing = { ...stage('bytes'), memory: 'releases' } as const
  for (const [stages, expected] of [
    [[passing], 'passes'],
    [[passing, { ...passing, unit: 'bytes' }], 'passes'],
    [[passing, releasing, stage('bytes')], 'releases'],
    [[passing, stage(undefined), releasing], undefined],
    [[stage('line')], 'releases'],
    [[passing, stage('json'), stage(undefined)], 'releases'],
    [[stage('bytes'), stage('line')], undefined],
  ] as [FunctionStage[], string | undefined][])
    t.equal(fuse(stages, 2 ** 20).stream.memory, expected)
})

t.test('how a stage encodes its records counts for what stands behind it', async t => {
  const quoted = { ...stage('json'), encode: (value: unknown) => JSON.stringify(value) }
  const length = (line: string) => `${line} ${line.length}`
  t.equal(await textOf([quoted], '"a"'), '"a"\n')
  t.equal(await textOf([quoted, stage('line', length)], '"a"'), '"a" 3\n')
  t.equal(await textOf([quoted, stage(undefined, length)], '"a"'), 'a 1\n', 'a plain function gets the value')
  t.equal(await textOf([stage('json')], '"a"'), 'a\n', 'a string is a line otherwise')
})

t.test('in batches: object mode, one batch ahead', async t => {
  const { stream } = fuse([stage('line'), stage(undefined, (line: string) => line.length)], 2 ** 20, 'batches')
  t.ok(stream.readableObjectMode)
  t.equal(stream.readableHighWaterMark, 1)
  t.same(await source('a\nbb').pipe(stream).toArray(), [[1], [2]])
})

t.test('a stage with something to release is released if the stream is destroyed', async t => {
  let released = 0
  const { stream } = fuse([stage('line'), { ...stage('line'), abort: () => void released++ }], 2 ** 20)
  stream.destroy()
  await once(stream, 'close')
  t.equal(released, 1)
})

t.test('the values before one that cannot be written come first (G-10)', async t => {
  const give = (line: string) => (line === 'bad' ? 1n : line === 'bytes' ? Buffer.from('b\n') : line)
  for (const input of ['a\nbytes\nbad\nc\n', 'a\nbad\nc\n']) {
    for (const chunks of [[input], cutEvery(1, Buffer.from(input))]) {
      const given: Buffer[] = []
      const { stream } = fuse([stage('line', give as Write), stage('line')], 100)
      stream.on('data', chunk => given.push(chunk))
      source(chunks).pipe(stream)
      t.match(await once(stream, 'error'), [{ code: 'ERR_STAGE_RESULT' }])
      t.equal(String(Buffer.concat(given)), input.includes('bytes') ? 'a\nb\n' : 'a\n')
    }
  }
})

t.test('the steps are collected if somebody asks: stages, and the codecs before, between and after them', async t => {
  const steps: Step[] = []
  fuse([stage('bytes'), stage('line'), stage('line'), stage('json')], 100, 'bytes', undefined, steps)
  t.same(
    steps.map(({ kind, unit }) => `${kind} ${unit}`),
    [
      'stage bytes',
      'decode line',
      'stage line',
      'recode line',
      'stage line',
      'encode line',
      'decode json',
      'stage json',
      'encode json',
    ],
  )
  const same: Step[] = []
  fuse([stage('bytes'), stage('bytes')], 100, 'bytes', undefined, same)
  t.same(
    same.map(({ kind }) => kind),
    ['stage', 'stage'],
  )
})
