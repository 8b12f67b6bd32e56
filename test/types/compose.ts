/** What the compiler infers and what it refuses, held by `tsc -p tsconfig.test.json`. Nothing here is run. */
import { createGunzip, createGzip } from 'node:zlib'
import { compose } from '../../lib/stages/compose.js'
import {
  bytes,
  choice,
  defineTransform,
  duration,
  flag,
  integer,
  many,
  none,
  regexp,
  stop,
  text,
} from '../../lib/stages/define.js'
import { eachJson, eachLine, type Stage, type TransformStream } from '../../lib/stages/stage.js'

/** Compiles if both are the same type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <_T extends true>() => {}
type Out<S> = S extends TransformStream<infer R> ? R : never

const grep = defineTransform({
  name: 'grep',
  summary: '',
  unit: 'line',
  options: {
    pattern: regexp('', { positional: true, required: true }),
    invert: flag(''),
    mode: choice('', ['fast', 'small'], { default: 'fast' }),
    width: integer('', { min: 1 }),
    size: bytes('', { default: 65_536 }),
    wait: duration(''),
    label: text(''),
  },
  create({ pattern, invert, mode, width, size, wait, label }, { log, connection, signal }) {
    same<Same<typeof pattern, RegExp>>()
    same<Same<typeof invert, boolean>>()
    same<Same<typeof mode, 'fast' | 'small'>>()
    same<Same<typeof width, number | undefined>>()
    same<Same<typeof size, number>>()
    same<Same<typeof wait, number | undefined>>()
    same<Same<typeof label, string | undefined>>()
    log.debug({ remote: connection?.remote, aborted: signal.aborted })
    return line => {
      same<Same<typeof line, string>>()
      return pattern.test(line) === invert ? none : line
    }
  },
})

const gunzip = defineTransform({ name: 'gunzip', summary: '', unit: 'bytes', create: () => createGunzip() })
const lengths = defineTransform({ name: 'lengths', summary: '', unit: 'line', create: () => line => line.length })
const pick = defineTransform({ name: 'pick', summary: '', unit: 'json', create: () => value => value.name as string })

// What a stage receives.
compose(gunzip(), grep({ pattern: /x/ }), line => {
  same<Same<typeof line, string>>()
  return line.length
})
compose(chunk => {
  same<Same<typeof chunk, Buffer>>()
  return chunk
})
compose(createGzip(), chunk => {
  same<Same<typeof chunk, Buffer>>()
  return chunk
})
compose(lengths(), (length, ...rest: never[]) => {
  same<Same<typeof length, number>>()
  return rest
})
compose(pick(), name => {
  same<Same<typeof name, string>>()
  return name
})
compose(
  chunk => [chunk.length],
  lengths => {
    same<Same<typeof lengths, number[]>>()
    return lengths
  },
)
compose(
  async chunk => ({ size: chunk.length }),
  ({ size }) => {
    same<Same<typeof size, number>>()
    return size
  },
)
compose(
  eachLine(function* (line) {
    same<Same<typeof line, string>>()
    yield line.length
  }),
  length => {
    same<Same<typeof length, number>>()
    return length
  },
)
compose(
  eachLine(async function* (line) {
    yield line
  }),
  line => {
    same<Same<typeof line, string>>()
    return line
  },
)
compose(
  eachJson((value: { id: number }) => (value.id > 3 ? stop : value.id > 2 ? none : many([value.id]))),
  id => {
    same<Same<typeof id, number>>()
    return id
  },
)
compose({ write: (chunk: Buffer) => chunk.length, flush: () => 0, destroy() {} }, length => {
  same<Same<typeof length, number>>()
  return length
})
compose(compose(gunzip(), grep({ pattern: /x/ })), line => {
  same<Same<typeof line, string>>()
  return line
})

// What comes out.
const empty = compose()
same<Same<Out<typeof empty>, Buffer>>()
const gzipped = compose(grep({ pattern: /x/ }), createGzip())
same<Same<Out<typeof gzipped>, Buffer>>()
const eight = compose(gunzip(), gunzip(), gunzip(), gunzip(), gunzip(), gunzip(), gunzip(), line => line.length)
same<Same<Out<typeof eight>, number>>()
const list = [grep({ pattern: /x/ }), gunzip()]
const any = compose(...list)
same<Same<Out<typeof any>, string | Buffer>>()
const sixteen = compose(
  chunk => chunk.length,
  n => n + 1,
  n => [n],
  ([n = 0]) => n,
  n => String(n),
  text => text.length,
  n => n > 1,
  is => !is,
  is => (is ? 1 : 2),
  n => ({ n }),
  ({ n }) => n,
  async n => `${n}`,
  text => text.split(''),
  letters => many(letters),
  letter => {
    same<Same<typeof letter, string>>()
    return letter
  },
  eachLine(line => line.length),
)
same<Same<Out<typeof sixteen>, number>>()
const seventeen = compose(sixteen, ...Array(16).fill(gunzip()))
void seventeen
const composed = compose({ write: (chunk: Buffer) => chunk.length, flush: () => 'end' })
same<Same<Out<typeof composed>, number | string>>()
compose(
  {
    write: (chunk: Buffer) => chunk.length,
    flush() {},
  },
  length => {
    same<Same<typeof length, number>>()
    return length
  },
)
compose(
  function* (chunk) {
    yield Promise.resolve(chunk.length)
    yield none
    yield many([chunk.length])
  },
  length => {
    same<Same<typeof length, number>>()
    return length
  },
)

compose(
  eachJson((entry: { id: number }) => entry.id),
  id => {
    same<Same<typeof id, number>>()
    return id
  },
)
compose(
  eachJson<{ id: number }>(entry => entry.id),
  id => {
    same<Same<typeof id, unknown>>()
    return id
  },
)

// Stages that are not known one by one.
function logged<S extends Stage>(stage: S) {
  return compose(
    stage,
    eachLine(line => line),
  )
}
const withLog = logged(gunzip())
same<Same<Out<typeof withLog>, string>>()
function behind<S extends Stage>(stage: S) {
  return compose(gunzip(), stage)
}
const lengthsBehind = behind(lengths())
same<Same<Out<typeof lengthsBehind>, number>>()
function all(stages: Stage[]) {
  return compose(...stages)
}
const stages: Stage[] = [gunzip(), line => line, (line: string) => line, { write: (n: number) => n }]
const ofAll = all(stages)
same<Same<Out<typeof ofAll>, unknown>>()
compose(...stages, (line: string) => line)
compose(ofAll, value => {
  same<Same<typeof value, unknown>>()
  return value
})

// Options.
grep({ pattern: /x/, invert: true, mode: 'small', width: 8, size: 1, wait: 2, label: 'x' })
grep({ pattern: /x/, label: undefined })
gunzip()
gunzip({})
// @ts-expect-error a required option is missing
grep()
// @ts-expect-error a required option is missing
grep({ invert: true })
// @ts-expect-error a required option is undefined
grep({ pattern: undefined })
// @ts-expect-error an option of the wrong type
grep({ pattern: 'x' })
// @ts-expect-error a word that is not one of them
grep({ pattern: /x/, mode: 'slow' })
// @ts-expect-error an unknown option
grep({ pattern: /x/, colour: true })
// @ts-expect-error an option, where there are none
gunzip({ level: 1 })
// @ts-expect-error a default that is not one of the words
choice('', ['a', 'b'], { default: 'c' })
// @ts-expect-error a default of the wrong type
integer('', { default: '6' })

// Stages.
// @ts-expect-error lines, not numbers
compose(grep({ pattern: /x/ }), (n: number) => n)
// @ts-expect-error bytes at the start, not lines
compose((line: string) => line)
// @ts-expect-error bytes behind a Duplex
compose(grep({ pattern: /x/ }), createGzip(), (line: string) => line)
// @ts-expect-error what the function before gives
compose(lengths(), (line: string) => line)
// @ts-expect-error the input of an object
compose({ write: (line: string) => line })
// @ts-expect-error a text is no stage
compose('hex')
// @ts-expect-error an array is no stage
compose([gunzip()])
// @ts-expect-error behind a stage that is not known, lines
compose(...stages, eachLine(String), (n: number) => n)
// @ts-expect-error eachLine receives texts
eachLine((line: number) => line)

// Definitions.
const textLengths = defineTransform({
  name: 'x',
  summary: '',
  unit: 'line',
  create() {
    return {
      write(line) {
        same<Same<typeof line, string>>()
        return line.length
      },
      destroy() {},
    }
  },
})
same<Same<Out<ReturnType<typeof textLengths>>, number>>()
const counted = defineTransform({
  name: 'x',
  summary: '',
  unit: 'bytes',
  options: { every: integer('', { default: 1 }) },
  create({ every }, { log }) {
    let count = 0
    return {
      async write(chunk) {
        same<Same<typeof chunk, Buffer>>()
        count += chunk.length
        return count % every === 0 ? count : none
      },
      *flush() {
        yield `${count} bytes`
      },
      destroy: () => log.debug('over'),
    }
  },
})
same<Same<Out<ReturnType<typeof counted>>, number | string>>()
compose(counted({ every: 2 }), total => {
  same<Same<typeof total, number | string>>()
  return total
})
const silent = defineTransform({
  name: 'x',
  summary: '',
  unit: 'json',
  create: () => ({
    write(value) {
      value.anything.goes()
    },
  }),
})
same<Same<Out<ReturnType<typeof silent>>, never>>()
const inner = defineTransform({ name: 'x', summary: '', unit: 'bytes', create: () => lengths() })
same<Same<Out<ReturnType<typeof inner>>, number>>()
defineTransform({
  name: 'x',
  summary: '',
  unit: 'line',
  // @ts-expect-error lines are texts, for an object, too
  create: () => ({ write: (line: Buffer) => line }),
})
// @ts-expect-error a unit that is none
defineTransform({ name: 'x', summary: '', unit: 'word', create: () => x => x })
// @ts-expect-error lines are texts
defineTransform({ name: 'x', summary: '', unit: 'line', create: () => (line: Buffer) => line })
// @ts-expect-error create gives a stage
defineTransform({ name: 'x', summary: '', unit: 'line', create: () => 7 })
defineTransform({
  name: 'x',
  summary: '',
  unit: 'line',
  options: { a: flag('') },
  // @ts-expect-error an option that is not declared
  create: options => options.b,
})
