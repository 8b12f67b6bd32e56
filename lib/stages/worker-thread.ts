/** What runs in a thread: the stages that it is asked for, each with a port of its own. */
import { type Duplex, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type MessagePort, parentPort } from 'node:worker_threads'
import { errorCode, TcpPipeError, toError } from '../text/errors.js'
import type { TransformEntry } from './define.js'
import { isTransform, loadModule } from './modules.js'
import { plan } from './plan.js'
import { areYouThere, type Opening, type StageSource } from './worker-pool.js'
import { blockSize, type FromThread, gather, type PlainError, type ToThread } from './worker-stage.js'

serveStages(parentPort)

/** Runs the stages that a port asks for. The main thread has no such port. */
export function serveStages(port: MessagePort | null): void {
  port?.on('message', (request: Opening | typeof areYouThere) => {
    port.postMessage(areYouThere)
    if (request !== areYouThere) void runStage(request)
  })
}

/** Runs a stage until its output ends or it fails. */
export async function runStage({ source, options, maxRecord, port }: Opening): Promise<void> {
  try {
    const entry = await load(source)
    const { streams } = plan([entry.recipe(options)], { maxRecord })
    const head = streams[0] as Duplex
    const { sink, more } = portSink(port)
    port.on('message', (message: ToThread) => {
      if (message === 'more') more()
      else if (message === 'end') head.end()
      else head.write(message, error => error || post(port, 'taken'))
    })
    port.once('close', () => head.destroy())
    await pipeline([...streams, sink] as never)
  } catch (error) {
    post(port, { error: plain(error) })
  }
}

async function load(source: StageSource): Promise<TransformEntry> {
  if ('path' in source) return loadModule(source.path)
  const exports: Record<string, unknown> = await import(source.module)
  const entry = Object.values(exports).find(each => isTransform(each) && each.definition.name === source.name)
  if (isTransform(entry)) return entry
  throw new TcpPipeError('ERR_MODULE', `${source.module} exports no transform ${source.name}`)
}

/** Sends blocks. One is under way at a time. */
function portSink(port: MessagePort): { sink: Writable; more(): void } {
  let blocks: Buffer[] = []
  let done: (() => void) | undefined
  const more = () => {
    const block = blocks.shift()
    if (block) post(port, block)
    else done?.()
  }
  const sink = new Writable({
    highWaterMark: blockSize,
    writev(chunks, callback) {
      blocks = gather(chunks.map(({ chunk }) => chunk))
      done = callback
      more()
    },
    final(callback) {
      post(port, 'end')
      callback()
    },
  })
  return { sink, more }
}

function post(port: MessagePort, message: FromThread): void {
  port.postMessage(message, message instanceof Uint8Array ? [message.buffer as ArrayBuffer] : [])
}

function plain(thrown: unknown): PlainError {
  const error = toError(thrown)
  return { name: error.name, message: error.message, stack: error.stack, code: errorCode(error) }
}
