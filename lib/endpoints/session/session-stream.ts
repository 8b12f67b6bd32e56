/** The stream of a session, for the owner of its leg. */
import { Duplex } from 'node:stream'
import { blockBytes } from '../../formats/records.js'
import { TcpPipeError } from '../../text/errors.js'

type Done = (error?: Error | null) => void

/** What a session does when its stream is used. */
export interface StreamUser {
  /** The reader waits for data. */
  read(): void
  /** The reader has taken data. */
  taken(): void
  write(chunk: Buffer, done: Done): void
  final(done: Done): void
  /** The stream is destroyed. */
  leave(error: Error): void
}

export function sessionStream(user: StreamUser): Duplex {
  const stream = new Duplex({
    allowHalfOpen: true,
    readableHighWaterMark: blockBytes,
    writableHighWaterMark: blockBytes,
    read: () => user.read(),
    write: (chunk, _encoding, done) => user.write(chunk, done),
    final: done => user.final(done),
    destroy(error, done) {
      user.leave(error ?? new TcpPipeError('ERR_CLOSED', 'the connection was closed before its end'))
      done(error)
    },
  })
  const read = stream.read
  stream.read = size => {
    const chunk: unknown = read.call(stream, size)
    if (chunk !== null) user.taken()
    return chunk
  }
  return stream.on('error', () => {}) // users of the leg handle it
}
