/** The process under test: all servers, and what they take of memory, handles and descriptors when it is asked. */
import { descriptors, sum, tally } from '../fuzz/resources.js'
import { openServers, type Running } from './servers.js'

export interface Sample {
  /** Bytes that are in use once everything else is collected. */
  heap: number
  /** Bytes that the system has given to the process. */
  resident: number
  handles: number
  descriptors: number
  connections: number
}

/** What is sent when all listen. */
export type Opened = Pick<Running, 'ports' | 'page'>

const running = await openServers(Number(process.argv[2]), process.argv[3] === 'page')

function sample(): Sample {
  const collect = globalThis.gc as () => void
  collect() // finalizers of the first may let go of what the second takes
  collect()
  const { heapUsed, rss } = process.memoryUsage()
  return {
    heap: heapUsed,
    resident: rss,
    handles: sum(tally(process.getActiveResourcesInfo())),
    descriptors: sum(descriptors('self')),
    connections: running.connections(),
  }
}

process.once('disconnect', () => process.exit()) // whoever has started it is gone
process.on('message', () => process.send?.(sample()))
process.send?.({ ports: running.ports, page: running.page } satisfies Opened)
