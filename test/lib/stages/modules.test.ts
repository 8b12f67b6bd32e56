import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { lazyStream } from '../../../lib/stages/compose.js'
import { isModulePath, loadModule } from '../../../lib/stages/modules.js'
import { eachJson } from '../../../lib/stages/stage.js'
import { originOf } from '../../../lib/text/blame.js'
import { node, root } from '../../project/support.js'
import { errorOf, textOf } from '../pipes.js'

const library = new URL('../../../lib/index.js', import.meta.url).href

t.test('which names are paths', async t => {
  for (const name of ['../a.js', '../../a.js', '/a.js', './a', '/']) t.ok(isModulePath(name), name)
  for (const name of ['a', 'a.js', 'a/b.js', '.../a', '', '.', '.a']) t.notOk(isModulePath(name), name)
})

/** A module as a stage of one pipeline after the other. */
async function through(path: string, input: string, options?: Record<string, unknown>): Promise<string[]> {
  const { recipe } = await loadModule(path)
  const run = async () => textOf([lazyStream([recipe(options)])], input)
  return [await run(), await run()]
}

t.test('what a module may export', async t => {
  for (const [title, source, expected] of [
    ['a function', 'export default chunk => chunk.toString().toUpperCase()', 'A\nB\n'],
    ['an async generator', 'export default async function* (chunk) { yield chunk; yield "!" }', 'a\nb\n!'],
    ['an object', 'export default { write: chunk => chunk, flush: () => "end" }', 'a\nb\nend'],
    [
      'a function of lines',
      `import { eachLine } from '${library}'; export default eachLine(line => line + '.')`,
      'a.\nb.\n',
    ],
    [
      'a transform',
      `import { defineTransform } from '${library}'
       export default defineTransform({ name: 'up', summary: '', unit: 'line', create: () => line => line.toUpperCase() })`,
      'A\nB\n',
    ],
    [
      'a pipeline',
      `import { compose, eachLine } from '${library}'
       export default compose(eachLine(line => line + 1), line => line + 2)`,
      'a12\nb12\n',
    ],
  ] as const) {
    const name = `${title}.mjs`
    t.same(await through(join(t.testdir({ [name]: source }), name), 'a\nb\n'), [expected, expected], title)
  }
})

t.test('a function receives what the stage before it gives', async t => {
  const dir = t.testdir({ 'type.mjs': 'export default record => typeof record' })
  const { recipe } = await loadModule(join(dir, 'type.mjs'))
  t.equal(await textOf([eachJson(value => value), lazyStream([recipe()])], '1 {}'), 'number\nobject\n')
})

t.test('a pipeline is loaded again and again', async t => {
  const path = join(
    t.testdir({ 'again.mjs': `import { compose } from '${library}'; export default compose(c => c)` }),
    'again.mjs',
  )
  for (let i = 0; i < 2; i++) t.same(await through(path, 'a'), ['a', 'a'])
})

t.test('a transform keeps its options', async t => {
  const source = `import { defineTransform, text } from '${library}'
    const options = { word: text('w', { required: true }) }
    export default defineTransform({ name: 'x', summary: '', unit: 'line', options, create: ({ word }) => () => word })`
  const path = join(t.testdir({ 'options.mjs': source }), 'options.mjs')
  t.same(await through(path, 'a\nb', { word: 'w' }), ['w\nw', 'w\nw'])
  t.throws((await loadModule(path)).recipe, { code: 'ERR_OPTION', message: /needs word/ })
})

t.test('what is refused', async t => {
  const dir = t.testdir({
    'none.mjs': 'export const a = 1',
    'number.mjs': 'export default 7',
    'duplex.mjs': "import { PassThrough } from 'node:stream'; export default new PassThrough()",
    'throws.mjs': "throw new Error('its own fault')",
    'syntax.mjs': '// a comment\nexport default (',
    'needs.mjs': "import 'no-such-package'",
    'text.xyz': '',
  })
  for (const [name, message] of [
    ['none.mjs', /^the default export of .*none\.mjs is undefined; expected a transform/],
    ['number.mjs', /is a number; expected/],
    ['duplex.mjs', /exports a stream, which can be used once only; expected/],
    ['throws.mjs', /throws\.mjs cannot be imported: its own fault \(.*throws\.mjs:1\)$/],
    ['syntax.mjs', /cannot be imported: Unexpected .* \(.*syntax\.mjs:2\)$/],
    ['missing.mjs', /cannot be imported: Cannot find module '[^']*missing\.mjs'$/],
    ['needs.mjs', /Cannot find package 'no-such-package'$/],
    ['text.xyz', /file.extension.*Node 22\.18 and later load TypeScript/i],
  ] as const) {
    await t.rejects(loadModule(join(dir, name)), { code: 'ERR_MODULE', message }, name)
  }
})

t.test('a stage of a module has the path of the module as its name (G-42)', async t => {
  const dir = t.testdir({
    'f.mjs': 'export default chunk => { throw new Error(String(chunk)) }',
    'o.mjs': 'export default { write() { throw new Error("x") } }',
  })
  for (const name of ['f.mjs', 'o.mjs']) {
    const path = join(dir, name)
    const { recipe } = await loadModule(path)
    const error = await errorOf([lazyStream([recipe()])], 'x')
    t.match(originOf(error), { stage: path, at: new RegExp(`${name}:1$`) })
  }
})

t.test('a module finds this package, wherever it lies, and it is this copy (G-42)', async t => {
  // Outside of this project, where its own name resolves.
  const dir = await mkdtemp(join(tmpdir(), 'tcp-pipe-test-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const source = `import { eachLine } from 'tcp-pipe'
    import { upper } from './helper.mjs'
    export default eachLine(upper)
    export { eachLine }`
  await writeFile(join(dir, 'stage.mjs'), source)
  await writeFile(
    join(dir, 'helper.mjs'),
    "import 'tcp-pipe/transforms'; export const upper = line => line.toUpperCase()",
  )
  // In a process of its own: the name stands for the bundle, whose coverage is not that of the sources.
  const script = `
    const { loadModule } = await import('${new URL('../../../lib/stages/modules.js', import.meta.url)}')
    const { compose } = await import('${library}')
    const path = '${join(dir, 'stage.mjs')}'
    const { recipe } = await loadModule(path)
    const stream = compose((await import(path)).default)
    stream.end('a\\nb\\n')
    const same = (await import(path)).eachLine === (await import('tcp-pipe')).eachLine
    console.log(JSON.stringify([(await stream.toArray()).join(''), typeof recipe, same]))`
  const { stdout, stderr } = spawnSync('env', [...node, '--input-type=module', '-e', script], {
    cwd: root,
    encoding: 'utf8',
  })
  t.same(JSON.parse(stdout || '0'), ['A\nB\n', 'function', true], stderr)
})
