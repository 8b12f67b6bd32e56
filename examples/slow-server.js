// Shows what a client sees of a server that is slow, then down, then back: node examples/slow-server.js
import { connect } from 'node:net'
import { proxy, serve } from 'tcp-pipe'
import { delay } from 'tcp-pipe/transforms'

const server = await serve({ port: 0, reply: true, transforms: () => [chunk => `pong after ${chunk}`] })
const link = await proxy({ port: 0, to: { port: server.address.port } })

await ask('as it is')
await link.reply.use(() => [delay({ latency: 100 })])
await ask('100 ms late')
await link.disable()
await ask('down')
await link.enable()
await link.reply.clear()
await ask('as before')
await link.close()
await server.close()

async function ask(state) {
  const started = performance.now()
  const socket = connect(link.address.port, '127.0.0.1').end('ping')
  const answer = new Promise(resolve => socket.on('data', resolve).on('error', ({ code }) => resolve(code)))
  console.log(`${state}: ${await answer}, ${performance.now() - started < 100 ? 'at once' : 'late'}`)
}
