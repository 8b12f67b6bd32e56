/** stdout (or any stream that several connections share) and stdin. */

import { fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import { Readable, Writable } from 'node:stream'
import { isatty } from 'node:tty'
import { lendReads } from './big-reads.js'
import { blockSize } from './blocks.js'
import { defineEndpoint, type Sink, type Source } from './endpoint.js'
import { fileSource } from './file/file-source.js'
import { Kept } from './kept.js'

export interface StdioAddress {
  readonly scheme: 'stdio'
}

export const stdio = defineEndpoint<StdioAddress>({
  scheme: 'stdio',
  syntax: ['-'],
  summary: 'stdin as a source, stdout as a sink',
  hasOwnOptions: true,
  accepts: text => text === '-',
  parse: () => ({ scheme: 'stdio' }),
  complete: () => ({ scheme: 'stdio' }),
  format: () => '-',
  source: () => stdinSource(),
  sink: () => sharedSink(process.stdout),
})

interface Shared {
  failure?: Error
  /** The connection that wrote the unfinished line at the end of the stream. */
  unfinished?: Writable | undefined
}

const shared = new WeakMap<Writable, Shared>()

/**
 * Returns the sink of one connection on a shared stream. It writes whole chunks, and waits for each write before the
 * next. It never ends the stream. If the output is lines, it terminates a connection's unfinished last line with LF
 * before another connection writes.
 */
export function sharedSink(stream: Writable): Sink {
  const state = watch(stream)
  const kept = new Kept()
  const isNow = isOwn(stream)
  const sink: Sink = Object.assign(
    new Writable({
      ...(isFile(stream) && { highWaterMark: 2 * blockSize }),
      write(chunk: Buffer, _encoding, callback) {
        let isDone = false
        const done = (error?: Error | null) => {
          if (isDone) return
          isDone = true
          if (!error) kept.add(chunk.length)
          callback(error && (state.failure ?? error))
        }
        if (sink.lines && state.unfinished && state.unfinished !== sink) stream.write('\n')
        state.unfinished = sink.lines && chunk.at(-1) !== 10 ? sink : undefined
        stream.write(chunk, done)
        if (isNow && stream.writableLength === 0 && !stream.errored && !stream.destroyed) done() // a turn before it says so
      },
    }),
    { lines: false, releases: isNow, onKept: kept.onKept },
  )
  return sink
}

/** Whether it is stdout, and writes at once, as to a file: then nothing is ever held. */
function isFile(stream: Writable): boolean {
  return stream === process.stdout && (stream as { _type?: string })._type === 'fs'
}

/** Whether nobody gets what is written but Node itself. */
function isOwn(stream: Writable): boolean {
  return stream === process.stdout && !Object.hasOwn(stream, 'write')
}

/**
 * Returns the source of one connection on a stream that outlives it. It reads one chunk at a time, when the connection
 * can take it, so that the rest stays for the next connection. It ends and fails with the stream, and never destroys it.
 */
export function sharedSource(stream: Readable): Source {
  let isWanted = false
  const take = () => {
    const chunk = isWanted ? stream.read() : null
    if (chunk === null) return
    isWanted = false
    source.push(chunk)
  }
  const end = () => void source.push(null)
  const fail = (error: Error) => void source.destroy(error)
  const source = new Readable({
    highWaterMark: 0,
    read() {
      isWanted = true
      take()
    },
    destroy(error, callback) {
      stream.off('readable', take).off('end', end).off('error', fail)
      callback(error)
    },
  })
  if (stream.readableEnded) end()
  else stream.on('readable', take).on('end', end).on('error', fail)
  return source
}

/** Opens a descriptor with the source that reads its file type fastest. */
export function stdinSource(fd = 0): Source {
  const stat = fstatSync(fd)
  if (stat.isFIFO() || stat.isSocket() || isatty(fd)) return pipeSource(fd)
  return fileSource(fd)
}

/** Reads a pipe, a FIFO or a terminal as a socket: large blocks gain nothing, and an idle one can be released. */
export function pipeSource(fd: number): Source {
  if (isatty(fd)) return process.stdin
  const socket = new Socket({ fd, readable: true, writable: false, allowHalfOpen: true })
  return Object.assign(socket, { lend: lendReads.bind(undefined, socket) })
}

/** Adds one error listener for all connections that write to the stream. The first error is reported. */
function watch(stream: Writable): Shared {
  const known = shared.get(stream)
  if (known) return known
  const state: Shared = {}
  stream.on('error', error => {
    state.failure ??= error
  })
  shared.set(stream, state)
  return state
}
