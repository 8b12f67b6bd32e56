import { headers } from '@nats-io/transport-node'
import t from 'tap'
import { headerNames, placeOf } from '../../../../lib/endpoints/nats/headers.js'

function read(values: Record<string, string>) {
  const own = headers()
  for (const [name, value] of Object.entries(values)) own.append(headerNames[name as 'stored'], value)
  return placeOf({ headers: own } as never)
}

t.test('the place of a message in its connection', async t => {
  const place = { connection: 'a', sequence: 7, stored: 5 }
  t.same(read({ connection: 'a', sequence: '7', stored: '5' }), place)
})

t.test('what somebody else has written is no place', async t => {
  t.equal(placeOf({} as never), undefined)
  for (const values of [
    {},
    { connection: 'a', sequence: '7' },
    { sequence: '7', stored: '5' },
    { connection: 'a', sequence: '-1', stored: '0' },
    { connection: 'a', sequence: '1e9', stored: '0' },
    { connection: 'a', sequence: '9'.repeat(20), stored: '0' },
    { connection: 'a', sequence: '5', stored: '6' },
  ])
    t.equal(read(values), undefined, JSON.stringify(values))
})
