/** The workers as one server: what the page, the metrics, the control socket and a signal see. */
import { type ControlledConnection, mergeStats, type SecureContexts, type ServerStats } from '../../lib/index.js'
import type { Family, Sample } from '../../lib/text/exposition.js'
import { Desks } from '../../lib/ui/desks.js'
import type { Standing } from '../standing.js'
import type { Member } from './member.js'
import { Team, type TeamOptions } from './team.js'

export interface WorkersOptions extends Omit<TeamOptions, 'came' | 'hit' | 'gone'> {
  /** Makes of certificates what all workers get. */
  prepare(contexts: SecureContexts): Promise<SecureContexts>
}

/** Resolves when all workers listen. Rejects if they cannot. */
export async function openWorkers({ prepare, ...options }: WorkersOptions): Promise<Standing> {
  const started = performance.now()
  let past: ServerStats[] = []
  const desks = new Desks()
  const team = new Team({
    ...options,
    came: ({ desk }) => desks.join(desk),
    hit: ({ desk }, breakpoint) => desks.hit(desk, breakpoint),
    gone({ desk, stats }, lost) {
      desks.leave(desk)
      if (stats) past = [mergeStats([...past, withoutConnections(stats, lost)])]
    },
  })
  await team.listening()
  const { address } = team
  const known = () => team.members.flatMap(({ state, stats }) => (state === 'dead' || !stats ? [] : [stats]))
  const closed = team.closed()
  closed.catch(() => {}) // avoids an unhandled rejection if the owner does not await it
  return {
    address: address as NonNullable<typeof address>,
    desk: desks,
    get listening() {
      return team.members.some(({ isListening }) => isListening)
    },
    get pin() {
      return team.pin
    },
    get connections() {
      return new Set(team.members.flatMap(connectionsOf))
    },
    stats: () => ({ ...mergeStats([...past, ...known()]), age: performance.now() - started }),
    refresh: async () => void (await Promise.all(team.members.map(member => member.look()))),
    families: own => familiesOf(team.members, own),
    measure: (on = true) => team.measure(on),
    setSecureContext: async next => team.secure(await prepare(next)),
    async close({ drain = 0 } = {}) {
      team.close(drain)
      await closed
      return team.cut
    },
    stopped: () => team.stopped(),
    closed,
  }
}

/** The connections that have died with a worker have failed. */
function withoutConnections(stats: ServerStats, lost: number): ServerStats {
  const { closed, failed } = stats
  return { ...stats, connections: [], closed: { ...closed, error: closed.error + lost }, failed: failed + lost }
}

function connectionsOf(member: Member): ControlledConnection[] {
  if (member.state === 'dead') return []
  return (member.stats?.connections ?? []).map(({ number }) => ({
    number,
    close: reason => member.tell({ tell: 'end', number, how: 'close', reason }),
    reset: reason => member.tell({ tell: 'end', number, how: 'reset', reason }),
  }))
}

/** The figures of the processes: those of the primary, and those of each worker. */
async function familiesOf(members: readonly Member[], own: readonly Family[]): Promise<Family[]> {
  const looked = await Promise.all(
    members.map(async member => ({ worker: member.number, families: (await member.look(true))?.families ?? [] })),
  )
  const all = [{ worker: 'primary', families: own }, ...looked]
  return own.map(family => ({
    ...family,
    samples: all.flatMap(({ worker, families }) => samplesOf(families, family.name, worker)),
  }))
}

function samplesOf(families: readonly Family[], name: string, worker: number | string): Sample[] {
  const samples = families.find(family => family.name === name)?.samples ?? []
  return samples.map(({ labels, ...sample }) => ({ ...sample, labels: { worker, ...labels } }))
}
