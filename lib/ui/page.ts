/** What stands behind the page: the figures of a server, and the desk that knows and holds and bends its traffic. */
import type { TransformEntry } from '../stages/define.js'
import { formatBound } from '../text/remote.js'
import { type Desk, openDesk } from './desk.js'
import { Recent } from './history.js'
import { LogLines } from './lines.js'
import { ownLog as logTo } from './own-log.js'
import type { RecordOptions } from './record.js'
import type { Figured, Shown, ShownServer } from './shown.js'
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
  readonly shown: Figured
  readonly about: About
  readonly keep: RecordOptions
  readonly snapshots: Snapshots
  readonly recent: Recent
  readonly lines: LogLines
  readonly desk: Desk
  /** The number of requests that have changed something: what is older shows the state before. */
  changes: number
  /** Lets go what is held, switches all faults off, and remembers no more. */
  close(): Promise<void>
}

export function openPage(shown: Shown, options: PageOptions): Page {
  const { about, keep, ownLog } = options
  const desk = openDesk(shown, options)
  const recent = new Recent(() => desk.counts())
  const lines = new LogLines()
  const stop = ownLog ? shown.observe(logTo(lines)) : () => {}
  return {
    ...{ shown, about, keep, snapshots: desk.snapshots, recent, lines, desk, changes: 0 },
    async close() {
      stop()
      recent.stop()
      await desk.close()
    },
  }
}

/** Processes that are shown as one server. */
export interface ShownProcesses extends Pick<ShownServer, 'address' | 'stats' | 'measure' | 'closed'> {
  readonly desk: Desk
  /** Brings the figures up to date. */
  refresh(): Promise<void>
}

/** The page of several processes, which close their desks themselves. */
export function openPageOver(processes: ShownProcesses, { about, keep }: PageOptions): Page {
  const { address, desk, closed } = processes
  const shown = {
    ...{ address: formatBound(address), target: undefined, closed },
    stats: () => processes.stats(),
    measure: (on?: boolean) => processes.measure(on),
    refresh: () => processes.refresh(),
  }
  const recent = new Recent(() => desk.counts())
  const snapshots = new Snapshots(shown)
  return {
    ...{ shown, about, keep, snapshots, recent, lines: new LogLines(), desk, changes: 0 },
    async close() {
      recent.stop()
      snapshots.close()
    },
  }
}
