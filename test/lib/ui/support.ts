/** A proxy within the process whose connections a page holds and bends. */
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import type { Leg } from '../../../lib/endpoints/endpoint.js'
import { memory } from '../../../lib/endpoints/memory.js'
import type { Connection } from '../../../lib/index.js'
import { type ProxyOptions, proxy } from '../../../lib/proxy.js'
import type { Summary } from '../../../lib/stats/summary.js'
import { openBreakpoints } from '../../../lib/ui/breakpoints.js'
import type { Connections, Mark } from '../../../lib/ui/holds.js'
import { turns } from '../stats/stopped-clock.js'

/** One end of a conversation: what it says, and what it has been told. */
export interface End {
  readonly stream: Duplex
  say(bytes: string | Buffer): Promise<void>
  /** Ends its side. */
  end(bytes?: string | Buffer): Promise<void>
  heard(): string
  bytes(): Buffer
}

export interface Conversation {
  readonly client: End
  readonly target: End
  readonly connection: Connection
}

let names = 0

export async function openProxy(t: Test, options: Partial<ProxyOptions> = {}) {
  const [from, to] = [`memory:page-${++names}`, `memory:target-${names}`]
  const accepted: Leg[] = []
  const target = await memory.listen?.(
    memory.parse(to),
    arrival => void Promise.resolve(arrival.open({} as never)).then(leg => accepted.push(leg as Leg)),
    {} as never,
  )
  const opened: Connection[] = []
  const ends: Promise<Summary>[] = []
  const link = await proxy({
    listen: from,
    to,
    ...options,
    onConnection(connection) {
      opened.push(connection as Connection)
      ends.push(connection.closed)
    },
  })
  t.teardown(async () => {
    await link.close({ drain: 0 })
    for (const { stream } of accepted) stream.destroy()
    await target?.close()
  })
  const connections: Connections = { find: id => [...link.connections].find(each => each.id === id) }

  async function connect(): Promise<Conversation> {
    const leg = (await memory.dial?.(memory.parse(from), {})) as Leg
    t.teardown(() => leg.stream.destroy())
    await turns()
    return {
      client: endOf(leg.stream),
      target: endOf((accepted.at(-1) as Leg).stream),
      connection: opened.at(-1) as Connection,
    }
  }

  return { link, ends, connections, connect }
}

/** The same with breakpoints, and the marks that they have made. */
export async function openHeld(t: Test, options?: Partial<ProxyOptions>) {
  const opened = await openProxy(t, options)
  const marks: (Mark & { connection: string })[] = []
  const breakpoints = openBreakpoints(opened.link, opened.connections, (connection, mark) =>
    marks.push({ connection, ...mark }),
  )
  t.teardown(() => breakpoints.close())
  const held = () => breakpoints.list().held
  const data = () => held().map(({ id }) => String(Buffer.from(breakpoints.held(id).data, 'base64')))
  return { ...opened, breakpoints, marks, held, data }
}

function endOf(stream: Duplex): End {
  const chunks: Buffer[] = []
  let isOver = false
  stream.on('error', () => {})
  stream.on('data', chunk => chunks.push(chunk))
  stream.on('end', () => {
    isOver = true
  })
  return {
    stream,
    async say(bytes) {
      stream.write(bytes)
      await turns()
    },
    async end(bytes = '') {
      stream.end(bytes)
      await turns()
    },
    heard: () => `${Buffer.concat(chunks)}${isOver ? '.' : ''}`,
    bytes: () => Buffer.concat(chunks),
  }
}
