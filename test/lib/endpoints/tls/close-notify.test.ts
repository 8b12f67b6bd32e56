import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { lendReads } from '../../../../lib/endpoints/big-reads.js'
import { hasCloseNotify } from '../../../../lib/endpoints/tls/close-notify.js'
import { memorySink } from '../../network.js'
import { tlsPair, tlsPairWithHop } from '../../tls.js'

/** What is found out when the end comes to the server's socket. */
function atEnd({ server, serverRaw }: { server: TLSSocket; serverRaw: Socket }): Promise<boolean> {
  const { push } = server
  return new Promise(resolve => {
    server.push = (chunk, encoding) => {
      if (chunk === null) resolve(hasCloseNotify(server, serverRaw))
      return push.call(server, chunk, encoding)
    }
    server.resume()
  })
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  for (const size of [0, 5, 3_000_000]) {
    t.test(`${version}: an end that was announced, behind ${size} bytes`, async t => {
      const pair = await tlsPairWithHop(t, { server: { ignoreUnexpectedEof: true }, version })
      const found = atEnd(pair)
      pair.client.end(Buffer.alloc(size))
      t.equal(await found, true)
    })

    t.test(`${version}: a FIN of the socket below, behind ${size} bytes`, async t => {
      const pair = await tlsPairWithHop(t, { server: { ignoreUnexpectedEof: true }, version })
      const found = atEnd(pair)
      let came = 0
      pair.server.on('data', chunk => {
        came += chunk.length
        if (came === size) pair.cut()
      })
      if (size > 0) pair.client.write(Buffer.alloc(size))
      else pair.cut()
      t.equal(await found, false)
    })
  }

  t.test(`${version}: the reader pauses in the middle of what comes with the end`, async t => {
    const pair = await tlsPairWithHop(t, { server: { ignoreUnexpectedEof: true }, version })
    const found = atEnd(pair)
    pair.server.pause()
    pair.client.end(Buffer.alloc(200_000))
    const read = () => void pair.server.read(1000)
    const timer = setInterval(read, 1)
    t.equal(await found, true)
    clearInterval(timer)
  })
}

t.test('an end that comes while the socket waits for its turn', async t => {
  const pairs = await Promise.all(Array.from({ length: 20 }, () => tlsPair(t)))
  await Promise.all(pairs.map(({ client }) => once(client.end(Buffer.alloc(1_000_000)), 'finish')))
  const found = pairs.map(async pair => {
    const sink = memorySink()
    const end = atEnd(pair)
    lendReads(pair.server, sink)
    pair.server.pipe(sink)
    return end
  })
  t.strictSame(await Promise.all(found), Array(20).fill(true))
})

t.test('where nothing can be found out, it is taken for an end', async t => {
  t.equal(hasCloseNotify({} as never, {} as Socket), true)
})
