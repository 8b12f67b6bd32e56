import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { missing } from '../e2e/support.js'
import { node, read, root } from './support.js'

interface Run {
  text: string
  style: string
  column: number
}

interface Pane {
  command: string
  typed: number
  lines: { runs: Run[]; at: number }[]
}

const { drawing, parse } = (await import(join(root, 'docs/terminal-svg.js'))) as {
  drawing(panes: Pane[], title: string): string
  parse(line: string): Run[]
}

t.test('docs/recording.svg shows what the program prints', { skip: missing('script') }, async t => {
  const words = [...node, join(root, 'docs/recording.js')]
  const { stdout, stderr, status } = spawnSync('env', words, { encoding: 'utf8', timeout: 120_000 })
  t.equal(status, 0, stderr)
  t.equal(read('docs/recording.svg'), stdout, 'run npm run docs')
})

t.test('docs/command-line.md shows it', async t => {
  t.match(read('docs/command-line.md'), /^!\[.+\]\(recording\.svg\)$/m)
})

t.test('a line is split into runs of one style', async t => {
  t.same(parse('\x1b[2m10:14:02\x1b[0m \x1b[32m✓\x1b[39m sent'), [
    { text: '10:14:02', style: 'dim', column: 0 },
    { text: '✓', style: 'green', column: 9 },
    { text: ' sent', style: '', column: 10 },
  ])
  t.throws(() => parse('\x1b[5mblink'), { message: 'unknown style 5' })
  t.throws(() => parse('a\x1b[Kb'), { message: /^unknown control/ })
})

t.test('a text cannot be read as markup', async t => {
  const text = `<script>&"</script>`
  const svg = drawing([{ command: text, typed: 0, lines: [{ runs: parse(text), at: 1 }] }], text)
  t.notMatch(svg, /<script|&"/)
  t.equal(svg.match(/&#60;script&#62;&#38;&#34;&#60;\/script&#62;/g)?.length, 3)
})
