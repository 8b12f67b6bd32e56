import { PassThrough } from 'node:stream'
import { pino } from 'pino'
import t from 'tap'
import { compose } from '../../../lib/stages/compose.js'
import { openContext } from '../../../lib/stages/context.js'
import {
  bytes,
  type Context,
  defineTransform,
  duration,
  flag,
  integer,
  none,
  regexp,
  text,
} from '../../../lib/stages/define.js'
import { plan } from '../../../lib/stages/plan.js'
import { TcpPipeError } from '../../../lib/text/errors.js'
import { run, textOf } from '../pipes.js'

const definition = {
  name: 'find-lines',
  summary: 'keep the lines that match',
  unit: 'line',
  options: {
    pattern: regexp('what to find', { positional: true, required: true }),
    invert: flag('the others'),
    limit: integer('at most', { min: 1, default: 3 }),
    label: text('before each line'),
  },
} as const

const created: object[] = []
const findLines = defineTransform({
  ...definition,
  create(options) {
    created.push(options)
    const { pattern, invert, label = '' } = options
    return line => (pattern.test(line) === invert ? none : `${label}${line}`)
  },
})

t.test('a transform is called as a function and gives a stream', async t => {
  t.equal(findLines.name, 'find-lines')
  t.match(findLines.definition, definition)
  t.type(findLines({ pattern: /x/ }), 'Duplex')
  t.equal(await textOf([findLines({ pattern: /x/ })], 'ax\nb\nxc'), 'ax\nxc')
  t.equal(await textOf([findLines({ pattern: /x/, invert: true, label: '> ' })], 'ax\nb\n'), '> b\n')
})

t.test('create gets all options, with their defaults, when the stage is used', async t => {
  created.length = 0
  const stream = findLines({ pattern: /x/, limit: 5 })
  t.strictSame(created, [], 'nothing is done before')
  await textOf([stream], '')
  t.strictSame(created, [{ pattern: /x/, invert: false, limit: 5, label: undefined }])
  await textOf([findLines({ pattern: /x/, label: undefined })], '')
  t.match(created[1], { limit: 3 })
})

t.test('options are checked at once, in words', async t => {
  const invalid = findLines as unknown as (options?: unknown) => void
  for (const [options, message] of [
    [undefined, 'find-lines needs pattern: what to find'],
    [null, 'find-lines needs pattern: what to find'],
    [{}, 'find-lines needs pattern: what to find'],
    [{ pattern: 'x' }, /^find-lines pattern: 'x' is not allowed; expected a RegExp, such as \/ERROR\/$/],
    [{ pattern: /x/, limit: 0 }, 'find-lines limit: 0 is not allowed; expected a whole number, at least 1'],
    [{ pattern: /x/, limit: null }, /limit: null is not allowed/],
    [{ pattern: /x/, limit: [1] }, /limit: \[ 1 \] is not allowed/],
    [{ pattern: /x/, limit: Object.create(null) }, /limit: \[Object: null prototype\] {} is not allowed/],
    [{ pattern: /x/, invert: 'true' }, "find-lines invert: 'true' is not allowed; expected true or false"],
    [{ pattern: /x/, label: '' }, /label: '' is not allowed/],
    [{ pattern: 'x'.repeat(1e5) }, /x'... 99900 more characters is not allowed/],
    [{ patern: /x/ }, "find-lines has no option 'patern'; did you mean 'pattern'?"],
    [{ pattern: /x/, colour: 1 }, "find-lines has no option 'colour'"],
    [{ pattern: /x/, toString: 1 }, "find-lines has no option 'toString'"],
    ['x', 'find-lines takes its options as an object, not a string'],
  ] as const) {
    t.throws(() => invalid(options), { code: 'ERR_OPTION', message })
  }
  t.throws(() => findLines.recipe(), { code: 'ERR_OPTION' }, 'a recipe, too')
  t.throws(() => invalid(), TcpPipeError)
})

t.test('a transform without options', async t => {
  const upper = defineTransform({ name: 'upper', summary: 's', unit: 'line', create: () => line => line.toUpperCase() })
  t.equal(await textOf([upper()], 'a\nb'), 'A\nB')
  t.equal(await textOf([upper({})], 'a'), 'A')
  t.throws(() => upper({ x: 1 } as never), { message: "upper has no option 'x'" })
})

t.test('each unit, and each kind of stage that create may return', async t => {
  const define = (unit: 'bytes' | 'line' | 'json', create: () => never) =>
    defineTransform({ name: 'kind', summary: 's', unit, create })()
  for (const [title, stage, output] of [
    ['bytes', define('bytes', () => ((chunk: Buffer) => Buffer.from(chunk.toString('hex'))) as never), '310a32'],
    ['line', define('line', () => ((line: string) => `<${line}>`) as never), '<1>\n<2>'],
    ['json', define('json', () => ((value: number) => value + 1) as never), '2\n3\n'],
    ['a Duplex', define('bytes', () => new PassThrough() as never), '1\n2'],
    ['a generator', define('line', () => countUp as never), '1\n11\n2\n22'],
    ['an object', define('line', () => ({ write: () => none, flush: () => 'end' }) as never), 'end'],
    ['another transform', define('bytes', () => findLines({ pattern: /2/ }) as never), '2'],
  ] as const) {
    t.equal(await textOf([stage], '1\n2'), output, title)
  }
})

function* countUp(line: string) {
  yield line
  yield line + line
}

t.test('the context is that of the pipeline, unless one is given', async t => {
  const contexts: Context[] = []
  const spy = defineTransform({
    name: 'spy',
    summary: 's',
    unit: 'bytes',
    create: (_options, context) => {
      contexts.push(context)
      return chunk => chunk
    },
  })
  const log = pino(new PassThrough())
  const connection = { id: '1', number: 1, remote: '::1', port: 2, direction: 'reply' } as const
  await run([spy(), spy()], '', { log, connection })
  t.equal(contexts[0]?.log, log)
  t.equal(contexts[0]?.connection, connection)
  t.equal(contexts[1], contexts[0], 'one context for all of a pipeline')
  const { context } = openContext({ log })
  await run([spy({}, context)], '', { connection })
  t.equal(contexts[2]?.log, log)
  await run([spy({}, { log })], '', { connection })
  t.equal(contexts[3]?.log, log)
  t.equal(contexts[3]?.connection, connection, 'what is not given is that of the pipeline')
})

t.test('makesLines goes with the recipe', async t => {
  const define = (unit: 'bytes' | 'line', makesLines?: boolean) =>
    defineTransform({
      name: 'x',
      summary: 's',
      unit,
      create: () => x => x,
      ...(makesLines !== undefined && { makesLines }),
    })
  for (const [unit, makesLines, expected] of [
    ['bytes', undefined, false],
    ['bytes', true, true],
    ['line', undefined, true],
    ['line', false, false],
  ] as const) {
    t.equal(plan([define(unit, makesLines).recipe()]).makesLines, expected)
  }
})

t.test('what of one option depends on another is checked at once, too', async t => {
  const between = defineTransform({
    name: 'between',
    summary: 's',
    unit: 'line',
    options: { from: integer('first', { default: 1 }), to: integer('last', { default: 2 }) },
    check: ({ from, to }) => (from > to ? `from: ${from} is more than to, ${to}` : undefined),
    create: () => line => line,
  })
  between({ from: 1, to: 1 })
  t.throws(() => between({ from: 3 }), { code: 'ERR_OPTION', message: 'between from: 3 is more than to, 2' })
})

t.test('a definition is checked', async t => {
  const definition = { name: 'x', summary: 's', unit: 'line', create: () => (line: string) => line }
  for (const [wrong, message] of [
    [{ name: '' }, "the transform '': name: '' is not allowed; expected a text"],
    [{ name: undefined }, /name: undefined is not allowed/],
    [{ unit: 'lines' }, "the transform 'x': unit: 'lines' is not allowed; expected bytes, line, json"],
    [{ unit: undefined }, /unit: undefined is not allowed/],
    [{ create: undefined }, /create: undefined is not allowed; expected a function/],
    [{ options: { a: 'text' } }, /options\.a: 'text' is not allowed; expected what text\(\), flag\(\)/],
    [{ options: { a: null } }, /options\.a: null is not allowed/],
    [
      { options: { a: integer('n', { default: 'x' as never }) } },
      /the default of a: 'x' is not allowed; expected a whole/,
    ],
  ] as const) {
    t.throws(() => defineTransform({ ...definition, ...wrong } as never), { code: 'ERR_STAGE', message })
  }
})

t.test('what is allowed in code is told in its words', async t => {
  const options = { rate: bytes('r', { min: 1 }), wait: duration('w', { max: 1000 }) }
  const timed = defineTransform({ name: 'timed', summary: 's', unit: 'line', options, create: () => line => line })
  t.throws(() => timed({ rate: '64k' as never }), {
    message: /rate: '64k' is not allowed; expected a whole number of bytes, at least 1$/,
  })
  t.throws(() => timed({ wait: 2000 }), {
    message: /wait: 2000 is not allowed; expected a number of milliseconds, at most 1000$/,
  })
})

t.test('the example of defineTransform, and what stands behind it', async t => {
  const numbered = defineTransform({
    name: 'numbered',
    summary: 'put its number before each line',
    unit: 'line',
    options: { from: integer('the first number', { default: 1 }) },
    create({ from }) {
      let number = from
      return {
        write: line => `${number++} ${line}`,
        flush: () => `${number - from} lines`,
      }
    },
  })
  t.equal(await textOf([numbered({ from: 10 })], 'a\nb\n'), '10 a\n11 b\n2 lines\n')
  t.equal(await textOf([compose(numbered(), line => line.length)], 'a\nb\n'), '3\n3\n7\n')
})
