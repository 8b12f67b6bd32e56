/** Sums the figures of stages by direction and name, so that those of ended connections are kept. */
import { type Direction, type DirectionStats, type RunStats, type StageTotals, stageTimes } from './snapshot.js'

export interface StageSum {
  /** Adds the stages of an ended connection. */
  add(directions: readonly DirectionStats[]): void
  /** Returns the sums with those of the open connections. */
  with(directions: readonly DirectionStats[]): StageTotals[]
}

/** Stages whose names differ in each connection are summed as `other`, or they would fill the memory. */
const mostNames = 1000

export function sumStages(): StageSum {
  const ended: Sums = new Map()
  return {
    add: directions => addAll(ended, directions),
    with(directions) {
      const sums: Sums = new Map([...ended].map(([key, totals]) => [key, { ...totals }]))
      addAll(sums, directions)
      return [...sums.values()]
    },
  }
}

/** By direction and name. */
type Sums = Map<string, Writable<StageTotals>>

type Writable<T> = { -readonly [K in keyof T]: T[K] }

function addAll(sums: Sums, directions: readonly DirectionStats[]): void {
  for (const { direction, segments } of directions)
    for (const { runs } of segments) for (const run of runs) addRun(sums, direction, run)
}

const figures = ['recordsIn', 'recordsOut', ...Object.values(stageTimes)] as const

function addRun(sums: Sums, direction: Direction, { stages, bytesIn, bytesOut }: RunStats): void {
  stages.forEach((stage, i) => {
    const totals = totalsOf(sums, direction, stage.name)
    for (const figure of figures) totals[figure] += stage[figure]
    if (i === 0) totals.bytesIn += bytesIn
    if (i === stages.length - 1) totals.bytesOut += bytesOut
  })
}

function totalsOf(sums: Sums, direction: Direction, given: string): Writable<StageTotals> {
  const name = sums.size < mostNames || sums.has(`${direction} ${given}`) ? given : 'other'
  const key = `${direction} ${name}`
  const known = sums.get(key)
  if (known) return known
  const zeros = Object.fromEntries(figures.map(figure => [figure, 0])) as Record<(typeof figures)[number], number>
  const totals = { name, direction, bytesIn: 0, bytesOut: 0, ...zeros }
  sums.set(key, totals)
  return totals
}
