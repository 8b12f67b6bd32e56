import { join } from 'node:path'
import t from 'tap'
import { launch, root } from './support.js'

t.test(
  'of 50 reliable transfers over a network that breaks, between programs that are killed, none is lost',
  async t => {
    const words = ['--count', '50', '--seed', '1', '--size', '3000000', '--lanes', '4']
    const torture = launch(t, process.execPath, [join(root, 'dist/test/torture/index.js'), ...words], {
      timeout: 200_000,
    })
    const { code, stdout } = await torture.ended
    t.equal(code, 0, `${stdout}`)
    t.match(`${stdout}`, /^LOST: 0$/m)
    t.match(`${stdout}`, /^FAILED: 0$/m)
  },
)
