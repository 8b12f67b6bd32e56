import t from 'tap'
import { checkFunction } from '../../../lib/stages/transforms.js'

t.test('transforms are a function, since a stream can be used once', async t => {
  checkFunction('transforms', undefined)
  checkFunction('transforms', () => [])
  t.throws(() => checkFunction('transforms', []), { code: 'ERR_OPTION', message: /write \(\) => \[\.\.\.\]/ })
  t.throws(() => checkFunction('transforms', 7), { code: 'ERR_OPTION', message: /it is number/ })
})
