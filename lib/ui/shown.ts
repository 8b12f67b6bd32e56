/** What the page shows: a server, or the connection of a `send`. */
import type { Chain } from '../connection/chain.js'
import type { Connection } from '../connection/connection.js'
import type { Server } from '../server/server.js'
import type { Observer, Way } from '../stats/observer.js'
import { serverFigures } from '../stats/server-figures.js'
import { formatBound, formatRemote } from '../text/remote.js'

/** A server with the transforms of its directions, if it has any. */
export type ShownServer = Pick<Server, 'address' | 'stats' | 'connections' | 'closed' | 'observe' | 'measure'> & {
  readonly forward?: Chain
  readonly reply?: Chain
}

/** A connection with the transforms of its directions, as `onConnect` of `send` gets it. */
export type ShownConnection = Connection &
  Pick<ShownServer, 'forward' | 'reply'> & {
    observe(observer: Pick<Observer, 'opened' | 'passed' | 'faulted' | 'closed'>): () => void
  }

/** What has figures. */
export interface Figured extends Pick<ShownServer, 'stats' | 'measure' | 'closed'> {
  /** Where it listens; undefined for a connection. */
  readonly address: string | undefined
  /** Where the connection of a `send` leads. */
  readonly target: string | undefined
  /** Of several processes: brings the figures up to date. */
  refresh?(): Promise<void>
}

/** A server, or a connection as one. */
export interface Shown extends Figured, Pick<ShownServer, 'connections' | 'observe' | 'forward' | 'reply'> {
  /** The way of the replies: a server sends them, a `send` receives them. */
  readonly answers: Way
}

export function shownOf(given: ShownServer | ShownConnection): Shown {
  return 'connections' in given ? shownServer(given) : shownConnection(given)
}

function shownServer(server: ShownServer): Shown {
  const { address, forward, reply } = server
  return {
    ...{ address: formatBound(address), target: undefined, answers: 'out' },
    stats: () => server.stats(),
    get connections() {
      return server.connections
    },
    closed: server.closed,
    observe: observer => server.observe(observer),
    measure: on => server.measure(on),
    ...(forward && { forward }),
    ...(reply && { reply }),
  }
}

function shownConnection(connection: ShownConnection): Shown {
  const figures = serverFigures()
  const open = new Set<Connection>([connection])
  figures.accepted()
  const closed = connection.closed.then(summary => {
    open.delete(connection)
    figures.closed(summary)
  })
  const { forward, reply } = connection
  return {
    ...{ address: undefined, target: formatRemote(connection), answers: 'in', closed },
    stats: () => figures.stats([...open].map(each => each.stats())),
    connections: open,
    observe: observer => connection.observe(observer),
    measure: (on = true) => on && connection.measure(),
    ...(forward && { forward }),
    ...(reply && { reply }),
  }
}
