/** Watches from a thread of its own whether the fuzz still moves: what never returns to the event loop cannot tell. */
import { once } from 'node:events'
import { readFileSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/** Milliseconds that the event loop may stand still. */
const longest = 30_000

export interface Watchdog {
  /** What is printed if nothing comes after it any more. */
  watch(line: string): void
  stop(): Promise<unknown>
}

/** Resolves when it watches, and has opened whatever it needs. */
export async function openWatchdog(): Promise<Watchdog> {
  const alive = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: alive })
  await once(worker, 'message')
  worker.unref()
  const timer = setInterval(() => Atomics.add(alive, 0, 1), longest / 30).unref()
  return {
    watch: line => worker.postMessage(line),
    stop: () => {
      clearInterval(timer)
      return worker.terminate()
    },
  }
}

/** Ends the programs that this process has started. Each is the leader of a group, and what it has started is in there. */
export function endChildren(): void {
  for (const pid of children()) {
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // it has ended
    }
  }
}

function children(): number[] {
  try {
    return readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number)
  } catch {
    return []
  }
}

function keepWatch(alive: Int32Array): void {
  let line = ''
  let seen = -1
  let at = performance.now()
  parentPort?.on('message', text => {
    line = text
  })
  setInterval(() => {
    const now = Atomics.load(alive, 0)
    if (now !== seen) at = performance.now()
    seen = now
    if (performance.now() - at < longest) return
    writeSync(1, `fuzz: the event loop has stood still for ${longest / 1000} s\n${line}\n`)
    endChildren()
    process.kill(process.pid, 'SIGKILL')
  }, longest / 30)
  parentPort?.postMessage('ready')
}

if (!isMainThread) keepWatch(workerData)
