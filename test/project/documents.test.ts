import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { selfSigned } from '../../lib/endpoints/tls/self-signed.js'
import { cli, files, node, read, root } from './support.js'

t.test('docs/transforms.md matches the transforms', async t => {
  const { stdout, status } = spawnSync('env', [...node, cli, 'transforms', '--markdown'], { encoding: 'utf8' })
  t.equal(status, 0)
  t.equal(read('docs/transforms.md'), stdout, 'run npm run docs')
})

t.test('README.md', async t => {
  const readme = read('README.md')
  t.ok(readme.split('\n').length <= 120, 'has less than 120 lines')
  for (const name of names()) t.match(readme, `\`${name}\``, `names ${name}`)
})

t.test('the links of every document lead somewhere', async t => {
  for (const page of ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', ...files('docs', '.md')]) {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(match => match[1] as string)
    for (const link of links) t.ok(existsSync(join(root, page, '..', link)), `${page}: ${link}`)
  }
})

t.test('CHANGELOG.md names every transform', async t => {
  for (const name of names()) t.match(read('CHANGELOG.md'), `\`${name}\``, name)
})

t.test('the help of every command names every option of its page', async t => {
  const pages = ['serve', 'send', 'proxy', 'pipe', 'check'].map(name => optionsOf(name))
  const known = [...pages.flat(), ...optionsOf('explain', '--help'), ...optionsOf('top', '--help')]
  const others = ['--help', '--system', '--shell', '--pinnedpubkey', '--ssl', '--send-only'] // of useradd, curl, ncat
  for (const page of ['docs/command-line.md', 'docs/proxy.md', 'docs/hardening.md', 'SECURITY.md', 'README.md']) {
    for (const [option] of read(page).matchAll(/(?<![\w-])--[a-z][a-z-]{2,}/g)) {
      if (!others.includes(option)) t.ok(known.includes(option), `${page}: ${option}`)
    }
  }
})

t.test('docs/hardening.md says for each limit, timeout and TLS option what it protects against', async t => {
  const page = read('docs/hardening.md')
  const own = new Set(
    optionsOf('serve').slice(optionsOf('serve').indexOf('--allow'), optionsOf('serve').indexOf('--log-level')),
  )
  t.ok(own.size >= 25)
  for (const option of own) t.ok(page.includes(`\`${option}`), option)
})

t.test('the commands of the section TLS of docs/command-line.md', async t => {
  const [, section] = /## TLS\n\n```sh\n(.*?)```/s.exec(read('docs/command-line.md')) as unknown as [string, string]
  const commands = section
    .trimEnd()
    .split('\n')
    .map(line =>
      line
        .replace(/ {2,}#.*$/, '')
        .split(' ')
        .slice(1),
    )
  t.equal(commands.length, 4)
  const { cert, key } = await selfSigned()
  const file = 'what is in it'
  const cwd = t.testdir({ file, 'cert.pem': cert, 'key.pem': key, 'ca.pem': cert, 'me.pem': cert, 'me-key.pem': key })
  for (const [serve, send] of [commands.slice(0, 2), commands.slice(2)] as [string[], string[]][]) {
    const server = spawn('env', [...node, cli, ...serve, '--once', 'localhost:0'], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    t.teardown(() => server.kill('SIGKILL'))
    const output = text(server.stdout)
    const { port, pin } = JSON.parse(String(await once(server.stderr, 'data')))
    const words = send.map(word =>
      word.replace(/(127\.0\.0\.1|example):3099/, `localhost:${port}`).replace('sha256//…', pin),
    )
    const client = spawnSync('env', [...node, cli, ...words], { cwd, encoding: 'utf8' })
    t.equal(client.status, 0, `${words.join(' ')}: ${client.stderr}`)
    t.equal(await output, file)
  }
})

t.test('the programs of docs/library.md run', async t => {
  const blocks = [...read('docs/library.md').matchAll(/```ts\n(import .*?)```/gs)].map(match => match[1] as string)
  t.equal(blocks.length, 13)
  const { cert, key } = await selfSigned()
  const programs = Object.fromEntries(blocks.map((code, i) => [`${i}.mjs`, `${code}\nconsole.log('done')`]))
  const cwd = t.testdir({ 'cert.pem': cert, 'key.pem': key, ...programs })
  for (const [name, code] of Object.entries(programs)) {
    const { stdout, stderr } = spawnSync('env', [...node, name], { cwd, encoding: 'utf8' })
    const processes = code.includes('cluster.fork()') ? 3 : 1
    t.equal(stdout, 'done\n'.repeat(processes), stderr)
  }
})

t.test('docs/command-line.md names every metric, and no other', async t => {
  const documented = [...read('docs/command-line.md').matchAll(/`((?:tcp_pipe|process)_\w+)`/g)].map(([, name]) => name)
  const shown = [...read('docs/grafana.json').matchAll(/\b(?:tcp_pipe|process)_\w+/g)].map(([name]) => name)
  const names = shown.map(name => name.replace(/_bucket$/, '')) // each metric that exists: test/e2e/metrics.test.ts
  const always = documented.filter(name => !name?.includes('_also_')) // those are there with --also only
  t.same(always.sort(), [...new Set(names)].sort())
})

t.test('the commands and the code of docs/proxy.md', async t => {
  const page = read('docs/proxy.md')
  const commands = [...page.matchAll(/^tcp-pipe proxy .*$/gm)].map(([line]) => line.replace(/ {2,}#.*$/, ''))
  t.ok(commands.length >= 6)
  for (const command of commands) {
    const script = `tcp-pipe() { '${process.execPath}' '${cli}' "$@"; }; ${command.replace(/proxy \d+/, 'proxy unix:/none/s')}`
    const { stderr, status } = spawnSync('env', ['-u', 'NODE_OPTIONS', 'bash', '-c', script], { encoding: 'utf8' })
    t.same([status, /EACCES|ENOENT/.test(stderr)], [1, true], `${command}: ${stderr}`) // it got as far as to listen
  }
  const [, code] = /```ts\n(.*?)```/s.exec(page) as unknown as [string, string]
  const path = join(t.testdir({ 'main.mjs': `${code}\nawait link.close()\nconsole.log('done')` }), 'main.mjs')
  t.equal(spawnSync('env', [...node, path], { encoding: 'utf8' }).stdout, 'done\n')
})

/** The long options that the help of a command names, in its order. */
function optionsOf(command: string, help = '--help-all'): string[] {
  const { stdout } = spawnSync('env', [...node, cli, command, help], { encoding: 'utf8' })
  return [...stdout.matchAll(/^ {2}(?:-\w, | {4})?(--[a-z-]+)/gm)].map(match => match[1] as string)
}

function names(): string[] {
  return [...read('docs/transforms.md').matchAll(/^### (.+)$/gm)].map(match => match[1] as string)
}

t.test('an installation runs nothing, so npm has nothing to warn of', async t => {
  const { scripts } = JSON.parse(read('package.json'))
  for (const name of ['preinstall', 'install', 'postinstall', 'preprepare', 'prepare', 'postprepare'])
    t.notOk(name in scripts, name)
  t.ok(scripts.dependencies && scripts.prepack, 'npm ci, an installation from git and npm pack build it')
})
