import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readRules } from '../../cli/access.js'

const isRoot = process.getuid?.() === 0

/** The path of a file that holds the text. */
function file(t: Test, text: string): string {
  return join(t.testdir({ 'rules.txt': text }), 'rules.txt')
}

t.test('a value is a rule, or several', async t => {
  for (const [values, expected] of [
    [[], []],
    [['10.0.0.1'], ['10.0.0.1']],
    [
      ['10.0.0.1', 'fd00::/8'],
      ['10.0.0.1', 'fd00::/8'],
    ],
    [['10.0.0.1,10.0.0.2'], ['10.0.0.1', '10.0.0.2']],
    [
      ['10.0.0.1 10.0.0.2\t10.0.0.3-10.0.0.4', '::1'],
      ['10.0.0.1', '10.0.0.2', '10.0.0.3-10.0.0.4', '::1'],
    ],
    [[' 10.0.0.1,  10.0.0.2 '], ['10.0.0.1', '10.0.0.2']],
  ] as const)
    t.same(await readRules('--allow', values), expected, JSON.stringify(values))
})

t.test('@file has one rule a line, blanks and comments', async t => {
  for (const [title, text, expected] of [
    ['rules', '10.0.0.1\nfd00::/8\n', ['10.0.0.1', 'fd00::/8']],
    ['no LF at the end', '10.0.0.1\nfd00::/8', ['10.0.0.1', 'fd00::/8']],
    ['comments', '# ours\n10.0.0.1 # the office\n  #10.0.0.2\n10.0.0.3#\n', ['10.0.0.1', '10.0.0.3']],
    ['empty lines and blanks', '\n\n \t\n\t10.0.0.1  \n', ['10.0.0.1']],
    ['CRLF', '10.0.0.1\r\n\r\n# x\r\n10.0.0.2\r\n', ['10.0.0.1', '10.0.0.2']],
    ['a BOM', '\ufeff10.0.0.1\n', ['10.0.0.1']],
  ] as const)
    t.same(await readRules('--deny', [`@${file(t, text)}`]), expected, title)
})

t.test('values and files, in their order', async t => {
  const path = file(t, '10.0.0.2\n10.0.0.3\n')
  t.same(await readRules('--allow', ['10.0.0.1', `@${path}`, '::1']), ['10.0.0.1', '10.0.0.2', '10.0.0.3', '::1'])
})

t.test('a path may have blanks and commas', async t => {
  const folder = t.testdir({ 'a, b': '10.0.0.1\n' })
  t.same(await readRules('--allow', [`@${join(folder, 'a, b')}`]), ['10.0.0.1'])
})

t.test('a file without a rule', async t => {
  for (const text of ['', '\n', '# nobody\n']) {
    const path = file(t, text)
    t.same(await readRules('--deny', [`@${path}`]), [])
    await t.rejects(readRules('--allow', ['10.0.0.1', `@${path}`]), {
      code: 'ERR_OPTION',
      message: `--allow: ${path} contains no rules; an empty list would deny everyone`,
    })
  }
})

t.test('a mistake names the option, the rule, and file and line', async t => {
  const path = file(t, '10.0.0.1\n\n10.0.0.2 10.0.0.3 # one a line\n')
  for (const [value, message] of [
    ['10.0.0.0/33', /^--deny: '10\.0\.0\.0\/33' is not an address, a CIDR or a range, such as /],
    ['10.0.0.1,x', /^--deny: 'x' is not an address/],
    ['10.0.0.1,@x', /^--deny: '@x' is not an address/],
    ['', /^--deny: '' is not an address/],
    [' , ', /^--deny: ' , ' is not an address/],
    ['10.0.0.1,', /^--deny: '10\.0\.0\.1,' is not an address/],
    [',10.0.0.1', /^--deny: ',10\.0\.0\.1' is not an address/],
    ['10.0.0.1,,10.0.0.2', /^--deny: '10\.0\.0\.1,,10\.0\.0\.2' is not an address/],
    ['@', "--deny: '@' is not allowed; expected '@file'"],
    [`@${path}`, `--deny: ${path}:3: '10.0.0.2 10.0.0.3' is not an address, a CIDR or a range, such as `],
  ] as const)
    await t.rejects(readRules('--deny', [value]), { code: 'ERR_OPTION', message }, value)
})

t.test('a file that cannot be read', async t => {
  const folder = t.testdir({})
  for (const [path, message] of [
    [join(folder, 'none'), 'cannot be read: ENOENT: no such file or directory'],
    [folder, 'cannot be read: EISDIR: illegal operation on a directory'],
    ['a\0b', 'cannot be read: '],
  ] as const)
    await t.rejects(readRules('--allow', [`@${path}`]), { code: 'ERR_OPTION', message: `--allow: ${path} ${message}` })
})

t.test('a file that may not be read', { skip: isRoot && 'root may read everything' }, async t => {
  const path = file(t, '10.0.0.1\n')
  chmodSync(path, 0)
  await t.rejects(readRules('--deny', [`@${path}`]), { code: 'ERR_OPTION', message: /cannot be read: EACCES/ })
})
