/** The figures of a segment, including replaced stages. */
import { freeze, type RunMeter } from './meter.js'
import { addRuns, type RunStats, runStats, type SegmentStats } from './snapshot.js'

export interface SegmentFigures {
  readonly name: string
  /** Adds the runs of new stages. Earlier runs may still hold data. */
  add(meters: readonly RunMeter[]): void
  /** Marks these runs as over. */
  end(meters: readonly RunMeter[]): void
  stats(): SegmentStats
}

export function segmentFigures(name: string): SegmentFigures {
  const past = new Map<string, RunStats[]>() // by the names of all stages in the run
  const present = new Set<readonly RunMeter[]>()
  let bytesIn = 0
  let bytesOut = 0

  function end(meters: readonly RunMeter[]): void {
    if (!present.delete(meters)) return
    for (const meter of meters) freeze(meter)
    const runs = meters.map(meter => runStats(meter))
    const key = JSON.stringify(runs.map(run => run.stages.map(stage => stage.name)))
    const before = past.get(key)
    bytesIn += runs[0]?.bytesIn ?? 0
    bytesOut += runs.at(-1)?.bytesOut ?? 0
    past.set(key, before ? before.map((run, i) => addRuns(run, runs[i] as RunStats)) : runs)
  }

  function stats(): SegmentStats {
    const now = performance.now()
    const sets = [...present].map(meters => meters.map(meter => runStats(meter, now)))
    const sum = (of: (runs: RunStats[]) => number | undefined) =>
      sets.reduce((total, runs) => total + (of(runs) ?? 0), 0)
    return {
      name,
      bytesIn: bytesIn + sum(runs => runs[0]?.bytesIn),
      bytesOut: bytesOut + sum(runs => runs.at(-1)?.bytesOut),
      runs: [...[...past.values()].flat().map(run => ({ ...run, removed: true }) as const), ...sets.flat()],
    }
  }

  return { name, add: meters => void present.add(meters), end, stats }
}
