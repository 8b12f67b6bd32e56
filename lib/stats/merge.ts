/** Adds up the figures of several servers, such as those of processes that share an address. */
import type { AlsoStats, Durations, ServerStats, StageTotals } from './snapshot.js'

/** Returns the figures of all as those of one server: `age` is that of the oldest. At least one is needed. */
export function mergeStats(all: readonly ServerStats[]): ServerStats {
  const sum = (figure: (stats: ServerStats) => number) => all.reduce((total, stats) => total + figure(stats), 0)
  return {
    age: Math.max(...all.map(({ age }) => age)),
    accepted: sum(({ accepted }) => accepted),
    closed: addCounts(all.map(({ closed }) => closed)),
    failed: sum(({ failed }) => failed),
    refused: addCounts(all.map(({ refused }) => refused)),
    handshakeFailures: sum(({ handshakeFailures }) => handshakeFailures),
    bytesIn: sum(({ bytesIn }) => bytesIn),
    bytesOut: sum(({ bytesOut }) => bytesOut),
    durations: addDurations(all.map(({ durations }) => durations)),
    stages: addStages(all.flatMap(({ stages }) => stages)),
    ...withAlso(all.flatMap(({ also = [] }) => also)),
    connections: all.flatMap(({ connections }) => connections),
  }
}

/** Returns the figures of further sinks, one of each, if there are any. */
export function withAlso(all: readonly AlsoStats[]): { also?: AlsoStats[] } {
  const sums = new Map<string, AlsoStats>()
  for (const { to, dropped, spooled } of all) {
    const known = sums.get(to)
    sums.set(to, { to, dropped: dropped + (known?.dropped ?? 0), spooled: spooled + (known?.spooled ?? 0) })
  }
  return sums.size > 0 ? { also: [...sums.values()] } : {}
}

function addCounts<K extends string>(all: readonly Readonly<Record<K, number>>[]): Record<K, number> {
  const names = Object.keys(all[0] as object) as K[]
  const total = (name: K) => all.reduce((sum, counts) => sum + counts[name], 0)
  return Object.fromEntries(names.map(name => [name, total(name)])) as Record<K, number>
}

/** All have the same buckets. */
function addDurations(all: readonly Durations[]): Durations {
  const [{ buckets }] = all as [Durations]
  const sum = (figure: (durations: Durations) => number | undefined) =>
    all.reduce((total, durations) => total + (figure(durations) as number), 0)
  return {
    buckets: buckets.map(({ upTo }, i) => ({ upTo, count: sum(({ buckets }) => buckets[i]?.count) })),
    count: sum(({ count }) => count),
    sum: sum(({ sum }) => sum),
  }
}

function addStages(all: readonly StageTotals[]): StageTotals[] {
  const sums = new Map<string, StageTotals>()
  for (const stage of all) {
    const key = `${stage.direction} ${stage.name}`
    const known = sums.get(key)
    sums.set(key, known ? addStage(known, stage) : stage)
  }
  return [...sums.values()]
}

function addStage(one: StageTotals, other: StageTotals): StageTotals {
  const figures = Object.entries(one).map(([name, value]) => [
    name,
    typeof value === 'number' ? value + (other[name as keyof StageTotals] as number) : value,
  ])
  return Object.fromEntries(figures) as StageTotals
}
