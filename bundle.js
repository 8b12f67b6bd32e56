/**
 * Bundles the program and the library into `dist/bundle`, and copies the page and its charts to `dist/page`: `node
 * bundle.js`. One build, split into chunks, whose entries are
 * the program and those of the package: a user's module that imports `tcp-pipe` gets the same classes as the program.
 * stream-chain stays outside, because users may import it, too.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { rolldown } from 'rolldown'

const dir = 'dist/bundle'

/**
 * `own-name` is for Node.js 20, which loads hooks by the name of their file. `worker-thread` is what a thread runs, and
 * `registry` where it finds the transforms.
 */
const input = {
  cli: 'cli/index.ts',
  index: 'lib/index.ts',
  transforms: 'transforms/index.ts',
  'own-name': 'lib/stages/own-name.ts',
  registry: 'transforms/registry.ts',
  'worker-thread': 'lib/stages/worker-thread.ts',
}

/**
 * What a package imports and this one never uses. The transports of pino run in threads, from files of their own.
 * commander starts the commands that are programs of their own. log-update hides the cursor by a package that takes over
 * the signals of the process; `top` does that itself.
 */
const unused = [
  { importer: /\/pino\/(lib\/tools|pino)\.js$/, name: /\/transport$/ },
  { importer: /\/log-update\/index\.js$/, name: /^cli-cursor$/ },
  { importer: /\/commander\/lib\/command\.js$/, name: /^node:child_process$/ },
]
const nothing = '\0nothing'

const bundle = await rolldown({
  input,
  platform: 'node',
  external: /^stream-chain(\/|$)/,
  tsconfig: false,
  preserveEntrySignatures: 'allow-extension',
  plugins: [
    {
      name: 'unused',
      resolveId: (wanted, from = '') =>
        unused.some(({ importer, name }) => importer.test(from) && name.test(wanted)) ? nothing : null,
      load: id => (id === nothing ? 'module.exports = {}' : null),
    },
  ],
})
let groupOf
const { output } = await bundle.generate({
  dir,
  sourcemap: true,
  keepNames: true,
  chunkFileNames: '[name].js',
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: [
      {
        debugName: 'needed together',
        name(id, context) {
          groupOf ??= groups(context)
          return groupOf(id)
        },
      },
    ],
  },
})
await bundle.close()
const charts = 'node_modules/uplot'
const bundled = output.flatMap(({ moduleIds = [] }) => moduleIds.map(packageOf))
const packages = [...new Set([...bundled, resolve(charts)])].filter(Boolean).sort()
fill(dir, [
  ...output.map(({ fileName, code, source }) => [fileName, code ?? source]),
  ['THIRD-PARTY.txt', packages.map(noticeOf).join(`\n${'-'.repeat(80)}\n\n`)],
])
const page = readdirSync('page').map(name => [name, readFileSync(join('page', name), 'utf8')])
fill('dist/page', page)
fill(
  'dist/page/uplot',
  ['uPlot.iife.min.js', 'uPlot.min.css'].map(name => [name, readFileSync(join(charts, 'dist', name), 'utf8')]),
)
chmodSync(join(dir, 'cli.js'), 0o755) // npm link made it executable before, and does not do so again

/** Makes a folder hold these files, and no others. Leaves its folders alone. */
function fill(folder, entries) {
  const files = new Map(entries)
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of files) writeIfChanged(join(folder, name), text)
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isFile() && !files.has(entry.name)) rmSync(join(folder, entry.name))
}

/** A program that runs from the bundle is not disturbed by another build of the same. */
function writeIfChanged(path, text) {
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text)
}

/**
 * Modules that are needed together become one chunk: few files are fast to load. Nothing of the program comes into a
 * chunk that the library needs.
 */
function groups(context) {
  const neededBy = file => {
    const found = new Set()
    const visit = id => {
      if (found.has(id)) return
      found.add(id)
      for (const next of context.getModuleInfo(id)?.importedIds ?? []) visit(next)
    }
    visit(resolve(file))
    return found
  }
  const [library, program, send, ...servers] = [
    ...['lib/index.ts', 'cli/main.ts'],
    ...['cli/send.ts', 'cli/serve.ts', 'cli/proxy.ts'],
  ].map(neededBy)
  const kinds = [
    { isKind: id => program.has(id), ofLibrary: 'base', ofProgram: 'main' },
    { isKind: id => send.has(id), ofLibrary: 'core', ofProgram: 'commands' },
    { isKind: id => servers.every(each => each.has(id)), ofLibrary: 'server', ofProgram: 'servers' },
  ]
  return id => {
    const kind = kinds.find(({ isKind }) => isKind(id))
    return kind ? (library.has(id) ? kind.ofLibrary : kind.ofProgram) : null
  }
}

/** The folder of the package that a module belongs to, or undefined for a module of our own. */
function packageOf(id) {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0]
}

/** The name of a package, and its licence and notices in full. */
function noticeOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const files = readdirSync(folder).filter(each => /^(licen[sc]e|copying|copyright|notice)/i.test(each))
  if (files.length === 0) throw new Error(`${name} has no file with its licence`)
  const texts = files.map(file => readFileSync(join(folder, file), 'utf8').trim())
  return `${name} ${version} (${license})\n\n${texts.join('\n\n')}\n`
}
