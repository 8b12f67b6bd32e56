import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { files, node, read, root } from './support.js'

const cli = join(root, 'dist/cli/index.js')

t.test('docs/transforms.md is what the transforms say', async t => {
  const { stdout, status } = spawnSync('env', [...node, cli, 'transforms', '--markdown'], { encoding: 'utf8' })
  t.equal(status, 0)
  t.equal(read('docs/transforms.md'), stdout, 'npm run docs makes it anew')
})

t.test('README.md', async t => {
  const readme = read('README.md')
  t.ok(readme.split('\n').length <= 150, 'has at most 150 lines')
  for (const name of names()) t.match(readme, `\`${name}\``, `names ${name}`)
})

t.test('the links of every document lead somewhere', async t => {
  for (const page of ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...files('docs', '.md')]) {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(match => match[1] as string)
    for (const link of links) t.ok(existsSync(join(root, page, '..', link)), `${page}: ${link}`)
  }
})

t.test('CHANGELOG.md names every transform', async t => {
  for (const name of names()) t.match(read('CHANGELOG.md'), `\`${name}\``, name)
})

t.test('the help of every command names every option of its page', async t => {
  const help = ['serve', 'send', 'proxy']
    .map(name => spawnSync('env', [...node, cli, name, '--help'], { encoding: 'utf8' }).stdout)
    .join('')
  for (const page of ['docs/command-line.md', 'docs/proxy.md']) {
    for (const [option] of read(page).matchAll(/--[a-z-]{3,}/g)) {
      if (option !== '--help') t.match(help, option, option)
    }
  }
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

function names(): string[] {
  return [...read('docs/transforms.md').matchAll(/^### (.+)$/gm)].map(match => match[1] as string)
}
