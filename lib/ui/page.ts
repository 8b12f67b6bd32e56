/** What stands behind the page: a server, what is remembered of it, and what holds and bends its traffic. */
import type { Connection } from '../connection/connection.js'
import type { TransformEntry } from '../stages/define.js'
import { type Breakpoints, type Mark, openBreakpoints } from './breakpoints.js'
import { type Faults, openFaults } from './faults.js'
import { LogLines } from './lines.js'
import { ownLog as logTo } from './own-log.js'
import { openRecord, type PageRecord, type RecordOptions } from './record.js'
import type { Shown } from './shown.js'
import { Snapshots } from './snapshots.js'

/** Facts about the program. */
export interface About {
  /** `serve`, `proxy` or `send`. */
  readonly name?: string
  readonly version?: string
  /** The command line. */
  readonly command?: string
  readonly pid?: number
  /** Where it connects to. */
  readonly target?: string
}

export interface PageOptions {
  readonly about: About
  readonly keep: RecordOptions
  readonly faults: readonly TransformEntry[]
  /** Whether the lines of the log are made here. */
  readonly ownLog: boolean
}

export interface Page {
  readonly shown: Shown
  readonly about: About
  readonly record: PageRecord
  readonly snapshots: Snapshots
  readonly lines: LogLines
  readonly breakpoints: Breakpoints
  readonly faults: Faults
  /** The number of requests that have changed something: what is older shows the state before. */
  changes: number
  /** Returns an open connection by its id. */
  find(id: string): Connection | undefined
  /** Lets go what is held, switches all faults off, and remembers no more. */
  close(): Promise<void>
}

export function openPage(shown: Shown, { about, keep, faults: entries, ownLog }: PageOptions): Page {
  const record = openRecord(shown, keep)
  // Observers get the connections themselves. A search in a list of thousands would take seconds when each of them asks.
  const find = (id: string) => record.conversations.get(id)?.connection as Connection | undefined
  const snapshots = new Snapshots(shown)
  const { forward, reply } = shown
  const chains = { ...(forward && { forward }), ...(reply && { reply }) }
  const note = (id: string, { direction, offset, ...mark }: Mark) => {
    const isPlaced = offset !== undefined && shown.answers === 'out' // what a `send` receives has other offsets
    record.mark(id, { ...mark, way: record.wayOf(direction), ...(isPlaced && { offset }) })
  }
  const breakpoints = openBreakpoints(chains, { find }, note)
  const faults = openFaults(chains, entries)
  const lines = new LogLines()
  const stop = ownLog ? shown.observe(logTo(lines)) : () => {}
  return {
    ...{ shown, about, record, snapshots, lines, breakpoints, faults, find, changes: 0 },
    async close() {
      stop()
      record.stop()
      snapshots.close()
      await Promise.allSettled([breakpoints.close(), faults.close()]) // a segment that stays lets everything pass
    },
  }
}
