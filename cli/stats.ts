/** `--stats`: what a connection has done, and which part was slow, at its end. */
import type { Observer } from '../lib/index.js'
import type { LogOptions } from './log.js'

/** What a run needs to measure, and to report to stderr at the end of each connection. */
export async function withStats(
  { stats = 'none' }: LogOptions,
  observer: Observer,
): Promise<{ measure?: boolean; observer: Observer }> {
  if (stats === 'none') return { observer }
  const { writeReport } = await import('./stats-report.js')
  return { measure: true, observer: { ...observer, closed: summary => writeReport(summary, stats) } }
}
