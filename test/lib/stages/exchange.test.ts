import t from 'tap'
import { exchangeOf } from '../../../lib/stages/exchange.js'

t.test('both directions of a connection have one exchange, others have their own', async t => {
  const exchange = exchangeOf({ id: 'a' })
  t.same(exchange, { passed: {} })
  t.equal(exchangeOf({ id: 'a' }), exchange)
  t.not(exchangeOf({ id: 'b' }), exchange)
  t.not(exchangeOf(undefined), exchangeOf(undefined))
})

t.test('only the latest thousand are remembered', async t => {
  const oldest = exchangeOf({ id: 'oldest' })
  const later = exchangeOf({ id: 'later' })
  for (let i = 0; i < 999; i++) exchangeOf({ id: `c${i}` })
  t.not(exchangeOf({ id: 'oldest' }), oldest)
  t.not(exchangeOf({ id: 'later' }), later, 'the oldest took its place')
  t.equal(exchangeOf({ id: 'c998' }), exchangeOf({ id: 'c998' }))
})
