/** docs/faults.md: each row, and the tests whose titles end with its id. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { files, read, root } from '../project/support.js'
import { groups, notBuilt, type Row, rows } from './rows.js'

export interface TitledTest {
  file: string
  /** Its title after those of the enclosing tests, without the ids. */
  title: string
  ids: string[]
  /** Ids that are not in parentheses at the end of the title. */
  misplaced: string[]
}

/** Figures of runs that are too long for a test; the file has its own heading. */
const soaks = ['test/soak.md', 'test/soak-served.md', 'test/soak-open.md']

const introduction = `# Faults, bad input and load

Failure cases, the required behavior, and the tests that prove it. In the title of a parameterized test, \`…\` stands for
the parameter. \`npm run docs\` generates this page from the test titles. [CONTRIBUTING](../CONTRIBUTING.md) explains how to
run a test.
`

/** All tests with a literal title, in source order. */
export function titledTests(): TitledTest[] {
  return files('test', '.test.ts').flatMap(file => testsOf(file, read(file)))
}

/** The contents of the page. */
export function page(): string {
  const tests = titledTests()
  const sections = Object.entries(groups).map(([letter, name]) => section(letter, name, tests))
  const figures = soaks.filter(file => existsSync(join(root, file))).map(file => `${read(file).trim()}\n`)
  return [introduction, ...sections, ...figures].join('\n')
}

function section(letter: string, name: string, tests: TitledTest[]): string {
  const lines = rows.filter(({ id }) => id.startsWith(letter)).map(row => line(row, tests))
  return `## ${letter}: ${name}\n\n| id | case | required behavior | tests |\n| --- | --- | --- | --- |\n${lines.join('')}`
}

function line(row: Row, tests: TitledTest[]): string {
  return `| ${row.id} | ${cell(row.case)} | ${cell(row.expected)} | ${shownBy(row.id, tests)} |\n`
}

function shownBy(id: string, tests: TitledTest[]): string {
  if (notBuilt.includes(id)) return 'not built yet'
  const found = tests.filter(({ ids }) => ids.includes(id))
  const shown = new Map<string, string[]>()
  for (const { file, title } of found) shown.set(file, [...(shown.get(file) ?? []), title])
  return Array.from(shown, ([file, titles]) => `\`${file}\`: ${titles.map(cell).join('; ')}`).join('<br>')
}

function cell(text: string): string {
  return text.replaceAll('<', '&lt;').replaceAll('|', '\\|')
}

/** `  t.test('…'`, `law('…'`, also with the title on the next line. */
const call = /^( *)(?:await )?(?:\w+\.test|law)\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`)/

function testsOf(file: string, source: string): TitledTest[] {
  const tests: TitledTest[] = []
  const open: { indentation: number; title: string }[] = []
  const lines = source.split('\n')
  for (const [number, text] of lines.entries()) {
    if (text.trim() === '') continue
    const indentation = text.search(/\S/)
    while (open.length > 0 && indentation <= (open.at(-1)?.indentation as number)) open.pop()
    const match = call.exec(`${text}\n${lines[number + 1]}`)
    if (!match) continue
    const whole = (match[2] ?? match[3] ?? match[4] ?? '').replace(/\$\{[^}]*\}/g, '…').replace(/\\(['"`\\])/g, '$1')
    const [, title = whole, list] = /^(.*) \(([A-Z]-\d\d(?:, [A-Z]-\d\d)*)\)$/s.exec(whole) ?? []
    const misplaced = title.match(/\b[A-Z]-\d\d\b/g) ?? []
    tests.push({
      file,
      title: [...open.map(({ title }) => title), title].join(': '),
      ids: list?.split(', ') ?? [],
      misplaced,
    })
    open.push({ indentation, title })
  }
  return tests
}
