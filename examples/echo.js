// A server that answers each line in uppercase: nc 127.0.0.1 4000
import { serve } from 'tcp-pipe'
import { grep } from 'tcp-pipe/transforms'

const server = await serve({
  port: Number(process.env.PORT ?? 4000),
  reply: true,
  transforms: () => [grep({ pattern: /./ }), line => line.toUpperCase()],
})
console.log(`listening on ${server.address.port}`)
process.once('SIGINT', () => server.close())
