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

function names(): string[] {
  return [...read('docs/transforms.md').matchAll(/^### (.+)$/gm)].map(match => match[1] as string)
}
