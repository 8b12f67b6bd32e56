/** A stage that runs in a thread: a Duplex whose bytes go there and come back in blocks that change their owner. */
import { Duplex } from 'node:stream'
import type { MessagePort } from 'node:worker_threads'
import { afterDelivery } from '../formats/delivery.js'
import { TcpPipeError } from '../text/errors.js'
import { runInThread, type ThreadStage } from './worker-pool.js'

/** The largest block. A block is copied once and then transferred. */
export const blockSize = 256 * 1024

/** What goes to a thread: a block, a request for the next output, or the end. */
export type ToThread = Uint8Array | 'more' | 'end'

/** What comes from a thread: a block, the end of the output, that a block has been worked on, or an error. */
export type FromThread = Uint8Array | 'end' | 'taken' | { readonly error: PlainError }

/** An error as it is sent. */
export interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly code: string | undefined
}

type Callback = (error?: Error | null) => void

/** Returns the stage of one connection. It begins with its first byte. */
export function workerStage(name: string, stage: ThreadStage, maxRecord: number): Duplex {
  return new WorkerStage(name, stage, maxRecord)
}

/** One block is under way at a time, and the next one is gathered meanwhile: so a write lasts as long as the work on it. */
class WorkerStage extends Duplex {
  /** Closes it in its thread. */
  private leave: (() => void) | undefined
  private port: MessagePort | undefined
  /** What a thread gets when it begins. */
  private first: ToThread | undefined
  /** Of the write or the end that is under way. */
  private pending: Callback | undefined
  private blocks: Buffer[] = []
  private isOver = false
  /** Whether the thread waits until its last block is wanted. */
  private isHolding = false

  constructor(
    private readonly name: string,
    private readonly stage: ThreadStage,
    private readonly maxRecord: number,
  ) {
    super({ readableHighWaterMark: blockSize, writableHighWaterMark: blockSize })
  }

  /** Not left to `_writev`: the meter wraps both. */
  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.accept([chunk], callback)
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], callback: Callback): void {
    const buffers = chunks.map(({ chunk }) => chunk)
    this.accept(buffers, callback)
  }

  override _final(callback: Callback): void {
    if (this.isOver) callback()
    else {
      this.pending = callback
      this.send('end')
    }
  }

  override _read(): void {
    if (this.isHolding) this.send('more')
    this.isHolding = false
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.leave?.()
    callback(error)
  }

  private accept(chunks: readonly Buffer[], callback: Callback): void {
    // A source that never waits would block the event loop.
    if (this.isOver) setImmediate(() => callback())
    else {
      this.pending = callback
      this.blocks = gather(chunks)
      this.sendNext()
    }
  }

  private sendNext(): void {
    const block = this.blocks.shift()
    if (block) this.send(block)
    else this.settle()
  }

  private send(message: ToThread): void {
    if (this.port) transfer(this.port, message)
    else {
      this.first = message
      this.begin()
    }
  }

  private begin(): void {
    try {
      this.leave = runInThread(this.stage, this.maxRecord, {
        begun: port => {
          this.port = port
          port.on('message', (message: FromThread) => this.receive(message))
          transfer(port, this.first as ToThread)
          this.first = undefined
        },
        lost: reason => this.fail(new TcpPipeError('ERR_STAGE', `${this.name}: ${reason}`)),
      })
    } catch (error) {
      this.fail(new TcpPipeError('ERR_STAGE', `${this.name} cannot run in a thread: ${error}`, { cause: error }))
    }
  }

  private receive(message: FromThread): void {
    if (message === 'taken') this.sendNext()
    else if (message === 'end') this.finish()
    else if (message instanceof Uint8Array) this.give(message)
    else this.fail(toStageError(message.error))
  }

  private give({ buffer, byteOffset, length }: Uint8Array): void {
    if (this.push(Buffer.from(buffer, byteOffset, length))) this.send('more')
    else this.isHolding = true
  }

  /** The output has ended, maybe before the input. */
  private finish(): void {
    this.isOver = true
    this.push(null)
    this.settle()
    this.leave?.()
  }

  private settle(): void {
    const { pending } = this
    this.pending = undefined
    pending?.()
  }

  /** What precedes an error is delivered. */
  private fail(error: Error): void {
    this.isOver = true
    afterDelivery(this, () => this.destroy(error))
  }
}

function transfer(port: MessagePort, message: ToThread): void {
  port.postMessage(message, typeof message === 'string' ? [] : [message.buffer as ArrayBuffer])
}

/** Joins chunks to blocks of memory of their own. */
export function gather(chunks: readonly Uint8Array[]): Buffer[] {
  const blocks: Buffer[] = []
  let left = chunks.reduce((sum, { length }) => sum + length, 0)
  let at = blockSize
  for (const chunk of chunks)
    for (let from = 0; from < chunk.length; ) {
      if (at === (blocks.at(-1)?.length ?? blockSize)) {
        blocks.push(Buffer.allocUnsafeSlow(Math.min(left, blockSize)))
        at = 0
      }
      const block = blocks.at(-1) as Buffer
      const part = chunk.subarray(from, from + block.length - at)
      block.set(part, at)
      at += part.length
      from += part.length
      left -= part.length
    }
  return blocks
}

function toStageError({ name, message, stack, code }: PlainError): Error {
  const error = name === 'TcpPipeError' ? new TcpPipeError(code as TcpPipeError['code'], message) : new Error(message)
  Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true })
  return Object.assign(error, { name }, code !== undefined && { code })
}
