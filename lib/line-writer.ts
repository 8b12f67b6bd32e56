/** Log lines on stderr: synchronous, so that none is lost at an exit, whole, and counted where they cannot be written. */
import { writeSync } from 'node:fs'
import { errorCode } from './errors.js'

export interface LineWriterOptions {
  /** Default: 2, stderr. */
  fd?: number
  /** Milliseconds that a line waits for a reader that does not read. Default: 5 seconds. */
  patience?: number
}

/** Milliseconds between two attempts. */
const pause = 5

const waiting = new Int32Array(new SharedArrayBuffer(4))

/**
 * Writes the JSON lines that pino gives, each as `format` makes it. Node makes a stderr that is a pipe or a socket
 * non-blocking, and it may be full: then a line waits, and so does the process, as it would for one that blocks. What
 * has waited for too long is lost, and the next line that can be written tells how many were. A stderr that is gone is
 * no reason to fail.
 */
export function lineWriter(
  format: (line: string) => string,
  { fd = 2, patience = 5000 }: LineWriterOptions = {},
): (line: string) => void {
  let unfinished: Buffer = Buffer.alloc(0) // of a line that has been begun
  let lost = 0
  let isStuck = false

  function put(bytes: Buffer): Buffer {
    let until = performance.now() + patience
    let at = 0
    while (at < bytes.length) {
      const written = attempt(fd, bytes.subarray(at))
      at += written
      if (written > 0) {
        isStuck = false
        until = performance.now() + patience
      } else {
        isStuck ||= performance.now() >= until
        if (isStuck) break
        Atomics.wait(waiting, 0, 0, pause)
      }
    }
    return bytes.subarray(at)
  }

  return line => {
    unfinished = put(unfinished)
    const text = Buffer.from(lost > 0 ? format(notice(lost)) + format(line) : format(line))
    const left = unfinished.length > 0 ? text : put(text)
    if (left.length === text.length) lost++
    else {
      lost = 0
      unfinished = left
    }
  }
}

/** How many bytes were taken: all of them if nobody can ever read them. */
function attempt(fd: number, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes)
  } catch (error) {
    return errorCode(error) === 'EAGAIN' ? 0 : bytes.length
  }
}

function notice(lost: number): string {
  return `${JSON.stringify({ level: 40, time: Date.now(), lost, msg: 'log lines lost: nobody has read stderr' })}\n`
}
