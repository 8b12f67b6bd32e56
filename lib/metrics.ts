/** metrics: the figures of a server in the text format of Prometheus. */
import type { Remote, Server } from './server/server.js'
import { type AlsoStats, type ServerStats, type StageTotals, stageTimes } from './stats/snapshot.js'
import { exposition, expositionType, type Family, type Sample } from './text/exposition.js'

/** The metrics of a server, for an HTTP server of yours. */
export interface Metrics {
  /** The media type of the text, for the header `Content-Type`. */
  readonly contentType: string
  /** Resolves with the current metrics. Counters never decrease. */
  text(): Promise<string>
}

/**
 * Returns the metrics of a server. Their names begin with `tcp_pipe_`, so the text may follow that of another registry.
 * They are made from `server.stats()` when they are asked for, and cost nothing until then.
 */
export function metrics(server: Pick<Server, 'stats'> & Remote): Metrics {
  const rising = neverFalling()
  return {
    contentType: expositionType,
    async text() {
      await server.refresh?.()
      return exposition(familiesOf(server.stats()).map(rising))
    },
  }
}

/** The time of an open stage is an estimate, which can shrink: a counter that falls would be taken for a restart. */
function neverFalling(): (family: Family) => Family {
  const highest = new Map<string, number>()
  return family => {
    if (family.type !== 'counter') return family
    const samples = family.samples.map(sample => {
      const key = JSON.stringify([family.name, sample.labels])
      const value = Math.max(sample.value, highest.get(key) ?? 0)
      highest.set(key, value)
      return { ...sample, value }
    })
    return { ...family, samples }
  }
}

function familiesOf(stats: ServerStats): Family[] {
  const { connections, accepted, refused, closed, failed, handshakeFailures, bytesIn, bytesOut, stages, also } = stats
  return [
    family('gauge', 'connections_open', 'Open connections.', [{ value: connections.length }]),
    family('counter', 'connections_accepted_total', 'Connections accepted; with TLS, after the handshake.', [
      { value: accepted },
    ]),
    family('counter', 'connections_refused_total', 'Clients refused, by reason.', by(refused)),
    family('counter', 'connections_closed_total', 'Connections ended, by the side or the cause.', by(closed)),
    family('counter', 'connections_failed_total', 'Connections that failed.', [{ value: failed }]),
    family('counter', 'tls_handshake_failures_total', 'TLS handshakes with clients that failed.', [
      { value: handshakeFailures },
    ]),
    family('counter', 'bytes_total', 'Bytes received from clients (in) and sent to clients (out).', [
      { labels: { direction: 'in' }, value: bytesIn },
      { labels: { direction: 'out' }, value: bytesOut },
    ]),
    durationsOf(stats),
    ...stageFamilies(stages),
    ...(also ? alsoFamilies(also) : []),
  ]
}

function family(type: Family['type'], name: string, help: string, samples: readonly Sample[]): Family {
  return { name: `tcp_pipe_${name}`, type, help, samples }
}

function by(counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([reason, value]) => ({ labels: { reason }, value }))
}

function durationsOf({ durations: { buckets, count, sum } }: ServerStats): Family {
  return family('histogram', 'connection_duration_seconds', 'How long the ended connections lasted.', [
    ...[...buckets, { upTo: Number.POSITIVE_INFINITY, count }].map(({ upTo, count }) => ({
      ...{ suffix: '_bucket', labels: { le: upTo / 1000 }, value: count },
    })),
    { suffix: '_sum', value: sum / 1000 },
    { suffix: '_count', value: count },
  ])
}

function alsoFamilies(also: readonly AlsoStats[]): Family[] {
  const each = (figure: 'dropped' | 'spooled') => also.map(sink => ({ labels: { to: sink.to }, value: sink[figure] }))
  return [
    family('counter', 'also_dropped_bytes_total', 'Bytes that a slow further sink has lost.', each('dropped')),
    family('counter', 'also_spooled_bytes_total', 'Bytes stored for a further sink with a spool.', each('spooled')),
  ]
}

function stageFamilies(stages: readonly StageTotals[]): Family[] {
  const each = (samplesOf: (stage: StageTotals) => Sample[]) =>
    stages.flatMap(stage =>
      samplesOf(stage).map(({ labels, value }) => ({
        labels: { stage: stage.name, direction: stage.direction, ...labels },
        value,
      })),
    )
  return [
    family(
      'counter',
      'stage_seconds_total',
      'Time of stages waiting for input, busy, waiting for the consumer of their output, or for the thread.',
      each(stage =>
        Object.entries(stageTimes).map(([state, figure]) => ({ labels: { state }, value: stage[figure] / 1000 })),
      ),
    ),
    family(
      'counter',
      'stage_bytes_total',
      'Bytes that entered stages (in) and left them (out). Of fused stages, the first counts in, the last counts out.',
      each(({ bytesIn, bytesOut }) => flows(bytesIn, bytesOut)),
    ),
    family(
      'counter',
      'stage_records_total',
      'Records that function stages received (in) and returned (out): chunks, lines or JSON values.',
      each(({ recordsIn, recordsOut }) => flows(recordsIn, recordsOut)),
    ),
  ]
}

function flows(come: number, gone: number): Sample[] {
  return [
    { labels: { flow: 'in' }, value: come },
    { labels: { flow: 'out' }, value: gone },
  ]
}
