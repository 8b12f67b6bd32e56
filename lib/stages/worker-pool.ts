/** The threads that run stages. Few of them, which connections share; without stages they do not keep the process alive. */
import { availableParallelism } from 'node:os'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { errorMessage } from '../text/errors.js'

/** Where a thread finds a stage: a transform of a module, or with a path that module itself. */
export type StageSource = { readonly module: string; readonly name: string } | { readonly path: string }

/** A stage to run in a thread. */
export interface ThreadStage {
  readonly source: StageSource
  readonly options: Record<string, unknown>
}

/** The request to begin a stage. */
export interface Opening extends ThreadStage {
  readonly maxRecord: number
  readonly port: MessagePort
}

interface Thread {
  readonly worker: Worker
  /** Called with the reason when the thread has ended. */
  readonly stages: Set<(reason: string) => void>
}

const threads = new Set<Thread>()

/** One processor stays with the event loop. */
const most = Math.max(1, availableParallelism() - 1)

/** A stage that runs in a thread: messages go through its port. */
export interface Running {
  readonly port: MessagePort
  close(): void
}

/**
 * Begins a stage in the thread that runs the fewest. Calls `onLost` if the thread ends.
 *
 * @throws DataCloneError for options that cannot be sent to a thread
 */
export function runInThread(stage: ThreadStage, maxRecord: number, onLost: (reason: string) => void): Running {
  const { port1: port, port2 } = new MessageChannel()
  const thread = chooseThread()
  const opening: Opening = { ...stage, maxRecord, port: port2 }
  thread.worker.postMessage(opening, [port2])
  thread.stages.add(onLost)
  thread.worker.ref() // its end must be heard of
  return {
    port,
    close() {
      thread.stages.delete(onLost)
      if (thread.stages.size === 0) thread.worker.unref()
      port.close()
    },
  }
}

function chooseThread(): Thread {
  const [idlest] = [...threads].sort((a, b) => a.stages.size - b.stages.size)
  return idlest && (idlest.stages.size === 0 || threads.size >= most) ? idlest : startThread()
}

function startThread(): Thread {
  const worker = new Worker(new URL('./worker-thread.js', import.meta.url))
  const thread: Thread = { worker, stages: new Set() }
  let reason: string | undefined
  threads.add(thread)
  worker.on('error', error => {
    reason = errorMessage(error)
  })
  worker.once('exit', code => {
    threads.delete(thread)
    for (const lost of thread.stages) lost(reason ?? `it has exited with ${code}`)
  })
  return thread
}
