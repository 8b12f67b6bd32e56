/** What the compiler allows as the server and the options of `serveUi`. Nothing here is run. */
import {
  type Observer,
  proxy,
  type SendConnection,
  type Server,
  type ShownServer,
  send,
  serve,
  serveUi,
  type Ui,
  type UiOptions,
} from '../../lib/index.js'
import { delay, spec, throttle } from '../../transforms/index.js'

// Each kind of server, and the connection of a send.
const server = await serve({ transforms: spec('gunzip') })
const link = await proxy({ listen: '127.0.0.1:0', to: '127.0.0.1:7' })
const ui: Ui = await serveUi(server)
await serveUi(link, { listen: { scheme: 'tcp', host: '127.0.0.1', port: 0 }, faults: [delay, throttle] })
await serveUi(serve())
await serveUi(proxy({ listen: 'memory:a', to: 'memory:b' }))
await serveUi(new Promise<SendConnection>(resolve => void send({ onConnect: resolve })))
void send({ onConnect: connection => void serveUi(connection) })
await using other = await serveUi(link as Server)
const shown: ShownServer[] = [server, link, link as Server]
void shown

// Options that are undefined are those that are not given.
const options: UiOptions = {
  listen: undefined,
  token: undefined,
  keep: undefined,
  keepTls: undefined,
  about: undefined,
}
await serveUi(server, {
  ...options,
  keep: 0,
  keepTotal: 1024 ** 2,
  ownLog: false,
  about: { name: 'mine', version: '1' },
})
ui.log('info', `${ui.url} ${ui.token} ${ui.address.port} ${other.address.family}`)
const over: Promise<void> = ui.close()
void over

// Who else hears of bytes, and measures.
const stop: () => void = server.observe({
  passed({ id, number, remote, port }, way, chunk) {
    const bytes: Buffer = chunk
    const isIn: boolean = way === 'in'
    void [id, number, remote, port, bytes, isIn]
  },
  faulted: (_connection, { fault, direction, offset }) => void [fault, direction, offset],
})
stop()
void send({
  onConnect: connection => void connection.observe({ passed: (_connection, _way, chunk) => void chunk.length }),
})
link.measure()
server.measure(false)
const observer: Observer = {}
void observer

// @ts-expect-error a server, not its address
void serveUi(server.address)
// @ts-expect-error a connection of a server has no observer of its own
void serve({ onConnection: connection => void serveUi(connection) })
// @ts-expect-error the transforms themselves, not their stages
void serveUi(link, { faults: [delay({ latency: 5 })] })
// @ts-expect-error a number of bytes
void serveUi(server, { keep: '1k' })
// @ts-expect-error an option that there is not
void serveUi(server, { port: 1 })
