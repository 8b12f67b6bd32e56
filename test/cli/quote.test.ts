import { execFileSync } from 'node:child_process'
import t from 'tap'
import { quote } from '../../cli/quote.js'

t.test('a shell reads the words as they were', t => {
  const words = [
    'a',
    '',
    "it's",
    'a b',
    '$HOME',
    '`x`',
    '"',
    '\\',
    'ü',
    '*',
    '~',
    '#',
    'a\nb',
    '-t',
    'hex | grep x',
    '!x',
  ]
  const output = execFileSync('bash', ['-c', `printf '%s\\0' ${quote(words)}`], { encoding: 'utf8' })
  t.same(output.split('\0').slice(0, -1), words)
  t.equal(quote(['serve', '127.0.0.1:3000', '[::1]:1']), "serve 127.0.0.1:3000 '[::1]:1'")
  t.end()
})
