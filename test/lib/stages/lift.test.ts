import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { finalValue, flushable, many, none, stop } from 'stream-chain/defs.js'
import t from 'tap'
import { eachJson, eachLine, type Stage } from '../../../lib/stages/stage.js'
import { originOf } from '../../../lib/text/blame.js'
import { errorOf, fused, run, settled, textOf } from '../pipes.js'

const error = new Error('the very error')
const tick = () => new Promise(resolve => setImmediate(resolve))
const never = new Promise<never>(() => {})
const same = () => eachLine(line => line)

t.test('every kind of function makes the same of the same lines', async t => {
  for (const [title, stage] of [
    ['many', eachLine(line => many([`<${line}>`, line]))],
    ['a promise', eachLine(async line => many([`<${line}>`, line]))],
    ['a promise of later', eachLine(line => tick().then(() => many([`<${line}>`, line])))],
    ['a generator', eachLine(generator)],
    ['an async generator', eachLine(asyncGenerator)],
    ['a generator of promises', eachLine(promises)],
    [
      'a generator of generators',
      eachLine(function* (line) {
        yield generator(line)
      }),
    ],
    ['a promise of a generator', eachLine(async line => generator(line))],
    ['many in many', eachLine(line => many([many([generator(line), many([])]), none, undefined]))],
    ['an iterator without return', eachLine(line => iterator([`<${line}>`, line]))],
    ['an async iterator without return', eachLine(line => asyncIterator([`<${line}>`, line]))],
    ['now a value, now a promise', eachLine(changing())],
    ['an object', { write: (line: string) => many([`<${line}>`, line]), flush: () => none, destroy() {} }],
    [
      'a flushable',
      eachLine(
        flushable(
          (line: string) => many([`<${line}>`, line]),
          () => none as never,
        ),
      ),
    ],
  ] as const) {
    t.equal(await textOf([same(), stage], 'a\nb\nc'), '<a>\na\n<b>\nb\n<c>\nc', title)
  }
})

function* generator(line: string) {
  yield `<${line}>`
  yield line
}

async function* asyncGenerator(line: string) {
  yield `<${line}>`
  await tick()
  yield line
}

function* promises(line: string) {
  yield tick().then(() => `<${line}>`)
  yield tick().then(() => none)
  yield line
}

function iterator(values: string[]) {
  return { next: () => ({ done: values.length === 0, value: values.shift() }) }
}

function asyncIterator(values: string[]) {
  const { next } = iterator(values)
  return { next: async () => next() }
}

function changing() {
  let count = 0
  return (line: string) => (count++ % 2 === 0 ? many([`<${line}>`, line]) : Promise.resolve(generator(line)))
}

t.test('what a function gives back', async t => {
  const json = (value: unknown) => eachJson(() => value)
  for (const [title, stage, output] of [
    ['none drops', json(none), ''],
    ['undefined drops', json(undefined), ''],
    ['a promise of none drops', json(Promise.resolve(none)), ''],
    ['a promise of undefined drops', json(Promise.resolve()), ''],
    ['null is a value', json(null), 'null\nnull\n'],
    ['so is null of a promise', json(Promise.resolve(null)), 'null\nnull\n'],
    ['and null in many', json(many([null])), 'null\nnull\n'],
    ['a number behind a line', eachLine(line => line.length), '3\n'],
    ['an array is a value', json([1, [2]]), '[1,[2]]\n[1,[2]]\n'],
    [
      'an object with then that is no function',
      json(JSON.parse('{"then":1,"next":2}')),
      '{"then":1,"next":2}\n{"then":1,"next":2}\n',
    ],
    ['an empty text is an empty line', eachLine(() => ''), '\n'],
    ['bytes among lines', eachLine(line => many([line, Buffer.from('bytes'), line])), '1 2\nbytes1 2\n'],
    ['bytes of a stage of bytes', (chunk: Buffer) => new Uint8Array(chunk), '1 2\n'],
    ['a text of a stage of bytes', (chunk: Buffer) => chunk.toString('hex'), '3120320a'],
  ] as const) {
    t.equal(await textOf([stage as Stage], '1 2\n'), output, title)
  }
})

t.test('what a function must not give back is refused in words, with its name', async t => {
  const bytes = (value: unknown) => ({ name: 'mine', write: () => value })
  const only = '; a stage of bytes gives a Buffer, a Uint8Array or a string'
  const final = 'finalValue, which is not supported: return the value itself'
  for (const [stage, message] of [
    [bytes(1), `mine returned a number${only}`],
    [bytes(null), `mine returned null${only}`],
    [bytes(new Date()), `mine returned an object (Date)${only}`],
    [bytes(Object.create(null)), `mine returned an object (no class)${only}`],
    [bytes(Promise.resolve(true)), `mine returned a boolean${only}`],
    [bytes(many([1])), `mine returned a number${only}`],
    [bytes(finalValue(1)), `mine returned ${final}${only}`],
    [() => 1, `stage 1 returned a number${only}`],
    [
      eachLine(function cut() {
        return finalValue('a')
      }),
      `cut returned ${final}`,
    ],
    [eachLine(async () => many([finalValue('a')])), `stage 1 returned ${final}`],
  ] as const) {
    t.match(await errorOf([stage as Stage], 'a'), { code: 'ERR_STAGE_RESULT', message })
  }
})

t.test('stop: everything before it arrives, nothing behind it', async t => {
  const stopAt = (last: string) => (line: string) => (line === last ? many([line, stop, 'never']) : line)
  for (const [title, stage] of [
    ['of a function', (line: string) => (line === 'd' ? stop : line)],
    ['of a promise', async (line: string) => (line === 'd' ? stop : line)],
    ['of a promise of later', (line: string) => tick().then(() => (line === 'd' ? stop : line))],
    ['in many', stopAt('c')],
    [
      'in a generator',
      function* (line: string) {
        yield stopAt('c')(line)
      },
    ],
    [
      'in an async generator',
      async function* (line: string) {
        yield stopAt('c')(line)
      },
    ],
  ] as const) {
    const seen: string[] = []
    const before = eachLine(line => line)
    const behind = eachLine(line => {
      seen.push(line)
      return line
    })
    t.equal(await textOf([before, eachLine<unknown>(stage), behind], 'a\nb\nc\nd\ne'), 'a\nb\nc\n', title)
    t.strictSame(seen, ['a', 'b', 'c'])
  }
  t.equal(await textOf([eachLine(() => stop)], 'a\nb'), '', 'at once')
  t.equal(
    await textOf([eachLine(line => (line === 'b' ? many([line, stop]) : line))], 'a\nb'),
    'a\nb',
    'at the last line',
  )
})

t.test('stop ends the output while the input goes on', async t => {
  const stream = fused([eachLine(line => (line === 'b' ? stop : line))])
  stream.write('a\nb\nc\n')
  t.equal(String(await read(stream)), 'a\n')
  await new Promise(resolve => stream.write('more\n', resolve))
  t.notOk(stream.destroyed)
  stream.destroy()
})

async function read(stream: Duplex): Promise<string> {
  const chunks: Buffer[] = []
  stream.on('data', chunk => chunks.push(chunk))
  await once(stream, 'end')
  return Buffer.concat(chunks).toString()
}

t.test('an async stage has one call at a time, and order is kept', async t => {
  let running = 0
  const most: number[] = []
  const work = async (line: string) => {
    most.push(++running)
    for (let i = Number(line); i > 0; i--) await tick()
    running--
    return line
  }
  t.equal(await textOf([same(), eachLine(work)], '5\n0\n3\n1\n'), '5\n0\n3\n1\n')
  t.strictSame(most, [1, 1, 1, 1])
})

t.test('output is delivered as soon as it is there', async t => {
  const waits = (line: string) => (line === 'wait' ? never : line)
  for (const [title, ...stages] of [
    ['of a function', eachLine(waits)],
    ['of an async function', eachLine(async line => waits(line))],
    [
      'of a generator',
      eachLine(function* (line) {
        yield waits(line)
      }),
    ],
    [
      'of an async generator',
      eachLine(async function* (line) {
        yield await waits(line)
      }),
    ],
    [
      'of a generator that waits after its first line',
      eachLine(function* (line) {
        yield line
        yield never
      }),
    ],
    ['of many', eachLine(line => many([line, never]))],
    ['through stages behind it', eachLine(waits), same(), eachLine(async line => line)],
  ] as const) {
    const stream = fused(stages)
    stream.write('first\nwait\nbehind\n')
    t.equal(String((await once(stream, 'data'))[0]), 'first\n', title)
    stream.destroy()
  }
})

t.test('against a reader that has stalled, little is made', async t => {
  for (const [title, line, limit] of [
    ['lines of 100 bytes', 'x'.repeat(100), 3000],
    ['empty lines', '', 80_000],
    ['long lines', 'x'.repeat(100_000), 3],
  ] as const) {
    let made = 0
    const make = function* () {
      for (; made < 1e6; made++) yield line
    }
    const stream = fused([eachLine(make), same(), same()])
    stream.write('go\n')
    t.ok((await settled(() => made)) <= limit, `${title}: ${made}`)
    stream.destroy()
  }
})

t.test('a function that makes much of little makes it in parts', async t => {
  let made = 0
  const stream = fused([
    eachLine(() => {
      made++
      return 'x'.repeat(100_000)
    }),
  ])
  stream.write('\n'.repeat(1000))
  t.ok((await settled(() => made)) <= 8, String(made))
  stream.end()
  t.equal((await read(stream)).length, 100_001_000)
  t.equal(made, 1000)
})

/** Stages that fail at the line `bad`. */
const failing: [string, Stage][] = [
  ['thrown by a function', eachLine(line => fail(line))],
  ['rejected by an async function', eachLine(async line => fail(line))],
  ['rejected later', eachLine(line => tick().then(() => fail(line)))],
  [
    'thrown by a generator',
    eachLine(function* (line) {
      yield fail(line)
    }),
  ],
  [
    'thrown by an async generator',
    eachLine(async function* (line) {
      yield fail(line)
    }),
  ],
  [
    'rejected in a generator',
    eachLine(function* (line) {
      yield tick().then(() => fail(line))
    }),
  ],
  ['rejected in many', eachLine(line => many([tick().then(() => fail(line))]))],
  ['thrown behind a promise', eachLine(line => (line === 'good' ? Promise.resolve(line) : fail(line)))],
  ['thrown by an object', { write: (chunk: unknown) => fail(chunk) }],
]

let thrown: unknown = error
function fail(line: unknown): unknown {
  if (!String(line).includes('bad')) return line
  throw thrown
}

t.test('an error destroys the stream with that very error', async t => {
  for (const [title, stage] of failing) {
    t.equal(await errorOf([same(), stage, same()], ['good\n', 'bad\n', 'good\n']), error, title)
    const stream = fused([stage])
    stream.write('good\n')
    t.equal(String((await once(stream, 'data'))[0]), 'good\n', 'what was delivered before stays')
    stream.write('bad\n')
    t.equal((await once(stream, 'error'))[0], error)
    t.ok(stream.destroyed)
  }
})

t.test('the results before an error of the same batch are delivered first (G-10)', async t => {
  const values: [string, (line: string) => unknown][] = [
    ['thrown', line => (line === 'bad' ? fail(line) : line)],
    ['thrown after a promise', line => (line === 'bad' ? fail(line) : line === 'two' ? Promise.resolve(line) : line)],
    ['rejected', line => (line === 'bad' ? Promise.reject(error) : line)],
    ['a result that is not allowed', line => (line === 'bad' ? finalValue(line) : line)],
    [
      'thrown by a generator',
      function* (line) {
        yield line
        if (line === 'two') fail('bad')
      },
    ],
  ]
  for (const [title, write] of values) {
    for (const chunks of [['one\ntwo\nbad\nfour\n'], ['one\n', 'two\n', 'bad\n']]) {
      const { text, error } = await run([eachLine(write)], chunks)
      t.equal(text, 'one\ntwo\n', title)
      t.ok(error, title)
    }
  }
})

t.test('nothing is an error, too', async t => {
  for (const [nothing, message] of [
    [undefined, / threw undefined$/],
    [null, / threw null$/],
    ['', / threw $/],
    [0, / threw 0$/],
  ] as const) {
    thrown = nothing
    for (const [title, stage] of failing)
      t.match(await errorOf([stage], 'bad\n'), { code: 'ERR_STAGE', message }, title)
    const flush = { name: 'flush', write: () => none, flush: () => fail('bad') }
    t.match(await errorOf([flush], 'x'), { code: 'ERR_STAGE', message }, 'thrown by a flush')
  }
  thrown = error
})

t.test('what the flush gives comes behind the last record', async t => {
  for (const [title, flush, output] of [
    ['a value', () => 'end', '<a\n<b\nend\n'],
    ['nothing', () => {}, '<a\n<b\n'],
    ['none', () => none, '<a\n<b\n'],
    ['null', () => null, '<a\n<b\nnull\n'],
    ['a promise', async () => 'end', '<a\n<b\nend\n'],
    ['many', () => many(['x', 'y']), '<a\n<b\nx\ny\n'],
    ['a promise of many', async () => many(['x', tick().then(() => 'y')]), '<a\n<b\nx\ny\n'],
    [
      'a generator',
      function* () {
        yield* ['x', 'y']
      },
      '<a\n<b\nx\ny\n',
    ],
    [
      'an async generator',
      async function* () {
        yield* ['x', 'y']
      },
      '<a\n<b\nx\ny\n',
    ],
    ['stop', () => many(['x', stop, 'y']), '<a\n<b\nx\n'],
  ] as const) {
    for (const destroy of [undefined, () => {}]) {
      const stage = { write: (line: string) => `<${line}`, flush, ...(destroy && { destroy }) }
      t.equal(
        await textOf([same(), stage, same()], 'a\nb\n'),
        output,
        `${title}, ${destroy ? 'with' : 'without'} destroy`,
      )
    }
    const write = (line: string) => `<${line}`
    t.equal(await textOf([same(), flushable(write, flush as never), same()], 'a\nb\n'), output, `${title}, a flushable`)
  }
  t.equal(await textOf([{ write: () => none, flush: () => 'end' }], ''), 'end', 'without any input')
  t.equal(
    await textOf([same(), { write: (line: string) => line, flush: () => 'end' }], 'a'),
    'a\nend',
    'the last line had no LF',
  )
})

/** A stage with cleaning up to do, and the number of times that it was done. */
function releasing(more: object = {}) {
  const stage = {
    count: 0,
    name: 'releasing',
    write: (line: unknown) => line,
    destroy: () => void stage.count++,
    ...more,
  }
  return stage
}

/** As a flushable: its end has run, or abort is called. */
function aborting() {
  const state = { count: 0 }
  const end = () => {
    state.count++
    return none
  }
  return Object.assign(
    flushable(
      (line: unknown) => line,
      end,
      () => void state.count++,
    ),
    { state },
  )
}

const wrong = eachLine(() => fail('bad'))
const wrongEnd = { write: (line: unknown) => line, flush: () => fail('bad') }
const stopping = eachLine(() => many(['x', stop]))

t.test('destroy is called once', async t => {
  for (const [title, around, more, expected] of [
    ['at the end', (stage: Stage) => [same(), stage, same()], {}, undefined],
    ['without flush', (stage: Stage) => [stage], { flush: undefined }, undefined],
    ['behind a flush that is many', (stage: Stage) => [stage], { flush: () => many(['x', 'y']) }, undefined],
    ['behind a flush that stops', (stage: Stage) => [stage], { flush: () => stop }, undefined],
    ['behind a flush that is slow', (stage: Stage) => [stage], { flush: async () => tick() }, undefined],
    ['if it fails itself', (stage: Stage) => [stage], { write: () => fail('bad') }, error],
    ['if its flush throws', (stage: Stage) => [stage], { flush: () => fail('bad') }, error],
    ['if its flush rejects', (stage: Stage) => [stage], { flush: async () => fail('bad') }, error],
    [
      'if its flush fails late',
      (stage: Stage) => [stage],
      {
        flush: function* () {
          yield 'x'
          yield fail('bad')
        },
      },
      error,
    ],
    ['if a stage before it fails', (stage: Stage) => [wrong, stage], {}, error],
    ['if a stage behind it fails', (stage: Stage) => [stage, wrong], {}, error],
    ['if the flush before it fails', (stage: Stage) => [wrongEnd, stage], {}, error],
    ['if the flush behind it fails', (stage: Stage) => [stage, wrongEnd], {}, error],
    [
      'if what its flush gives makes another fail',
      (stage: Stage) => [stage, eachLine(fail)],
      { flush: () => 'bad' },
      error,
    ],
    ['if it stops', (stage: Stage) => [stage], { write: () => stop }, undefined],
    ['if a stage before it stops', (stage: Stage) => [stopping, stage], {}, undefined],
    ['if a stage behind it stops', (stage: Stage) => [stage, stopping], {}, undefined],
  ] as const) {
    const stage = releasing(more)
    t.equal(await errorOf(around(stage as never), ['a\n', 'b\n']), expected, title)
    t.equal(stage.count, 1, `${title}: ${stage.count}`)
    if (Object.keys(more).length > 0) continue
    const flushed = aborting()
    t.equal(await errorOf(around(flushed as never), ['a\n', 'b\n']), expected, `${title}, a flushable`)
    t.equal(flushed.state.count, 1, `${title}: ${flushed.state.count}`)
  }
})

t.test('destroy is called once if the stream is destroyed', async t => {
  for (const [title, more, start] of [
    ['before the first chunk', {}, () => {}],
    ['between two chunks', {}, (stream: Duplex) => stream.write('a\n')],
    ['while a write is under way', { write: () => never }, (stream: Duplex) => stream.write('a\n')],
    ['while its reader has stalled', { write: endless }, (stream: Duplex) => stream.write('a\n')],
    ['while a flush is under way', { flush: () => never }, (stream: Duplex) => stream.end('a\n')],
    ['while a flush waits for its reader', { flush: endless }, (stream: Duplex) => stream.end('a\n')],
    ['while a flush waits between two records', { flush: waiting }, (stream: Duplex) => stream.end('a\n')],
  ] as const) {
    for (const reason of [undefined, error]) {
      const stage = releasing(more)
      const stream = fused([stage as never])
      stream.on('error', () => {})
      start(stream)
      await tick()
      stream.destroy(reason)
      await once(stream, 'close').catch(() => {})
      await tick()
      t.equal(stage.count, 1, `${title}${reason ? ' with an error' : ''}: ${stage.count}`)
    }
  }
})

function* endless() {
  while (true) yield 'x'.repeat(1000)
}

async function* waiting() {
  yield 'x'
  await never
}

t.test('the end waits for destroy, and an error of destroy is one', async t => {
  let released = false
  const slow = releasing({
    destroy: () =>
      tick().then(() => {
        released = true
      }),
  })
  await textOf([slow as never], 'a')
  t.ok(released)
  for (const destroy of [() => fail('bad'), async () => fail('bad')])
    t.equal(await errorOf([releasing({ destroy }) as never], 'a'), error)
})

t.test('an error of destroy is one also if the stream is destroyed, but hides none before it', async t => {
  for (const [reason, thrownBefore, expected] of [
    [undefined, error, { message: error.message }],
    [undefined, undefined, { code: 'ERR_STAGE', message: /releasing threw undefined/ }],
    [new Error('before'), error, { message: 'before' }],
  ] as const) {
    thrown = thrownBefore
    const stream = fused([releasing({ destroy: () => fail('bad') }) as never])
    stream.destroy(reason)
    t.match(await once(stream, 'error'), [expected])
  }
  thrown = error
})

t.test("a generator's finally runs", async t => {
  for (const [title, behind, act] of [
    ['at its end', [], (stream: Duplex) => stream.resume()],
    ['if the stream is destroyed', [], (stream: Duplex) => stream.destroy()],
    ['if the stream is destroyed with an error', [], (stream: Duplex) => stream.destroy(error)],
    ['if a stage behind it fails', [wrong], () => {}],
    ['if a stage behind it stops', [stopping], (stream: Duplex) => stream.resume()],
  ] as const) {
    for (const isAsync of [false, true]) {
      let ran = 0
      const lines = function* () {
        try {
          for (let i = 0; i < 1000; i++) yield 'x'.repeat(1000)
        } finally {
          ran++
        }
      }
      const asyncLines = async function* () {
        yield* lines()
      }
      const stream = fused([eachLine<unknown>(isAsync ? asyncLines : lines), ...behind])
      stream.on('error', () => {})
      stream.write('go\n')
      await tick()
      act(stream)
      await settled(() => ran)
      t.equal(ran, 1, `${title}${isAsync ? ', async' : ''}`)
      stream.destroy()
    }
  }
})

t.test('an error in a finally does not hide the one before', async t => {
  const other = new Error('in finally')
  const badly = () => {
    throw other
  }
  for (const stage of [
    eachLine(function* () {
      try {
        yield 'bad'
        yield never
      } finally {
        badly()
      }
    }),
    eachLine(async function* () {
      try {
        yield 'bad'
        yield 'more'
      } finally {
        badly()
      }
    }),
    eachLine(async function* () {
      try {
        yield 'bad'
      } finally {
        badly()
      }
    }),
  ]) {
    t.equal(await errorOf([stage, eachLine(fail)], 'go\n'), error)
  }
  t.equal(
    await errorOf(
      [
        eachLine(function* () {
          try {
            yield 'x'
          } finally {
            badly()
          }
        }),
      ],
      'go\n',
    ),
    other,
    'alone it is told',
  )
})

t.test('a result that throws when it is looked at is an error of its stage, after what precedes it (G-53)', async t => {
  const boom = new Error('looked at')
  const get = () => {
    throw boom
  }
  for (const [title, result] of [
    ['then', Object.defineProperty({}, 'then', { get })],
    ['next', Object.defineProperty({}, 'next', { get })],
    ['a Proxy of bytes', new Proxy(Buffer.from('x'), { get })],
    ['a Proxy', new Proxy({}, { getPrototypeOf: get })],
  ] as const) {
    const stage = eachLine(function own(line) {
      return line === 'bad' ? result : line
    })
    const ran = await run([same(), stage], 'one\nbad\nthree\n')
    t.equal(ran.text, 'one\n', title)
    t.equal(ran.error, boom, title)
    t.equal(originOf(boom)?.stage, 'own', title)
  }
})

t.test('a promise that rejects before its turn comes is no unhandled rejection', async t => {
  const large = 'x'.repeat(100_000)
  for (const [title, stage] of [
    ['while the reader has stalled', eachLine(line => (line === 'bad' ? Promise.reject(error) : large))],
    [
      'of an async generator',
      eachLine(async function* (line) {
        yield large
        yield fail(line)
      }),
    ],
    [
      'behind another in many',
      eachLine(line => many([tick().then(() => large), line === 'bad' ? Promise.reject(error) : line])),
    ],
  ] as const) {
    const stream = fused([stage])
    stream.write('good\ngood\nbad\n')
    for (let i = 0; i < 20; i++) await tick()
    stream.resume()
    t.equal((await once(stream, 'error'))[0], error, title)
  }
  const stream = fused([
    {
      write: (chunk: Buffer) => {
        stream.destroy()
        return Promise.reject(chunk)
      },
    },
  ])
  stream.write('x')
  await once(stream, 'close')
  for (let i = 0; i < 20; i++) await tick()
})

t.test('meters count records, and time while a stage works or waits', async t => {
  const { meters } = await run(
    [
      eachLine(line => (line === 'b' ? none : line)),
      eachLine(async line => many([line, await tick().then(() => line)])),
      releasing({ flush: () => 'end' }) as never,
    ],
    'a\nb\nc\n',
  )
  t.match(meters[0]?.stages, [
    { recordsIn: 3, recordsOut: 2 },
    { recordsIn: 2, recordsOut: 4 },
    { recordsIn: 4, recordsOut: 5 },
  ])
  for (const { busy } of meters[0]?.stages ?? []) t.ok(busy >= 0 && busy < 60_000)
  t.ok((meters[0]?.stages[1]?.busy as number) > 0)
})

t.test('an error has the stage that it comes from, however it comes (G-42)', async t => {
  const boom = () => new Error('boom')
  const raise = (thrown: unknown) => {
    throw thrown
  }
  for (const [title, write] of [
    ['thrown', () => raise(boom())],
    ['rejected', async () => raise(boom())],
    [
      'thrown by a generator',
      // biome-ignore lint/correctness/useYield: it throws before
      function* () {
        raise(boom())
      },
    ],
    ['a text', () => raise('boom')],
    ['a wrong result', () => finalValue('x')],
  ] as [string, () => unknown][]) {
    const stages = [same(), Object.assign({ write: (_chunk: Buffer) => write() }, { name: 'mine' }), same()]
    const failed = await errorOf(stages as Stage[], 'x')
    t.match(originOf(failed), { stage: 'mine' }, title)
  }
})
