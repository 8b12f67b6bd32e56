/** Directions with figures of our choice. */
import type { DirectionStats, EndStats, StageStats, Times } from '../../../lib/stats/snapshot.js'

/** Milliseconds in each state; the sum is 100 where they are shares, too. */
export type Shares = readonly [input: number, busy: number, output: number, thread: number]

export function timesOf([waitingForInput, busy, waitingForOutput, waitingForThread]: Shares): Times {
  return { waitingForInput, busy, waitingForOutput, waitingForThread }
}

export function end(name: string, shares: Shares, isNetwork = false): EndStats {
  return { name, isNetwork, ...timesOf(shares) }
}

export function direction(
  source: EndStats,
  stages: readonly (readonly [string, Shares])[],
  sink: EndStats,
): DirectionStats {
  const runs = stages.map(([name, shares]) => {
    const stage: StageStats = { name, recordsIn: 0, recordsOut: 0, ...timesOf(shares) }
    return { ...timesOf(shares), bytesIn: 0, bytesOut: 0, stopped: false, over: false, stages: [stage] }
  })
  const segment = { name: 'transforms', bytesIn: 0, bytesOut: 0, runs }
  return { direction: 'forward', bytesIn: 1, bytesOut: 0, source, sink, segments: [segment] }
}

export const client = (...shares: Shares) => end('client', shares, true)
export const sink = (...shares: Shares) => end('sink', shares)
