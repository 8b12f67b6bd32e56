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

/** Asks a thread whether it goes on. It answers with the same. */
export const areYouThere = 'are you there?'

interface Thread {
  readonly worker: Worker
  /** Called with the reason when the thread has ended. */
  readonly stages: Set<(reason: string) => void>
  /** The number of stages that were closed since the thread has answered. One of them may still work, even for ever. */
  leaving: number
  /** When it was heard of last; 0 before. */
  heard: number
  /** While it has no stages and has not answered. */
  watch: NodeJS.Timeout | undefined
}

const threads = new Set<Thread>()

/** Milliseconds for a thread without stages to answer. One that does not, because it works for ever, is ended. */
const patience = 10_000

/** One processor stays with the event loop. With a single thread, a heavy stage would stall all other ones. */
const most = Math.max(2, availableParallelism() - 1)

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
  port.on('message', () => {
    thread.heard = performance.now()
  })
  return {
    port,
    close() {
      if (!thread.stages.delete(onLost)) return
      thread.leaving++
      thread.worker.postMessage(areYouThere)
      if (thread.stages.size === 0) {
        thread.worker.unref()
        watch(thread)
      }
      port.close()
    },
  }
}

function chooseThread(): Thread {
  const [idlest] = [...threads].sort((a, b) => loadOf(a) - loadOf(b) || b.heard - a.heard)
  return idlest && (loadOf(idlest) === 0 || threads.size >= most) ? idlest : startThread()
}

function loadOf({ stages, leaving }: Thread): number {
  return stages.size + leaving
}

function watch(thread: Thread): void {
  const look = () => {
    thread.watch = undefined
    if (thread.leaving === 0 || thread.stages.size > 0) return
    if (performance.now() - thread.heard < patience) return watch(thread)
    threads.delete(thread)
    void thread.worker.terminate()
  }
  thread.watch ??= setTimeout(look, patience).unref()
}

function startThread(): Thread {
  const worker = new Worker(new URL('./worker-thread.js', import.meta.url))
  const thread: Thread = { worker, stages: new Set(), leaving: 0, heard: 0, watch: undefined }
  let reason: string | undefined
  threads.add(thread)
  worker.on('message', () => {
    thread.leaving--
    thread.heard = performance.now()
  })
  worker.on('error', error => {
    reason = errorMessage(error)
  })
  worker.once('exit', code => {
    threads.delete(thread)
    for (const lost of thread.stages) lost(reason ?? `it has exited with ${code}`)
  })
  worker.unref() // its first stage may be one that cannot be sent; a listener has referenced it
  return thread
}
