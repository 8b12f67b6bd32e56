/** stdout (or any stream that several connections share) and stdin. */

import { fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { isatty } from 'node:tty'
import { defineEndpoint, type Sink, type Source } from './endpoint.js'
import { fileSource } from './file/file-source.js'

export interface StdioAddress {
  readonly scheme: 'stdio'
}

export const stdio = defineEndpoint<StdioAddress>({
  scheme: 'stdio',
  syntax: ['-'],
  summary: 'stdin as a source, stdout as a sink',
  accepts: text => text === '-',
  parse: () => ({ scheme: 'stdio' }),
  complete: () => ({ scheme: 'stdio' }),
  format: () => '-',
  source: () => stdinSource(),
  sink: () => sharedSink(process.stdout),
})

interface Shared {
  failure?: Error
  /** Whose unfinished line stands at the end of the stream. */
  unfinished?: Writable | undefined
}

const shared = new WeakMap<Writable, Shared>()

/**
 * A sink of one connection on a stream that others share: whole chunks, and each is taken before the next one comes.
 * The stream itself is never ended. Where text in whole lines comes, a connection's unfinished last line gets its LF
 * when another one writes behind it.
 */
export function sharedSink(stream: Writable): Sink {
  const state = watch(stream)
  const sink: Sink = Object.assign(
    new Writable({
      write(chunk: Buffer, _encoding, callback) {
        const done = (error?: Error | null) => callback(error && (state.failure ?? error))
        if (sink.lines && state.unfinished && state.unfinished !== sink) stream.write('\n')
        state.unfinished = sink.lines && chunk.at(-1) !== 10 ? sink : undefined
        stream.write(chunk, done)
      },
    }),
    { lines: false },
  )
  return sink
}

/** The kind of thing that a descriptor is, and with it the kind of source that reads it fastest. */
export function stdinSource(fd = 0): Source {
  const stat = fstatSync(fd)
  if (stat.isFIFO() || stat.isSocket() || isatty(fd)) return pipeSource(fd)
  return fileSource(fd)
}

/** A pipe, a FIFO or a terminal is read as a socket: large blocks gain nothing, and it can be let go while it is idle. */
export function pipeSource(fd: number): Source {
  return isatty(fd) ? process.stdin : new Socket({ fd, readable: true, writable: false, allowHalfOpen: true })
}

/** One error listener for the stream, however many connections write to it; the first error is the one to tell. */
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
