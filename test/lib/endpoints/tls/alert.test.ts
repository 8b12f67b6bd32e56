import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { DialledSocket } from '../../../../lib/endpoints/tls/alert.js'
import { collect } from '../../network.js'

const alert = Buffer.from([0x15, 3, 1, 0, 2, 2, 22])

/** A socket that has dialled a peer, which sends these bytes and ends. */
async function dialled(t: Test, bytes: Buffer): Promise<DialledSocket> {
  const server = createServer((peer: Socket) => void peer.end(bytes)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = new DialledSocket()
  client.connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => client.destroy())
  t.teardown(() => server.close())
  return client
}

for (const [title, bytes, expected] of [
  ['an alert', alert, { alert: true }],
  ['an alert with more behind it', Buffer.concat([alert, Buffer.alloc(100_000)]), { alert: true }],
  ['a handshake', Buffer.from([0x16, 3, 1]), {}],
  ['a text', Buffer.from('\x15x'), {}],
  ['an alert behind other bytes', Buffer.concat([Buffer.alloc(300_000), alert]), {}],
  ['nothing', Buffer.alloc(0), {}],
] as const) {
  t.test(`${title}: ${'alert' in expected ? 'noted' : 'not noted'}; every byte passes`, async t => {
    const client = await dialled(t, bytes)
    t.ok((await collect(client)).equals(bytes))
    t.same(client.facts, expected)
    t.notOk(Object.hasOwn(client, 'push'), 'the way of the chunks is that of every socket of the class')
  })
}
