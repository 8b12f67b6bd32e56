import { createHash } from 'node:crypto'
import t from 'tap'
import { Incoming } from '../../../../lib/endpoints/session/incoming.js'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const stateOf = ({ received, verified, isEnded }: Incoming) => [received, verified, isEnded]

t.test('data that is checked is right at once, other data when its digest has come', async t => {
  const incoming = new Incoming(true)
  t.same(stateOf(incoming), [0, 0, false])
  t.equal(incoming.sha256, sha256(''))
  incoming.data(0, Buffer.from('ab'), true)
  t.same(stateOf(incoming), [2, 2, false])
  incoming.data(2, Buffer.from('cd'), false)
  t.same(stateOf(incoming), [4, 2, false])
  t.equal(incoming.sha256, sha256('abcd'))
  t.ok(incoming.check(4, sha256('abcd')))
  t.same(stateOf(incoming), [4, 4, false])
  t.ok(incoming.end(4, sha256('abcd')))
  t.same(stateOf(incoming), [4, 4, true])
  t.ok(incoming.end(4, sha256('abcd')), 'once more, over another link')
})

t.test('without a digest there is nothing to compare', async t => {
  const incoming = new Incoming(false)
  t.equal(incoming.sha256, undefined)
  incoming.data(0, Buffer.from('ab'), false)
  t.ok(incoming.check(2, undefined))
  incoming.data(2, Buffer.from('c'), false)
  incoming.rewind()
  t.same(stateOf(incoming), [2, 2, false])
  t.ok(incoming.end(2, undefined))
})

t.test('a digest that differs changes nothing; after rewind it goes on with what was right', async t => {
  for (const right of [0, 2]) {
    const incoming = new Incoming(true)
    if (right > 0) incoming.data(0, Buffer.from('ab'), true)
    incoming.data(right, Buffer.from('xx'), false)
    for (const wrong of [sha256('abcd'), undefined, 7, '']) t.notOk(incoming.check(right + 2, wrong))
    t.notOk(incoming.end(right + 2, sha256('abcd')))
    t.same(stateOf(incoming), [right + 2, right, false])
    for (let i = 0; i < 2; i++) {
      incoming.rewind()
      t.same(stateOf(incoming), [right, right, false])
      incoming.data(right, Buffer.from('cd'), false)
      t.equal(incoming.sha256, sha256(right > 0 ? 'abcd' : 'cd'))
    }
    t.ok(incoming.end(right + 2, incoming.sha256))
  }
})

t.test('it continues after bytes of an earlier run', async t => {
  const incoming = new Incoming(true)
  incoming.resume(2, createHash('sha256').update('ab'))
  t.same(stateOf(incoming), [2, 2, false])
  incoming.data(2, Buffer.from('xx'), false)
  incoming.rewind()
  incoming.data(2, Buffer.from('c'), false)
  t.ok(incoming.end(3, sha256('abc')))
})

t.test('what is not the next is refused, in words', async t => {
  const incoming = new Incoming(true)
  incoming.data(0, Buffer.from('ab'), false)
  const refuses = (work: () => unknown, words: string) =>
    t.throws(work, { code: 'ERR_SESSION', message: `the peer sent ${words}` })
  for (const offset of [0, 1, 3, Number.MAX_SAFE_INTEGER])
    refuses(() => incoming.data(offset, Buffer.from('c'), true), `data at ${offset}; expected 2`)
  for (const offset of [0, 3]) {
    refuses(() => incoming.check(offset, sha256('ab')), `a check at ${offset}; expected 2`)
    refuses(() => incoming.end(offset, sha256('ab')), `a check at ${offset}; expected 2`)
  }
  t.same(stateOf(incoming), [2, 0, false])
  incoming.end(2, sha256('ab'))
  refuses(() => incoming.data(2, Buffer.from('c'), true), 'data at 2; expected none')
})
