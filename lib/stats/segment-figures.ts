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
  return new Figures(name)
}

/** A class, since thousands of idle connections share its methods. */
class Figures implements SegmentFigures {
  /** By the names of all stages in the run. */
  #past: Map<string, RunStats[]> | undefined
  #present: readonly (readonly RunMeter[])[] = []
  #bytesIn = 0
  #bytesOut = 0

  constructor(readonly name: string) {}

  add(meters: readonly RunMeter[]): void {
    this.#present = [...this.#present, meters]
  }

  end(meters: readonly RunMeter[]): void {
    if (!this.#present.includes(meters)) return
    this.#present = this.#present.filter(each => each !== meters)
    for (const meter of meters) freeze(meter)
    const runs = meters.map(meter => runStats(meter))
    const key = JSON.stringify(runs.map(run => run.stages.map(stage => stage.name)))
    this.#past ??= new Map()
    const before = this.#past.get(key)
    this.#bytesIn += runs[0]?.bytesIn ?? 0
    this.#bytesOut += runs.at(-1)?.bytesOut ?? 0
    this.#past.set(key, before ? before.map((run, i) => addRuns(run, runs[i] as RunStats)) : runs)
  }

  stats(): SegmentStats {
    const now = performance.now()
    const sets = this.#present.map(meters => meters.map(meter => runStats(meter, now)))
    const sum = (of: (runs: RunStats[]) => number | undefined) =>
      sets.reduce((total, runs) => total + (of(runs) ?? 0), 0)
    const past = [...(this.#past?.values() ?? [])].flat()
    return {
      name: this.name,
      bytesIn: this.#bytesIn + sum(runs => runs[0]?.bytesIn),
      bytesOut: this.#bytesOut + sum(runs => runs.at(-1)?.bytesOut),
      runs: [...past.map(run => ({ ...run, removed: true }) as const), ...sets.flat()],
    }
  }
}
