import { join } from 'node:path'
import t from 'tap'
import { launch, missing, root } from './support.js'

t.test(
  'of 50,000 records through a cluster, with servers and readers that are killed, none is lost',
  { skip: missing('nats-server') },
  async t => {
    const words = ['--records', '50000', '--seed', '3', '--harms', '8']
    const torture = launch(t, process.execPath, [join(root, 'dist/test/torture-nats/index.js'), ...words], {
      timeout: 220_000,
    })
    const { code, stdout } = await torture.ended
    t.equal(code, 0, `${stdout}`)
    t.match(`${stdout}`, /^records: 50000 acknowledged$/m)
    t.match(`${stdout}`, /^lost: 0$/m)
    t.match(`${stdout}`, /^out of order: 0$/m)
  },
)
