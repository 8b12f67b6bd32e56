/** Log lines on stderr, each whole: at once where there is room, so that none is lost at an exit, otherwise in turn. */
import { writeSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { errorCode } from './errors.js'

export interface LineWriterOptions {
  /** Default: 2, stderr. */
  fd?: number
  /** The stream that others write to the same descriptor with; it keeps the order. Default: `process.stderr`. */
  stream?: Writable
  /** Bytes that may wait for a reader that does not read. Default: 16 MiB. */
  mostWaiting?: number
}

/** As pino wants it. */
export interface LineWriter {
  write(line: string): void
  /** Tells what has been lost and is not told yet: for the exit of the process. */
  end(): void
}

/**
 * Writes the JSON lines that pino gives, each as `format` makes it. Node makes a stderr that is a pipe or a socket
 * non-blocking: what it has no room for waits in memory, and behind it all that comes later. What is beyond
 * `mostWaiting`, or cannot be written for another reason, as on a full disk, is lost: the next line that can be written
 * tells how many lines were. A stderr whose reader has gone is no reason to fail.
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

  /** What is owed before the next line. */
  function start(): string {
    return `${isCut ? '\n' : ''}${lost > 0 ? format(notice(lost)) : ''}`
  }

  function end(): void {
    if (lost > 0) attempt(fd, Buffer.from(start()))
  }

  /** Whether it is written, waits, or is nobody's any more. */
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

/** All of it, or as much as there is room for. */
function attempt(fd: number, bytes: Buffer): { written: number; failure?: string | undefined } {
  let written = 0
  try {
    while (written < bytes.length) written += writeSync(fd, bytes, written)
    return { written }
  } catch (error) {
    return { written, failure: errorCode(error) }
  }
}

/** There may be room again; of a reader that has gone (EPIPE, EIO, EBADF) there is nothing to expect. */
function isOfDisk(code: string | undefined): boolean {
  return code !== undefined && ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code)
}

function notice(lost: number): string {
  const msg = 'log lines lost: there was no room for them on stderr'
  return `${JSON.stringify({ level: 40, time: Date.now(), lost, msg })}\n`
}
