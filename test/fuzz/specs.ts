/** Pipelines as text: those that change nothing, those that are allowed, and those that are hardly one. */

import { registry, spec } from '../../transforms/spec.js'
import fc from '../fast-check.js'
import { samples } from '../laws/samples.js'

/** What comes out of them is what went in. They can be joined in any order. */
const lossless = [
  'base64 | unbase64',
  'base64 width=76 | unbase64',
  'brotli quality=1 | unbrotli',
  'buffer 64k',
  'counter',
  'deflate raw=true | inflate raw=true',
  'delay 1ms jitter=3ms',
  'delay 5ms',
  'digest sha256',
  'frame u32be size=777 | unframe u32be raw=true',
  'frame varint size=100k | unframe varint raw=true',
  'gzip | gunzip',
  'gzip flush=true level=1 | gunzip',
  'hex | unhex',
  'hex plain=true | unhex',
  'logger',
  'slice 777',
  'slice 5000',
  'throttle 64m',
]

/** Stages that change nothing, as text; mostly one, sometimes none or several. */
export const losslessSpec = fc.array(fc.constantFrom(...lossless), { maxLength: 3 }).map(joined)

/** Those of them that can be ended in the middle of a stream, and so be changed while it runs. */
export const changeableSpec = fc.constantFrom(
  ...lossless.filter(text => /^(buffer|counter|delay|digest|logger|slice|throttle)/.test(text)),
)

/** Not for a server that strangers talk to: they run programs, write files or write to stderr. */
const outside = /^(exec|tee|dump)\b/

const definitions = Object.values(registry).map(({ definition }) => definition)

/** Values of options; which of them an option takes, the option says. */
const values = ['0', '1', '2', '7', '16', '1k', '64k', '1m', '0.01', '0.5', '-1', 'true', 'false', '1ms', '5ms', '20ms']
const texts = ['a', 'e', "'\\n'", 'x', '[a-m]', '/x/i', 'utf-8', 'latin1', 'a.b,c', "'{id} '", '$1']

/** One stage with some of its options, be they allowed or not. */
const anyStage = fc.constantFrom(...definitions).chain(({ name, options = {} }) => {
  const words = Object.entries(options).map(([key, option]) => {
    const own = option.allowed.split(/, | or /)
    const value = fc.constantFrom(...values, ...texts, ...own)
    const word = value.map(text => (option.positional ? text : `${key}=${/\s/.test(text) ? `'${text}'` : text}`))
    return fc.option(word, { nil: '', freq: option.required ? 20 : 2 })
  })
  return fc.tuple(...words).map(given => [name, ...given].filter(Boolean).join(' '))
})

const sampleSpecs = Object.values(samples)
  .flat()
  .map(sample => sample.spec)

/** Stages that are allowed, and that touch nothing but the stream. */
export const validSpec = fc
  .array(
    fc.oneof(
      fc.constantFrom(...sampleSpecs.filter(text => !outside.test(text) && isValid(text))),
      anyStage.filter(text => !outside.test(text) && !isSlow(text) && isValid(text)),
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map(joined)

/** So few bytes a second that a round would wait for them. */
function isSlow(text: string): boolean {
  return /^throttle/.test(text) && !/\d[km]/.test(text)
}

function isValid(text: string): boolean {
  try {
    spec(text)
    return true
  } catch {
    return false
  }
}

function joined(stages: readonly string[]): string {
  return stages.join(' | ')
}

/** Text with some of its characters taken away, doubled, or another one put in. */
export function mutated(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const change = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    remove: fc.nat(3),
    insert: fc.oneof(fc.constantFrom('', ...marks), fc.string({ unit: 'binary', maxLength: 3 })),
  })
  return fc.tuple(text, fc.array(change, { maxLength: 4 })).map(([original, changes]) => {
    let result = original
    for (const { at, remove, insert } of changes) {
      const place = Math.floor(at * (result.length + 1))
      result = result.slice(0, place) + insert + result.slice(place + remove)
    }
    return result
  })
}

const marks = [
  '|',
  "'",
  '"',
  '\\',
  '=',
  ' ',
  '\n',
  '\t',
  '/',
  './',
  '[',
  ']',
  ':',
  '(',
  '*',
  '+',
  '{',
  '\0',
  '\u202e',
  '😀',
]

/** Almost a spec: words and marks of the language in any order, real ones that were changed, anything else, long ones. */
export const anySpec = fc.oneof(
  mutated(anyStage),
  mutated(fc.constantFrom(...sampleSpecs, ...lossless)),
  fc
    .array(fc.constantFrom(...definitions.map(({ name }) => name), ...marks, ...values, ...texts))
    .map(words => words.join('')),
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc
    .tuple(
      fc.constantFrom('hex|', "hex 'a' ", 'grep ', '|', '\\', "'", 'x', ' ', 'a=b ', '😀'),
      fc.integer({ min: 1, max: 10_000 }),
    )
    .map(([piece, times]) => piece.repeat(times)),
)
