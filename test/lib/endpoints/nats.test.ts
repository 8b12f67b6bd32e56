import t from 'tap'
import { parseAddress } from '../../../lib/endpoints/address.js'
import type { Sink } from '../../../lib/endpoints/endpoint.js'
import { type NatsAddress, nats } from '../../../lib/endpoints/nats.js'
import { checkOutput, checkSink, loadFor, reachSink, sinkTo, sourceAt } from '../../../lib/endpoints/open.js'
import { closed, until } from '../network.js'
import { natsServer, noServer } from './nats/server.js'

t.test('the table: an address of its own, which is read and written', async t => {
  t.equal(parseAddress('nats://h/x').scheme, 'nats')
  t.ok(nats.accepts('nats+tls://h/x'))
  t.notOk(nats.accepts('nats:80'))
  await t.rejects(checkOutput(parseAddress('nats://h/in.*')), { code: 'ERR_ADDRESS', message: /wildcard/ })
  checkSink(parseAddress('nats://h/x'))
})

t.test('what is written is read', { skip: noServer }, async t => {
  const server = await natsServer(t)
  const address = parseAddress(`${server.url}/in.lines?stream=S&create=true`) as NatsAddress
  await loadFor(address)
  await reachSink(address)
  const sink = (await sinkTo(address, { id: '1', remote: 'memory', port: undefined }, {})) as Sink
  sink.end('one\ntwo\n')
  await closed(sink)
  const source = sourceAt(parseAddress(`${server.url}/in.lines?durable=reader`))
  let text = ''
  source.on('data', chunk => {
    text += chunk
  })
  await until(() => text === 'one\ntwo\n')
  source.acks?.kept(8)
  source.destroy()
  await closed(source)
})
