/** The figures of the process for Prometheus, under the names that its client libraries use. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Family } from '../lib/text/exposition.js'

/** Milliseconds between two samples of the event loop. */
const resolution = 20

export interface ProcessFigures {
  families(): Family[]
  close(): void
}

export function openProcessFigures(): ProcessFigures {
  const histogram = monitorEventLoopDelay({ resolution })
  histogram.enable()
  let sum = 0
  let count = 0

  /** A sample is the time between two timers, so it includes the resolution. */
  const delay = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - resolution / 1000)

  function eventLoop(): Family {
    const quantiles = [0.5, 0.9, 0.99, 1].map(quantile => ({
      labels: { quantile },
      value: histogram.count === 0 ? Number.NaN : delay(histogram.percentile(quantile * 100)),
    }))
    if (histogram.count > 0) sum += delay(histogram.mean) * histogram.count
    count += histogram.count
    histogram.reset()
    return {
      name: 'tcp_pipe_event_loop_delay_seconds',
      type: 'summary',
      help: 'How late the event loop runs its timers. The quantiles are those since the last scrape.',
      samples: [...quantiles, { suffix: '_sum', value: sum }, { suffix: '_count', value: count }],
    }
  }

  return {
    families() {
      const { user, system } = process.cpuUsage()
      return [
        eventLoop(),
        one('counter', 'process_cpu_seconds_total', 'Processor time of the process.', (user + system) / 1e6),
        one('gauge', 'process_resident_memory_bytes', 'Resident memory of the process.', process.memoryUsage.rss()),
        one(
          'gauge',
          'process_start_time_seconds',
          'Start of the process, in seconds since 1970.',
          performance.timeOrigin / 1000,
        ),
      ]
    },
    close: () => void histogram.disable(),
  }
}

function one(type: Family['type'], name: string, help: string, value: number): Family {
  return { name, type, help, samples: [{ value }] }
}
