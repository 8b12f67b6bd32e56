/** The threads that run stages. Few of them, which connections share; without stages they do not keep the process alive. */
import { availableParallelism } from 'node:os'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { errorCode, errorMessage } from '../text/errors.js'

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

/** Asks a thread whether it goes on. It answers with the same, also to the request to begin a stage. */
export const areYouThere = 'are you there?'

/** What a stage that is to run in a thread hears. */
export interface Placing {
  /** The thread begins it: what is sent through the port arrives. */
  begun(port: MessagePort): void
  /** No thread has begun it, or its thread has ended. */
  lost(reason: string): void
}

interface Placed {
  readonly stage: ThreadStage
  readonly maxRecord: number
  readonly placing: Placing
  /** Milliseconds of `performance.now()` after which it does not wait for a thread any longer. */
  readonly deadline: number
  port: MessagePort
  thread: Thread
  isBegun: boolean
  timer: NodeJS.Timeout | undefined
}

interface Thread {
  readonly worker: Worker
  readonly stages: Set<Placed>
  /** The questions that it has not answered, in their order. */
  readonly questions: { readonly at: number; answered(): void }[]
  /** The number of stages that were closed since the thread has answered. One of them may still work, even for ever. */
  leaving: number
  /** When it was heard of last; 0 while it still starts. */
  heard: number
  /** While one of its stages has left, and it has not answered. */
  watch: NodeJS.Timeout | undefined
  /** Why it is ended. */
  reason: string | undefined
}

const threads = new Set<Thread>()

/** Milliseconds without an answer after which a thread gets no more stages, and those that it has not begun go elsewhere. */
const slow = 1000

/** Milliseconds for a thread to answer when a stage has left, and it has no other ones. Otherwise it is ended. */
const patience = 10_000

/** The same, for a thread that has other stages, which fail with it; and the longest wait for the begin of a stage. */
const longest = 30_000

/**
 * One processor stays with the event loop. With a single thread, a heavy stage would stall all other ones. As many again
 * may take the place of those that do not answer.
 */
const most = Math.max(2, availableParallelism() - 1)

/**
 * Begins a stage in the thread that runs the fewest. A thread that does not answer is avoided, and left again before it
 * begins the stage. Returns what closes it.
 *
 * @throws DataCloneError for options that cannot be sent to a thread
 */
export function runInThread(stage: ThreadStage, maxRecord: number, placing: Placing): () => void {
  const deadline = performance.now() + longest
  const placed = { stage, maxRecord, placing, deadline, isBegun: false, timer: undefined } as unknown as Placed
  place(placed, chooseThread())
  return () => close(placed)
}

function place(placed: Placed, thread: Thread): void {
  const { port1, port2 } = new MessageChannel()
  const { stage, maxRecord, placing } = placed
  const opening: Opening = { ...stage, maxRecord, port: port2 }
  thread.worker.postMessage(opening, [port2])
  placed.thread = thread
  placed.port = port1
  thread.stages.add(placed)
  thread.worker.ref() // its end must be heard of
  ask(thread, () => {
    if (placed.port !== port1 || !thread.stages.has(placed)) return // it has left
    placed.isBegun = true
    clearTimeout(placed.timer)
    port1.on('message', () => {
      thread.heard = performance.now()
    })
    placing.begun(port1)
  })
  lookAfter(placed)
}

/** The thread answers in the order of the questions. */
function ask({ questions }: Thread, answered: () => void): void {
  questions.push({ at: performance.now(), answered })
}

/** A stage that waits behind the work of another one goes to a thread that answers. */
function lookAfter(placed: Placed): void {
  const look = () => {
    const { thread, deadline, placing } = placed
    const next = isSilent(thread) ? chooseThread() : thread
    if (next !== thread && !isSilent(next)) {
      leave(placed)
      place(placed, next)
    } else if (performance.now() < deadline || thread.heard === 0) lookAfter(placed)
    else {
      leave(placed)
      placing.lost(`no thread has begun it in ${longest / 1000} s: they work on other connections`)
    }
  }
  placed.timer = setTimeout(look, slow).unref()
}

function close(placed: Placed): void {
  const { thread } = placed
  if (!leave(placed)) return
  if (placed.isBegun) {
    thread.leaving++
    thread.worker.postMessage(areYouThere)
    ask(thread, () => {
      thread.leaving--
      watch(thread)
    })
  }
  watch(thread)
}

/** Whether it was still there. */
function leave(placed: Placed): boolean {
  const { thread, port, timer } = placed
  clearTimeout(timer)
  port.close()
  const isLeft = thread.stages.delete(placed)
  if (thread.stages.size === 0) thread.worker.unref()
  return isLeft
}

function chooseThread(): Thread {
  const byLoad = [...threads].sort((a, b) => loadOf(a) - loadOf(b) || b.heard - a.heard)
  const answering = byLoad.filter(thread => !isSilent(thread))
  const [idlest] = answering
  if (idlest && (loadOf(idlest) === 0 || answering.length >= most)) return idlest
  return threads.size < 2 * most ? startThread() : (idlest ?? (byLoad[0] as Thread))
}

function loadOf({ stages, leaving }: Thread): number {
  return stages.size + leaving
}

/** Not one that still starts. */
function isSilent(thread: Thread): boolean {
  return thread.heard > 0 && silenceOf(thread) > slow
}

/** The milliseconds for which it has left a question unanswered. */
function silenceOf({ questions: [first], heard }: Thread): number {
  return first ? performance.now() - Math.max(first.at, heard) : 0
}

/** Ends a thread that works on for a stage that has left. Each answer gives it time anew. */
function watch(thread: Thread): void {
  clearTimeout(thread.watch)
  if (thread.leaving === 0) return
  const isShared = [...thread.stages].some(({ isBegun }) => isBegun)
  const time = isShared ? longest : patience
  thread.watch = setTimeout(() => {
    threads.delete(thread)
    thread.reason = `it has worked for ${time / 1000} s on a record of a connection that has ended`
    void thread.worker.terminate()
  }, time).unref()
}

function startThread(): Thread {
  const worker = new Worker(new URL('./worker-thread.js', import.meta.url))
  const thread: Thread = {
    ...{ worker, stages: new Set(), questions: [], leaving: 0, heard: 0, watch: undefined, reason: undefined },
  }
  threads.add(thread)
  worker.on('message', () => {
    thread.heard = performance.now()
    thread.questions.shift()?.answered()
  })
  worker.on('error', error => {
    thread.reason = reasonOf(error)
  })
  worker.once('exit', code => {
    threads.delete(thread)
    end(thread, thread.reason ?? `it has exited with ${code}`)
  })
  worker.unref() // its first stage may be one that cannot be sent; a listener has referenced it
  return thread
}

/** Stages that it has not begun go elsewhere, unless threads cannot start. */
function end(thread: Thread, reason: string): void {
  clearTimeout(thread.watch)
  for (const placed of [...thread.stages]) {
    leave(placed)
    if (placed.isBegun || thread.heard === 0) placed.placing.lost(`its thread has ended: ${reason}`)
    else place(placed, chooseThread())
  }
}

/** V8 ends only the thread, if it can: often not in Node 24 and 26. A lower limit of memory would end more processes. */
function reasonOf(error: unknown): string {
  return errorCode(error) === 'ERR_WORKER_OUT_OF_MEMORY' ? 'it has run out of memory' : errorMessage(error)
}
