// A server with a handler, which gets the socket as a Duplex.
import { pipeline } from 'node:stream/promises'
import { compose, serve } from 'tcp-pipe'
import { counter, gunzip, gzip } from 'tcp-pipe/transforms'

const server = await serve({ port: Number(process.env.PORT ?? 4000) }, async (socket, { log }) => {
  // gzip in, gzip out, lines numbered. The socket is ended when this resolves and reset when it rejects.
  let number = 0
  const numbered = { write: chunk => chunk.toString().replace(/^(?=.)/gm, () => `${++number} `) }
  await pipeline(socket, compose(gunzip(), counter({}, { log }), numbered, gzip()), socket)
})
console.log(`listening on ${server.address.port}`)
process.once('SIGINT', () => server.close())
