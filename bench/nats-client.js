// The bare client of NATS: `nats-client.js publish|consume|relay PORT`. Takes one order, answers with the seconds and
// those of the processor, and exits;
// `relay` listens at once, and says where.
import { once } from 'node:events'
import { createServer } from 'node:net'
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
if (role === 'relay') await relay()
else process.send('ready')
process.once('message', async order => {
  const started = performance.now()
  const before = process.cpuUsage()
  await (role === 'publish' ? publish(order) : consume(order))
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(before)
  process.send({ seconds, cpu: (user + system) / 1e6 })
  await connection.close()
  process.disconnect()
})

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

/** Lines of sockets in messages of 64 KiB, without retries, headers and backpressure of bytes: the least that works. */
async function relay() {
  let sockets = 0
  const server = createServer({ allowHalfOpen: true }, async socket => {
    const name = `bench-${sockets++}`
    let chunks = []
    let size = 0
    let number = 0
    const flying = new Set()
    const send = data => {
      const sent = client.publish('bench.lines', data, { msgID: `${name}:${number++}` }).then(() => flying.delete(sent))
      flying.add(sent)
    }
    for await (const chunk of socket) {
      chunks.push(chunk)
      size += chunk.length
      if (size < 65_536) continue
      const all = Buffer.concat(chunks)
      const end = all.lastIndexOf(10, 65_535) + 1
      send(all.subarray(0, end))
      chunks = [all.subarray(end)]
      size = all.length - end
      if (flying.size >= inFlight) await Promise.race(flying)
    }
    if (size > 0) send(Buffer.concat(chunks))
    await Promise.all(flying)
    socket.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.send(server.address().port)
}
