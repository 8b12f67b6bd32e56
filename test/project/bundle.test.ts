import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join } from 'node:path'
import t from 'tap'
import { files, node, read, root } from './support.js'

const { bin, exports, dependencies } = JSON.parse(read('package.json'))
const chunks = files('dist/bundle', '.js')

/** The sources of a chunk, as paths from the project's folder. */
function sourcesOf(chunk: string): string[] {
  const { sources } = JSON.parse(read(`${chunk}.map`)) as { sources: string[] }
  return sources.map(source => join(dirname(chunk), source))
}

const bundled = chunks.filter(chunk => files('dist/bundle', '.map').includes(`${chunk}.map`)).flatMap(sourcesOf)

t.test('the program and the entries of the package share one copy of each module', async t => {
  for (const path of [bin['tcp-pipe'], exports['.'].default, exports['./transforms'].default])
    t.match(path, /^(\.\/)?dist\/bundle\//)
  t.same(
    bundled.filter((source, i) => bundled.indexOf(source) !== i),
    [],
  )
  for (const source of ['lib/text/errors.ts', 'transforms/hex.ts', 'cli/send.ts'])
    t.ok(bundled.includes(source), source)
})

t.test('the program can be run, also after another build', async t => {
  t.equal(statSync(join(root, bin['tcp-pipe'])).mode & 0o111, 0o111)
})

t.test('nothing is imported but Node.js and the dependencies of the package', async t => {
  const names = chunks.flatMap(chunk =>
    [
      ...read(chunk).matchAll(/^(?:import|export) .*?from "([^".][^"]*)"|\b(?:import|__require)\("([^".][^"]*)"\)/gm),
    ].map(([, first, second]) => (first ?? second) as string),
  )
  t.ok(names.includes('stream-chain/defs.js'))
  for (const name of new Set(names))
    t.ok(builtinModules.includes(name.replace('node:', '')) || (name.split('/')[0] as string) in dependencies, name)
})

t.test('the licence of every package in the bundle is with it', async t => {
  const notices = read('dist/bundle/THIRD-PARTY.txt')
  const packages = bundled.flatMap(source => /.*\/?node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? [])
  t.ok(packages.includes('pino') && packages.includes('commander'))
  t.match(
    notices,
    'Copyright (c) Microsoft Corporation. All rights reserved.',
    'reflect-metadata has a notice of its own',
  )
  for (const name of new Set(packages))
    t.match(notices, new RegExp(`^${name} \\d.*\\((MIT|BSD-3-Clause|0BSD|Apache-2.0|Unlicense)\\)$`, 'm'))
})

t.test('with --enable-source-maps, a stack names the sources', async t => {
  const script = `import('tcp-pipe').then(({ send }) => send({ to: 'nonsense:port' })).catch(error => console.log(error.stack))`
  const { stdout } = spawnSync('env', [...node, '--enable-source-maps', '-e', script], { cwd: root, encoding: 'utf8' })
  const [, source = '', line] = /\((?:file:\/\/)?\/?.*?((?:lib)\/[^:]+\.ts):(\d+)/.exec(stdout) ?? []
  t.match(read(source).split('\n')[Number(line) - 1], /throw|fault|Error/, stdout)
})

t.test('the library can be bundled by its users, whatever they call the folder', async t => {
  const folder = join(t.testdir({ 'package.json': '{ "type": "module" }' }), 'out')
  cpSync(join(root, 'dist/bundle'), folder, { recursive: true })
  const { stderr, status } = spawnSync('env', [...node, join(folder, 'index.js')], { encoding: 'utf8' })
  t.same([status, stderr], [0, ''])
})

t.test('installed with its dependencies and nothing else, the program does everything', async t => {
  const cwd = t.testdir({
    'line.mjs': `import { eachLine } from 'tcp-pipe'\nexport default eachLine(line => line + '!')\n`,
  })
  const folder = join(cwd, 'node_modules/tcp-pipe')
  const packed = spawnSync('env', [...node.slice(0, 2), 'npm', 'pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
  })
  for (const { path } of JSON.parse(packed.stdout)[0].files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    cpSync(join(root, path), join(folder, path))
  }
  for (const name of Object.keys(dependencies))
    symlinkSync(join(root, 'node_modules', name), join(cwd, 'node_modules', name))
  const run = (script: string) => {
    writeFileSync(
      join(cwd, 'script.sh'),
      `tcp-pipe() { '${process.execPath}' '${join(folder, bin['tcp-pipe'])}' "$@"; }\n${script}`,
    )
    const { stdout, stderr, status } = spawnSync('env', [...node.slice(0, 2), 'bash', 'script.sh'], {
      cwd,
      encoding: 'utf8',
    })
    t.equal(status, 0, stderr)
    return stdout
  }
  t.match(run('tcp-pipe --version'), /^\d/)
  t.match(run('tcp-pipe transforms'), 'gunzip')
  t.match(run('tcp-pipe completion bash'), 'serve')
  const both = run(`
    tcp-pipe serve 127.0.0.1:0 --tls auto --once --reply -t ./line.mjs --log-format json 2> log &
    until grep -q listening log; do sleep 0.05; done
    port=$(sed -n 's/.*"port":\\([0-9]*\\).*/\\1/p' log | head -1)
    echo hello | tcp-pipe send --to tls://127.0.0.1:$port --insecure -q -r 'hex plain=true'
    wait`)
  t.equal(Buffer.from(both.trim(), 'hex').toString(), 'hello!\n')
  const library = `import { TcpPipeError } from 'tcp-pipe'; import { hex } from 'tcp-pipe/transforms'
    try { hex({ nonsense: 1 }) } catch (error) { console.log(error instanceof TcpPipeError, error.code) }`
  t.equal(run(`'${process.execPath}' --input-type=module -e "${library}"`), 'true ERR_OPTION\n')
})
