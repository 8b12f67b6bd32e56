import t from 'tap'
import { sessionDefaults } from '../../../../lib/endpoints/session/options.js'

t.test('the defaults are those that are documented', async t => {
  const { window, giveUpAfter, linkTimeout } = sessionDefaults
  t.same(window, { transfer: 16 * 2 ** 20, tunnel: 4 * 2 ** 20 })
  t.same([giveUpAfter, linkTimeout], [300_000, 30_000])
})
