import t from 'tap'
import { watchForAlert } from '../../../../lib/endpoints/tls/alert.js'
import { collect, socketPair } from '../../network.js'

const alert = Buffer.from([0x15, 3, 1, 0, 2, 2, 22])

for (const [title, bytes, expected] of [
  ['an alert', alert, { alert: true }],
  ['an alert with more behind it', Buffer.concat([alert, Buffer.alloc(100_000)]), { alert: true }],
  ['a handshake', Buffer.from([0x16, 3, 1]), {}],
  ['a text', Buffer.from('\x15x'), {}],
  ['an alert behind other bytes', Buffer.concat([Buffer.alloc(300_000), alert]), {}],
  ['nothing', Buffer.alloc(0), {}],
] as const) {
  t.test(`${title}: ${'alert' in expected ? 'noted' : 'not noted'}; every byte passes`, async t => {
    const [accepted, client] = await socketPair(t)
    const { push } = client
    const facts = watchForAlert(client)
    accepted.end(bytes)
    t.ok((await collect(client)).equals(bytes))
    t.same(facts, expected)
    t.equal(client.push, push, 'nothing stays behind')
  })
}

t.test('who watches, too, is not removed', async t => {
  const [accepted, client] = await socketPair(t)
  watchForAlert(client)
  const { push } = client
  const calls: unknown[] = []
  client.push = (chunk, encoding) => {
    calls.push(chunk)
    return push.call(client, chunk, encoding)
  }
  accepted.end('x')
  t.equal(String(await collect(client)), 'x')
  t.same(calls, [Buffer.from('x'), null])
})
