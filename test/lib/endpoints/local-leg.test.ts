import { once } from 'node:events'
import { Readable } from 'node:stream'
import t from 'tap'
import { localLeg } from '../../../lib/endpoints/local-leg.js'

t.test('counts what its source gives, and has no peer', async t => {
  const source = Readable.from([Buffer.from('abc'), Buffer.from('de')])
  const leg = localLeg(source, 'file:x')
  t.notOk(source.readableFlowing)
  source.resume()
  await once(source, 'end')
  t.same(leg.bytes, { in: 5, out: 0 })
  t.match(leg, { remote: 'file:x', port: undefined, facts: {} })
  t.ok(leg.stream.destroyed)
  leg.reset(new Error('nobody hears of it'))
})
