/** The figures of a server: its connections and its refused clients. */
import { countDurations } from './durations.js'
import { withAlso } from './merge.js'
import type { AlsoStats, ClosedBy, ConnectionStats, Reason, ServerStats } from './snapshot.js'
import { sumStages } from './stage-totals.js'
import type { Summary } from './summary.js'

export interface ServerFigures {
  /** Counts a connection. Returns its sequence number, from 1. */
  accepted(): number
  refused(reason: Reason): void
  handshakeFailed(): void
  closed(summary: Summary): void
  /** Returns the current figures, including those of the open connections. */
  stats(connections: readonly ConnectionStats[]): ServerStats
}

/** `also`: the further sinks, which count by themselves. */
export function serverFigures(also: readonly AlsoStats[] = []): ServerFigures {
  const started = performance.now()
  const closed: Record<ClosedBy, number> = { peer: 0, local: 0, reset: 0, timeout: 0, limit: 0, signal: 0, error: 0 }
  const refused: Record<Reason, number> = { access: 0, maxConnections: 0, maxPerIp: 0, proxyProtocol: 0 }
  const bytes = { in: 0, out: 0 }
  const durations = countDurations()
  const stages = sumStages()
  let accepted = 0
  let failed = 0
  let handshakeFailures = 0

  return {
    accepted: () => ++accepted,
    refused: reason => void refused[reason]++,
    handshakeFailed: () => void handshakeFailures++,
    closed(summary) {
      closed[summary.closedBy]++
      if (summary.error) failed++
      bytes.in += summary.bytesIn
      bytes.out += summary.bytesOut
      durations.add(summary.duration)
      stages.add(summary.directions)
    },
    stats: connections => ({
      age: performance.now() - started,
      accepted,
      closed: { ...closed },
      failed,
      refused: { ...refused },
      handshakeFailures,
      bytesIn: connections.reduce((sum, { bytesIn }) => sum + bytesIn, bytes.in),
      bytesOut: connections.reduce((sum, { bytesOut }) => sum + bytesOut, bytes.out),
      durations: durations.stats(),
      stages: stages.with(connections.flatMap(({ directions }) => directions)),
      ...withAlso(also),
      connections,
    }),
  }
}
