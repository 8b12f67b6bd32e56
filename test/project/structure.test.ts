import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { files, read, root } from './support.js'

const sources = ['lib', 'transforms', 'cli'].flatMap(folder => files(folder, '.ts'))

/** What a folder may import besides itself, node and packages. */
const allowed: Record<string, RegExp> = {
  lib: /^$/,
  transforms:
    /^lib\/(count-lines|define|quantities|errors|escape|template|decompressor|zstd|framing|delay-line|hex-dump|side-file|trigger|fault|onset|gate|chance)\.ts$/,
  cli: /^(lib|transforms)\//,
}

t.test('imports point one way: cli → transforms → lib', async t => {
  for (const source of sources) {
    const folder = source.split('/')[0] as string
    const outside = relativeImports(source).filter(path => !path.startsWith(`${folder}/`))
    // The text form meets the registry in one place, which therefore knows the parser.
    const rule = source === 'transforms/spec.ts' ? /^lib\// : (allowed[folder] as RegExp)
    t.same(
      outside.filter(path => !rule.test(path)),
      [],
      source,
    )
  }
})

t.test('every source of lib and transforms has its mirror among the tests', async t => {
  for (const source of sources.filter(path => !path.startsWith('cli/'))) {
    const mirror = join('test', source.replace(/\.ts$/, '.test.ts'))
    t.ok(existsSync(join(root, mirror)), mirror)
  }
})

t.test('every test of lib and transforms mirrors a source', async t => {
  for (const test of ['test/lib', 'test/transforms'].flatMap(folder => files(folder, '.test.ts'))) {
    const source = test.replace(/^test\//, '').replace(/\.test\.ts$/, '.ts')
    t.ok(existsSync(join(root, source)), source)
  }
})

t.test('dist holds nothing but what the sources are compiled to', async t => {
  for (const compiled of files('dist', '.js')) {
    const source = compiled.replace(/^dist\//, '').replace(/\.js$/, '.ts')
    t.ok(existsSync(join(root, source)), `${compiled} has a source; if not, remove dist and build it anew`)
  }
})

t.test('a transform is one file and one export line', async t => {
  const exported = [...read('transforms/index.ts').matchAll(/from '\.\/(.+)\.js'/g)].map(
    match => `transforms/${match[1]}.ts`,
  )
  t.same(
    exported.sort(),
    files('transforms', '.ts').filter(path => path !== 'transforms/index.ts'),
  )
})

t.test('lib knows no process but the standard streams', async t => {
  for (const source of sources.filter(path => path.startsWith('lib/'))) {
    const uses = [...read(source).matchAll(/process\.(\w+)/g)].map(match => match[1])
    t.same(
      uses.filter(name => !['stdin', 'stdout', 'stderr'].includes(name as string)),
      [],
      source,
    )
  }
})

function relativeImports(source: string): string[] {
  return [...read(source).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(match =>
    join(dirname(source), match[1] as string).replace(/\.js$/, '.ts'),
  )
}
