// Takes JSON from many clients and prints the slow requests, one line each.
import { eachJson, none, serve } from 'tcp-pipe'

const server = await serve({
  port: Number(process.env.PORT ?? 4000),
  transforms: ({ remote }) => [eachJson(({ path, ms }) => (ms > 100 ? `${remote} ${path} took ${ms} ms` : none))],
  to: process.stdout,
})
console.error(`listening on ${server.address.port}`)
process.once('SIGINT', () => server.close())
