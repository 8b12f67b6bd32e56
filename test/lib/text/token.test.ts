import t from 'tap'
import { isToken, tokenRule } from '../../../lib/text/token.js'

t.test('a token is long, and needs no quoting', async t => {
  t.match(tokenRule, '16 to 200')
  for (const right of ['abcdefghijklmnop', 'AZaz09-._~AZaz09', 'x'.repeat(200)]) t.ok(isToken(right), right)
  for (const wrong of [
    '',
    'abcdefghijklmno',
    'x'.repeat(201),
    'abcdefghijklmnop ',
    'abcdefghijklmnop\n',
    'äbcdefghijklmnop',
  ])
    t.notOk(isToken(wrong), JSON.stringify(wrong))
})
