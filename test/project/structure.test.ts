import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { files, read, root } from './support.js'

const sources = ['lib', 'transforms', 'cli'].flatMap(folder => files(folder, '.ts'))

/** The rooms of `lib`, each of which may import itself and those after it. The first is its top level. */
const rooms = [
  '',
  'pipe',
  'send',
  'ui',
  'http',
  'server',
  'connection',
  'endpoints',
  'faults',
  'stages',
  'formats',
  'stats',
  'text',
]

/** What a file outside of `lib` may import of it: authors of transforms see what a stage is, and no socket. */
const doors: Record<string, RegExp> = {
  transforms: /^lib\/(faults|stages|formats|text)\//,
  cli: /^lib\/([^/]+\.ts|(endpoints|http|pipe|send|stages|text|ui)\/|server\/(access|tally)\.ts|stats\/refusal-log\.ts)/,
}

t.test('imports point one way: cli → transforms → lib, and in lib from room to room', async t => {
  for (const source of sources) {
    const folder = source.split('/')[0] as string
    const wrong = relativeImports(source).filter(path => {
      if (folder === 'lib')
        return !path.startsWith('lib/') || rooms.indexOf(roomOf(path)) < rooms.indexOf(roomOf(source))
      if (path.startsWith(`${folder}/`) || (folder === 'cli' && path.startsWith('transforms/'))) return false
      return !(doors[folder] as RegExp).test(path)
    })
    t.same(wrong, [], source)
  }
})

t.test('no imports go in a circle, those of types neither', async t => {
  const done = new Set<string>()
  const visit = (path: string, above: readonly string[]): void => {
    if (above.includes(path)) t.fail([...above.slice(above.indexOf(path)), path].join(' → '))
    if (above.includes(path) || done.has(path)) return
    for (const next of relativeImports(path)) visit(next, [...above, path])
    done.add(path)
  }
  for (const source of sources) visit(source, [])
  t.equal(done.size, sources.length)
})

t.test('lib has a room for each concept', async t => {
  const top = sources.filter(path => /^lib\/[^/]+$/.test(path))
  t.ok(top.length <= 8, `${top.length} files at the top of lib`)
  t.same([...new Set(sources.filter(path => path.startsWith('lib/')).map(roomOf))].sort(), [...rooms].sort())
})

t.test('every source of lib and transforms has its mirror among the tests', async t => {
  const { insides } = (await import(join(root, 'test/coverage-map.js'))) as { insides: Record<string, string[]> }
  const exempt = Object.values(insides).flat()
  for (const source of sources.filter(path => !path.startsWith('cli/') && !exempt.includes(path) && hasCode(path))) {
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

t.test('dist holds nothing but what the sources are compiled to, and the bundle', async t => {
  for (const compiled of files('dist', '.js').filter(path => !/^dist\/(bundle|page)\//.test(path))) {
    const source = compiled.replace(/^dist\//, '').replace(/\.js$/, '.ts')
    t.ok(existsSync(join(root, source)), `${compiled} has a source; if not, remove dist and build it anew`)
  }
})

t.test('a transform is one file and one export line', async t => {
  const exported = [...read('transforms/registry.ts').matchAll(/from '\.\/(.+)\.js'/g)].map(
    match => `transforms/${match[1]}.ts`,
  )
  t.same(
    exported.sort(),
    files('transforms', '.ts').filter(
      path => !['index', 'registry', 'spec'].some(name => path.endsWith(`/${name}.ts`)),
    ),
  )
})

/** What only an endpoint may do: whoever has a leg knows no socket, and changes no stream of somebody else. */
const insides = {
  'imports node:net or node:tls': /(?:from|import\()\s*'node:(?:net|tls)'/,
  'names _handle': /\b_handle\b/,
  'replaces push': /\.push\s*=(?!=)/,
  'replaces destroy': /\.destroy\s*=(?!=)/,
  'resets a socket': /\bresetAndDestroy\b/,
}

/** The files outside of lib/endpoints that may do so, and why. */
const exceptions: Record<string, readonly [what: keyof typeof insides, why: string]> = {
  'lib/stats/foreign-meter.ts': ['replaces push', 'it meters any stream from outside'],
  'lib/stages/output-file.ts': ['imports node:net or node:tls', 'it writes a FIFO without a thread that could block'],
}

t.test('in lib only endpoints know sockets', async t => {
  for (const source of sources.filter(path => path.startsWith('lib/') && roomOf(path) !== 'endpoints')) {
    const found = Object.entries(insides).filter(([, pattern]) => pattern.test(read(source)))
    const [allowed] = exceptions[source] ?? []
    t.same(
      found.map(([what]) => what),
      allowed ? [allowed] : [],
      source,
    )
  }
})

t.test('a program that uses an endpoint is found by the patterns', async t => {
  for (const [what, text] of [
    ['imports node:net or node:tls', "import type { Socket } from 'node:net'"],
    ['imports node:net or node:tls', "await import('node:tls')"],
    ['names _handle', 'socket._handle?.fd'],
    ['names _handle', '(socket as { _handle?: object })'],
    ['replaces push', 'stream.push = () => true'],
    ['replaces destroy', 'socket.destroy = error => {'],
    ['resets a socket', 'socket.resetAndDestroy()'],
  ] as const)
    t.match(text, insides[what], text)
  for (const text of ['items.push(1)', 'stream.push === push', 'const { push } = stream'])
    t.same(
      Object.values(insides).filter(pattern => pattern.test(text)),
      [],
      text,
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

/** Whether it holds more than types, or than exports of other files. */
function hasCode(path: string): boolean {
  const code = read(`dist/${path.replace(/\.ts$/, '.js')}`).replace(/^(\/\*.*?\*\/|\/\/.*|export \{.*\}.*;?)$/gms, '')
  return code.trim() !== ''
}

/** The folder of `lib` that a file is in, whichever folder in there; empty at the top. */
function roomOf(path: string): string {
  const [, room = '', ...rest] = path.split('/')
  return rest.length > 0 ? room : ''
}

function relativeImports(source: string): string[] {
  return [...read(source).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(match =>
    join(dirname(source), match[1] as string).replace(/\.js$/, '.ts'),
  )
}
