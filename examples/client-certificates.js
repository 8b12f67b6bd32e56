// A server that accepts only clients with a certificate from ca.pem: node examples/client-certificates.js cert.pem key.pem ca.pem
import { readFile } from 'node:fs/promises'
import { serve } from 'tcp-pipe'

const [certFile, keyFile, caFile] = process.argv.slice(2)
const files = async () => ({
  cert: await readFile(certFile),
  key: await readFile(keyFile),
  clientCa: await readFile(caFile),
})
const server = await serve({
  port: Number(process.env.PORT ?? 4000),
  tls: await files(),
  reply: true,
  transforms: () => [line => `you said ${line}`],
  onConnection: ({ remote, closed }) =>
    closed.then(({ tls }) => console.log(`${remote}, ${tls?.subject}, by ${tls?.protocol}`)),
})
console.log(`listening on ${server.address.port}, ${server.pin}`)
process.on('SIGHUP', async () => server.setSecureContext({ tls: await files() }).catch(console.error))
process.once('SIGINT', () => server.close())
