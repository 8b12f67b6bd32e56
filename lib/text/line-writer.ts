/** Writes whole log lines to stderr: synchronously if there is room, so that none is lost at exit, otherwise queued. */
import { writeSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { errorCode } from './errors.js'

export interface LineWriterOptions {
  /** Default: 2, stderr. */
  fd?: number
  /** The stream that other code uses for the same descriptor; it keeps the order. Default: `process.stderr`. */
  stream?: Writable
  /** Maximum number of queued bytes. Default: 16 MiB. */
  mostWaiting?: number
}

/** A destination for pino. */
export interface LineWriter {
  write(line: string): void
  /** Reports lost lines not reported yet. Call it at process exit. */
  end(): void
}

/**
 * Writes pino's JSON lines in the form that `format` returns. Node makes a pipe or socket on stderr non-blocking, so
 * lines without room, and all later ones, are queued in memory. Lines beyond `mostWaiting`, or that cannot be written
 * (full disk), are lost; the next written line reports how many. A closed stderr is not an error.
 */
export function lineWriter(
  format: (line: string) => string,
  { fd = 2, stream = process.stderr, mostWaiting = 16 * 1024 * 1024 }: LineWriterOptions = {},
): LineWriter {
  let lost = 0
  let isCut = false

  function write(line: string): void {
    if (stream.writableLength > mostWaiting || !put(start() + format(line))) {
      lost++
    } else {
      lost = 0
      isCut = false
    }
  }

  /** Returns what must precede the next line. */
  function start(): string {
    return `${isCut ? '\n' : ''}${lost > 0 ? format(notice(lost)) : ''}`
  }

  function end(): void {
    if (lost > 0) attempt(fd, Buffer.from(start()))
  }

  /** Returns true if the text is written, queued, or has no reader any more. */
  function put(text: string): boolean {
    const bytes = Buffer.from(text)
    const { written, failure } = stream.writableLength > 0 ? { written: 0, failure: 'EAGAIN' } : attempt(fd, bytes)
    if (failure === 'EAGAIN') {
      if (stream.listenerCount('error') === 0) stream.on('error', () => {})
      stream.write(bytes.subarray(written))
    }
    if (!isOfDisk(failure)) return true
    isCut ||= written > 0
    return false
  }

  return { write, end }
}

/** Writes all of it, or as much as there is room for. */
function attempt(fd: number, bytes: Buffer): { written: number; failure?: string | undefined } {
  let written = 0
  try {
    while (written < bytes.length) written += writeSync(fd, bytes, written)
    return { written }
  } catch (error) {
    return { written, failure: errorCode(error) }
  }
}

/** True if there may be room again later. After EPIPE, EIO or EBADF the reader is gone. */
function isOfDisk(code: string | undefined): boolean {
  return code !== undefined && ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code)
}

function notice(lost: number): string {
  const msg = 'log lines lost: stderr had no room for them'
  return `${JSON.stringify({ level: 40, time: new Date().toISOString(), lost, msg })}\n`
}
