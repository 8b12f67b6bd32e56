import t from 'tap'
import { Refusal, unauthorized, wrongMethod } from '../../../lib/ui/refusal.js'

t.test('a refusal has the status of its answer', async t => {
  const refusal = new Refusal(404, 'there is no such thing')
  t.match(refusal, { status: 404, message: 'there is no such thing', headers: {} })
  t.ok(refusal instanceof Error)
})

t.test('refusals with the headers that HTTP demands', async t => {
  t.match(unauthorized('the token is missing'), {
    ...{ status: 401, message: 'the token is missing', headers: { 'www-authenticate': 'Bearer' } },
  })
  t.match(wrongMethod('PUT', ['GET', 'HEAD']), {
    ...{ status: 405, message: 'PUT is not allowed here; expected GET, HEAD', headers: { allow: 'GET, HEAD' } },
  })
})
