import t from 'tap'
import { Refusal } from '../../../lib/ui/refusal.js'

t.test('a refusal has the status of its answer', async t => {
  const refusal = new Refusal(404, 'there is no such thing')
  t.match(refusal, { status: 404, message: 'there is no such thing' })
  t.ok(refusal instanceof Error)
})
