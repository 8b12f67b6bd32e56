/** A worker without a process: what it is told is kept, and the test says what it tells. */
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import type { WorkerProcess } from '../../../cli/workers/member.js'
import type { FromWorker, ToWorker } from '../../../cli/workers/protocol.js'
import type { ServerStats } from '../../../lib/index.js'
import { serverFigures } from '../../../lib/stats/server-figures.js'

export class FakeWorker extends EventEmitter implements WorkerProcess {
  readonly told: ToWorker[] = []
  readonly process = { stderr: new PassThrough() }
  /** Answers what it is asked, at once. */
  answers: ((message: ToWorker) => FromWorker | undefined) | undefined

  send(message: ToWorker): void {
    this.told.push(message)
    const answer = this.answers?.(message)
    if (answer) this.says(answer)
  }

  says(message: FromWorker): void {
    this.emit('message', message)
  }

  kill(signal: NodeJS.Signals): void {
    this.dies(null, signal)
  }

  dies(code: number | null, signal: NodeJS.Signals | null = null): void {
    this.process.stderr.end()
    this.emit('exit', code, signal)
  }

  /** The last thing of this kind that it was told. */
  last<T extends ToWorker['tell']>(tell: T): Extract<ToWorker, { tell: T }> | undefined {
    return this.told.findLast((message): message is Extract<ToWorker, { tell: T }> => message.tell === tell)
  }

  listens(port = 7): void {
    const address = { address: '127.0.0.1', family: 'IPv4', port }
    this.says({ tell: 'listening', address, pin: undefined, stats: figuresOf() })
  }
}

/** The figures of a server with these open connections. */
export function figuresOf({ open = [] as readonly number[], ...figures }: Figures = {}): ServerStats {
  const connections = open.map(number => ({ number, bytesIn: 0, bytesOut: 0, directions: [] }))
  return { ...serverFigures().stats(connections as never), ...figures }
}

type Figures = Partial<ServerStats> & { readonly open?: readonly number[] }
