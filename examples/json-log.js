// Reads JSON from many clients and prints each slow request on one line.
import { eachJson, none, serve } from 'tcp-pipe'

const server = await serve({
  port: Number(process.env.PORT ?? 4000),
  transforms: ({ remote }) => [eachJson(({ path, ms }) => (ms > 100 ? `${remote} ${path} took ${ms} ms` : none))],
  to: process.stdout,
})
console.error(`listening on ${server.address.port}`)
process.once('SIGINT', () => server.close())
