// The bare client of NATS: `nats-client.js publish|consume PORT`. Takes one order, answers with the seconds, and exits.
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'

const inFlight = 200

const [role, port] = process.argv.slice(2)
const connection = await connect({ servers: `127.0.0.1:${port}` })
const client = jetstream(connection)
if (role === 'consume') {
  const manager = await jetstreamManager(connection)
  await manager.consumers.add('bench', { durable_name: 'client', ack_policy: 'explicit' })
}
process.once('message', async order => {
  const started = performance.now()
  await (role === 'publish' ? publish(order) : consume(order))
  process.send((performance.now() - started) / 1000)
  await connection.close()
  process.disconnect()
})
process.send('ready')

/** Lines in messages of this size, each with an id. */
async function publish({ lines, size, lineLength }) {
  const perMessage = Math.floor(size / lineLength)
  const data = Buffer.from(`${'x'.repeat(lineLength - 1)}\n`.repeat(perMessage))
  let left = Math.ceil(lines / perMessage)
  const send = async () => {
    while (left > 0) await client.publish('bench.lines', data, { msgID: `bench:${left--}` })
  }
  await Promise.all(Array.from({ length: inFlight }, send))
}

async function consume({ lines }) {
  const consumer = await client.consumers.get('bench', 'client')
  let left = lines
  const messages = await consumer.consume()
  for await (const message of messages) {
    message.ack()
    if (--left === 0) break
  }
  await connection.flush()
}
