/** The servers that clients meet. A new one is one more of the list, and a name for behaviours that are for it. */
import { connect, type Socket } from 'node:net'
import { proxy } from '../../lib/proxy.js'
import { serve } from '../../lib/serve.js'
import type { Server } from '../../lib/server/server.js'
import { serveUi } from '../../lib/ui.js'
import { spec } from '../../transforms/spec.js'

/** Opens a server on a port that the system chooses; `target` is the port of an echo that a proxy passes on to. */
type Open = (target: number) => Promise<Server>

/** More than are ever open, on a machine with whatever limit of files. */
const maxConnections = 15_000

const servers = {
  serve: () => serve({ port: 0, reply: true, transforms: spec('slice 64k'), maxConnections }),
  proxy: target =>
    proxy({
      port: 0,
      to: { port: target },
      transforms: spec('slice 64k'),
      replyTransforms: spec('slice 64k'),
      maxConnections,
    }),
  tls: () => serve({ port: 0, tls: 'auto', reply: true, transforms: spec('slice 64k'), maxConnections }),
  'tls proxy': target => proxy({ port: 0, tls: 'auto', to: { port: target }, maxConnections }),
  late: () => serve({ port: 0, reply: true, transforms: spec('delay 300ms'), maxConnections }),
  impatient: () => serve({ port: 0, reply: true, idleTimeout: 1000, maxConnections }),
  full: () => serve({ port: 0, reply: true, maxConnections: 1, idleTimeout: 0 }), // its one client is idle all the time
} as const satisfies Record<string, Open>

export type ServerName = keyof typeof servers

/** Where each server listens. */
export type Ports = Readonly<Record<ServerName, number>>

export interface Running {
  readonly ports: Ports
  /** The page of the proxy, if it is served. */
  readonly page: string | undefined
  /** How many connections are open. */
  connections(): number
  close(): Promise<void>
}

/** All of them. The one place of the full server is taken as long as it runs. */
export async function openServers(target: number, withPage = false): Promise<Running> {
  const running = await Promise.all(
    Object.entries<Open>(servers).map(async ([name, open]) => [name, await open(target)] as const),
  )
  const all = running.map(([, server]) => server)
  const ports = Object.fromEntries(running.map(([name, { address }]) => [name, address.port])) as unknown as Ports
  const held = dial(ports, 'full')
  await new Promise(resolve => held.once('connect', resolve))
  const [, shown] = running.find(([name]) => name === 'proxy') as (typeof running)[number]
  const page = withPage ? await serveUi(shown, { listen: '127.0.0.1:0' }) : undefined
  return {
    ports,
    page: page?.url,
    connections: () => all.reduce((sum, { connections }) => sum + connections.size, 0),
    async close() {
      held.destroy()
      await Promise.all(all.map(server => server.close()))
    },
  }
}

/** A client of a server. The source address, one of 127.0.0.0/8, is one's own choice: each has 28,000 ports. */
export function dial(ports: Ports, name: ServerName, localAddress = '127.0.0.1'): Socket {
  return connect({ host: '127.0.0.1', port: ports[name], localAddress, allowHalfOpen: true, noDelay: true })
}
