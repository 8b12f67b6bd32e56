import t from 'tap'
import { type Entry, Ledger } from '../../../../lib/endpoints/nats/ledger.js'

/** A message, and what its reader has answered. */
function message(seq: number, text = '', delivery = 1, timestampNanos = seq) {
  const answers: string[] = []
  const answer = (word: string) => () => void answers.push(word)
  const info = { stream: 'S', timestampNanos }
  const methods = { ack: answer('ack'), nak: answer('nak'), working: answer('working') }
  return { seq, info, data: Buffer.from(text), reply: `reply.${seq}.${delivery}`, answers, ...methods } as never as {
    answers: string[]
  } & Entry['message']
}

function given(ledger: Ledger, ...messages: Entry['message'][]): void {
  for (const each of messages) ledger.give(ledger.take(each) as Entry)
}

t.test('what is kept is acknowledged, and no more', async t => {
  const ledger = new Ledger()
  const [a, b, c] = [message(1, 'aa'), message(2, 'bb'), message(3, 'cc')]
  given(ledger, a, b, c)
  t.same([ledger.size, ledger.unkept, ledger.given, ledger.bytes], [3, 3, 3, 6])
  ledger.kept(1)
  t.same(a.answers, [])
  ledger.kept(4)
  ledger.kept(3)
  t.same([a.answers, b.answers, c.answers], [['ack'], ['ack'], []])
  ledger.working()
  ledger.giveBack()
  t.same([a.answers, c.answers], [['ack'], ['working', 'nak']])
  t.equal(ledger.size, 0)
})

t.test('an empty message is kept with what precedes it', async t => {
  const ledger = new Ledger()
  const [first, a, last] = [message(1), message(2, 'a'), message(3)]
  given(ledger, first, a, last)
  t.same([first.answers, last.answers], [['ack'], []])
  ledger.kept(1)
  t.same([a.answers, last.answers], [['ack'], ['ack']])
})

t.test('a message that comes again is not given again', async t => {
  const ledger = new Ledger()
  given(ledger, message(1, 'a'))
  const again = message(1, 'a', 2)
  t.equal(ledger.take(again), undefined)
  ledger.kept(1)
  t.same(again.answers, ['ack'], 'the latest delivery is acknowledged')
  const lost = message(1, 'a', 3)
  t.equal(ledger.take(lost), undefined)
  t.same(lost.answers, ['ack'], 'the acknowledgement was lost')
})

t.test('a number of another stream is no known message: nothing is acknowledged unseen', async t => {
  const ledger = new Ledger()
  given(ledger, message(1, 'a'), message(2, 'b'))
  ledger.kept(1)
  for (const seq of [1, 2])
    t.throws(() => ledger.take(message(seq, 'c', 1, 99)), { code: 'ERR_NATS', message: /stream S was made anew/ })
})

t.test('acknowledgements are known until they are confirmed', async t => {
  const ledger = new Ledger()
  given(ledger, message(1, 'a'), message(2, 'b'), message(3, 'c'))
  t.equal(ledger.last, undefined)
  ledger.kept(2)
  t.same([...ledger.unconfirmed()], ['reply.1.1', 'reply.2.1'])
  t.equal(ledger.last, 'reply.2.1')
  ledger.kept(3)
  ledger.confirm('reply.2.1')
  t.same([...ledger.unconfirmed()], ['reply.3.1'])
  t.equal(ledger.last, 'reply.3.1')
  ledger.confirm('reply.3.1')
  t.same([[...ledger.unconfirmed()], ledger.last], [[], undefined])
})

t.test('a bounded number is remembered', async t => {
  const ledger = new Ledger()
  for (let seq = 1; seq <= 100_001; seq++) given(ledger, message(seq))
  t.equal([...ledger.unconfirmed()].length, 100_000)
  t.ok(ledger.take(message(1)))
  t.equal(ledger.take(message(2)), undefined)
})
