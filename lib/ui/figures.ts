/** The figures of a server, as plain JSON. */
import { pipelineOf } from '../stats/pipeline.js'
import type { ConnectionStats, Direction } from '../stats/snapshot.js'
import type { Page } from './page.js'
import { perSecond, type Snapshot } from './snapshots.js'

/** The figures of the server. With a connection, its pipeline. */
export async function statsOf(page: Page, connection: string | undefined, mayChange: boolean): Promise<object> {
  const { shown, about, changes } = page // the changes that these figures have for sure
  const [snapshot, state] = await Promise.all([page.snapshots.latest(), page.desk.state()])
  const { connections, ...stats } = snapshot.stats
  const { used, segments, faults, breakpoints, held } = state
  const { perConnection, total, tls } = page.keep
  const { target = shown.target, ...program } = about
  return {
    about: program,
    ...(shown.address !== undefined && { address: shown.address }),
    ...(target !== undefined && { target }),
    ...{ time: Date.now(), changes, mayChange },
    keep: { perConnection, total, tls, used },
    stats: { ...stats, connections: connections.length },
    rates: ratesOf(snapshot),
    ...{ segments, pipeline: pipelinesOf(snapshot, connection), breakpoints, held, faults },
  }
}

function ratesOf({ stats, before }: Snapshot): { in: number; out: number } {
  const span = stats.age - (before?.stats.age ?? 0)
  return {
    in: perSecond(stats.bytesIn - (before?.stats.bytesIn ?? 0), span),
    out: perSecond(stats.bytesOut - (before?.stats.bytesOut ?? 0), span),
  }
}

type Pipelines = Readonly<Record<Direction, ReturnType<typeof pipelineFor>>>

/** Those of all connections together. */
const overall = new WeakMap<Snapshot, Pipelines>()

/** Adding up thousands of connections takes long: all who look share the sums. */
function pipelinesOf(snapshot: Snapshot, id: string | undefined): Pipelines {
  const known = id === undefined ? overall.get(snapshot) : undefined
  if (known) return known
  const made = { forward: pipelineFor(snapshot, 'forward', id), reply: pipelineFor(snapshot, 'reply', id) }
  if (id === undefined) overall.set(snapshot, made)
  return made
}

function pipelineFor({ stats, before }: Snapshot, direction: Direction, id: string | undefined) {
  const chosen = (connections: readonly ConnectionStats[]) =>
    id === undefined ? connections : connections.filter(each => each.id === id)
  const time = stats.age - (before?.stats.age ?? 0)
  return pipelineOf(direction, chosen(stats.connections), before && chosen(before.stats.connections), time)
}
