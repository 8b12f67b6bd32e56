import t from 'tap'
import { defineTransform, flag, integer, regexp, text, words } from '../../../lib/stages/define.js'
import { maxStages, modulePaths, parse, type Registry, registryOf, specOf } from '../../../lib/stages/spec.js'
import fc from '../../fast-check.js'
import { textOf } from '../pipes.js'

/** Transforms whose stage is what they were given. */
const registry = {
  hex: probe('hex', { width: integer('bytes per line', { min: 1, default: 16 }) }),
  grep: probe('grep', { pattern: regexp('pattern', { positional: true, required: true }), invert: flag('the others') }),
  cut: probe('cut', { from: text('from', { positional: true }), to: text('to', { positional: true }) }),
  gunzip: probe('gunzip', {}),
  exec: probe('exec', { command: words('program and arguments') }),
  plain: { definition: { ...probe('plain', {}).definition, options: undefined }, recipe: probe('plain', {}).recipe },
} as unknown as Registry

function probe(name: string, options: Parameters<typeof defineTransform>[0]['options']) {
  return defineTransform({ name, summary: name, unit: 'line', options: options ?? {}, create: values => () => values })
}

/** Each stage's name and the options that it got. */
function stages(spec: string): [string, unknown][] {
  return parse(spec, registry).map(({ name, create }) => {
    const values = (create({} as never) as () => object)()
    return [name, Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))]
  })
}

t.test('a spec is stages with their options', async t => {
  const grep = (pattern: RegExp, invert = false) => ['grep', { pattern, invert }]
  for (const [spec, ...expected] of [
    ['hex', ['hex', { width: 16 }]],
    ['hex width=8', ['hex', { width: 8 }]],
    ['  gunzip|hex|gunzip  ', ['gunzip', {}], ['hex', { width: 16 }], ['gunzip', {}]],
    ['gunzip\n|\thex', ['gunzip', {}], ['hex', { width: 16 }]],
    ['plain', ['plain', {}]],
    ["'hex' width=8", ['hex', { width: 8 }]],
    ['grep ERROR', grep(/ERROR/)],
    ['grep invert=true pattern=x', grep(/x/, true)],
    ['grep invert=true x', grep(/x/, true)],
    ["grep 'GET /' invert=true", grep(/GET \//, true)],
    ["grep pattern='GET /'", grep(/GET \//)],
    ["grep 'a|b'", grep(/a|b/)],
    ['grep a\\|b', grep(/a|b/)],
    ['grep "a\\d|\\""', grep(/a\d|"/)],
    ['grep "\\\\d"', grep(/\d/)],
    ["grep '\\d'", grep(/\d/)],
    ['grep a\\ b', grep(/a b/)],
    ["grep a' 'b", grep(/a b/)],
    ['grep id=3', grep(/id=3/)],
    ['grep width=8', grep(/width=8/)],
    ["grep 'pattern=x'", grep(/pattern=x/)],
    ["grep ''invert=true", grep(/invert=true/)],
    ['grep \\invert=true', grep(/invert=true/)],
    ['grep constructor=x', grep(/constructor=x/)],
    ['grep __proto__=x', grep(/__proto__=x/)],
    ['cut a b', ['cut', { from: 'a', to: 'b' }]],
    ['cut from=a b', ['cut', { from: 'a', to: 'b' }]],
    ['cut to=b a', ['cut', { from: 'a', to: 'b' }]],
    ['cut to=a=b', ['cut', { to: 'a=b' }]],
    [
      "exec env A=1 command=x 'a b' | hex",
      ['exec', { command: ['env', 'A=1', 'command=x', 'a b'] }],
      ['hex', { width: 16 }],
    ],
  ] as const) {
    t.strictSame(stages(spec), expected, spec)
  }
})

t.test('a mistake is told in words, with its column', async t => {
  for (const [spec, message] of [
    ['', "'': a stage is missing; expected a transform on both sides of '|'"],
    ['hex |', "'hex |': a stage is missing; expected a transform on both sides of '|'"],
    ['| hex', /a stage is missing/],
    ['hex || gunzip', /a stage is missing/],
    ['hex | hax', "'hex | hax', column 7: unknown transform 'hax'; did you mean 'hex'?"],
    ['nothing', "'nothing', column 1: unknown transform 'nothing'"],
    ["''", /column 1: unknown transform ''/],
    ["grep 'a", "'grep 'a', column 6: the quote ' is not closed"],
    ['hex | grep "a', /column 12: the quote " is not closed/],
    ['grep a\\', /column 7: a backslash at the end; expected a character after it/],
    ['grep', "'grep', column 1: grep needs pattern: pattern"],
    ['gunzip | grep', /column 10: grep needs pattern/],
    ['gunzip | exec', /column 10: exec needs command/],
    ['grep (', /column 6: grep pattern: Invalid regular expression/],
    ['hex width=0', /column 5: hex width: '0' is not allowed; expected a whole number, at least 1/],
    ['hex width=', /column 5: hex width: '' is not allowed/],
    ["hex width='8", /column 11: the quote ' is not closed/],
    ['hex width=8 width=9', /column 13: hex width is given twice/],
    ['hex 8', /column 5: hex cannot take '8'; its options: width=/],
    ['hex widht=8', /column 5: hex cannot take 'widht=8'; its options: width=; did you mean 'width'\?/],
    ['hex width', /column 5: hex cannot take 'width'; its options: width=; write width=… for that option/],
    ['my/stage.js', /unknown transform 'my\/stage.js'; a module of your own is '.\/my\/stage.js'/],
    ['stage.mts', /; a module of your own is/],
    ['hex toString=8', /column 5: hex cannot take 'toString=8'; its options: width=/],
    ['gunzip 8', /column 8: gunzip cannot take '8'; gunzip has no options/],
    ['plain x', /column 7: plain cannot take 'x'; plain has no options/],
    ['cut a b c', /column 9: cut cannot take 'c'; its options: from= to=/],
  ] as const) {
    t.throws(() => parse(spec, registry), { code: 'ERR_SPEC', message }, spec)
  }
})

t.test('at most 100 stages', async t => {
  const chain = (length: number) => Array(length).fill('hex').join('|')
  t.equal(parse(chain(maxStages), registry).length, 100)
  t.throws(() => parse(chain(10_000), registry), { code: 'ERR_SPEC', message: '10000 stages; at most 100 are allowed' })
})

t.test('a long spec is shown shortened', async t => {
  const { message } = t.throws(() => parse(`${'x'.repeat(1e5)}`, {})) as unknown as Error
  t.ok(message.startsWith(`'${'x'.repeat(200)}…'`))
})

t.test('no text makes it throw anything else', async t => {
  const parts = fc.constantFrom('hex', 'grep', ' ', '|', "'", '"', '\\', 'width', '=', '8', 'x', '\n', 'é')
  const specs = fc.oneof(
    fc.string(),
    fc.array(parts).map(each => each.join('')),
  )
  const isRefusedInWords = (spec: string) => {
    try {
      return parse(spec, registry).length > 0
    } catch (error) {
      return (error as { code?: string }).code === 'ERR_SPEC'
    }
  }
  t.doesNotThrow(() => fc.assert(fc.property(specs, isRefusedInWords), { numRuns: 1000 }))
})

t.test('the modules among the stages, and what they are when they are given', async t => {
  t.same(modulePaths("hex | './a b.js' x=1 | ../c.ts | /d.js |"), ['./a b.js', '../c.ts', '/d.js'])
  const modules = [['./a.js', registry.hex as never]] as const
  t.match(parse('./a.js width=8', registry, modules), [{ name: 'hex' }])
  t.throws(() => parse('hex | ./b.js', registry, modules), {
    code: 'ERR_SPEC',
    message: /column 7: '.\/b.js' is a module/,
  })
})

t.test('a registry is the transforms among exports', async t => {
  const upper = defineTransform({ name: 'upper', summary: 's', unit: 'line', create: () => line => line.toUpperCase() })
  const exports = { upper, helper() {}, version: 1, nothing: undefined, missing: null }
  t.same(Object.keys(registryOf(exports)), ['upper'])
})

t.test("texts over somebody's own transforms", async t => {
  const wrap = defineTransform({
    name: 'wrap-lines',
    summary: 's',
    unit: 'line',
    options: { mark: text('m', { positional: true, default: '*' }) },
    create:
      ({ mark }) =>
      line =>
        mark + line + mark,
  })
  const path = `${t.testdir({ 'stage.mjs': "export default line => line + '!'" })}/stage.mjs`
  const { spec, loadSpec } = specOf({ wrap, other: 7 }, '; see the manual')
  const stages = spec('wrap-lines | wrap-lines +', 'wrap-lines')
  for (const _ of [1, 2]) t.equal(await textOf(stages(), 'a\n'), '*+*a*+*\n', 'as often as it is called')
  t.equal(await textOf((await loadSpec(`wrap-lines | ${path} | ${path}`, 'wrap-lines -'))(), 'a\n'), '-*a*!!-\n')
  t.throws(() => spec('wrap-lines | hexa'), {
    code: 'ERR_SPEC',
    message: /column 14: unknown .* 'hexa'; see the manual$/,
  })
  t.throws(() => spec('wrap'), { message: /unknown transform 'wrap'/ }, 'the name, not that of the export')
  t.throws(() => spec(`wrap-lines | ${path}`), { code: 'ERR_SPEC', message: /is a module; loadSpec/ })
  await t.rejects(loadSpec('./no-such-file.js'), { code: 'ERR_MODULE' })
  await t.rejects(loadSpec('hexa'), { code: 'ERR_SPEC' })
  t.throws(() => specOf({}).spec('x'), { message: "'x', column 1: unknown transform 'x'" })
})

t.test('every stage can have worker=true, unless it has an option of this name or is a program', async t => {
  const inThread = (text: string) => parse(text, registry, [], { home: 'file:///x.js' }).map(({ thread }) => thread)
  const source = { module: 'file:///x.js', name: 'hex' }
  t.same(inThread('hex worker=true width=8'), [{ source, options: { width: 8 } }])
  t.same(inThread('hex worker=false | plain'), [undefined, undefined])
  t.same(inThread('grep a worker=true')[0]?.options, { pattern: /a/ })
  t.same(inThread("grep 'worker=true'"), [undefined], 'a quoted word is text')
  t.same(inThread('exec worker=true'), [undefined], 'a word of the program')
  t.throws(() => inThread('hex worker=5'), { message: /hex cannot take 'worker=5'/ })
})
