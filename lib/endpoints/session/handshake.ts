/** The prefaces: each side proves that it speaks the protocol before the other one sends any data. */
import { otherVersion, prefaceBytes, prefaces, sessionVersion } from '../../formats/session-frames.js'
import { TcpPipeError } from '../../text/errors.js'
import { formatDuration } from '../../text/quantities.js'
import type { Leg } from '../endpoint.js'

interface Terms {
  /** Milliseconds to wait; 0 is no limit. */
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
}

/** The listener speaks first: a peer that speaks no sessions receives nothing of ours. */
export async function meetListener(leg: Leg, terms: Terms): Promise<void> {
  await takePreface(leg, prefaces.listener, terms)
  leg.stream.write(prefaces.dialler)
}

export async function meetDialler(leg: Leg, terms: Terms): Promise<void> {
  leg.stream.write(prefaces.listener)
  await takePreface(leg, prefaces.dialler, terms)
}

/** Reads a preface, and nothing behind it. Resets the leg if the peer sends anything else. */
function takePreface(leg: Leg, expected: Buffer, { timeout, signal }: Terms): Promise<void> {
  const { stream } = leg
  return new Promise((resolve, reject) => {
    let taken = Buffer.alloc(0)
    const silent = () => fail(strange(`it sent nothing within ${formatDuration(timeout)}`))
    const timer = timeout > 0 ? setTimeout(silent, timeout) : undefined
    const ended = () => fail(strange('it closed the connection'))
    const abort = () => fail(signal?.reason)

    function stop(): void {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      stream.off('data', take).off('end', ended).off('error', fail).off('close', ended)
      stream.pause()
    }

    function fail(error: Error): void {
      stop()
      stream.on('error', () => {})
      leg.reset(error)
      reject(error)
    }

    function take(chunk: Buffer): void {
      taken = Buffer.concat([taken, chunk])
      const start = taken.subarray(0, prefaceBytes)
      const version = start.length === prefaceBytes ? otherVersion(start, expected) : undefined
      if (version) fail(strange(`it speaks version ${version} of the protocol, not ${sessionVersion}`))
      else if (!isBeginning(start, expected)) fail(strange('it speaks another protocol'))
      else if (start.length === prefaceBytes) met()
    }

    function met(): void {
      stop()
      if (taken.length > prefaceBytes) stream.unshift(taken.subarray(prefaceBytes))
      resolve()
    }

    stream.on('data', take).once('end', ended).once('error', fail).once('close', ended)
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) abort()
  })
}

/** The index of the version in a preface. */
const versionAt = 5

/** Whether a preface may begin so. One of another version is known when it is whole. */
function isBeginning(start: Buffer, expected: Buffer): boolean {
  const isWhole = start.length === prefaceBytes
  return start.every((byte, i) => byte === expected[i] || (i === versionAt && !isWhole))
}

function strange(what: string): TcpPipeError {
  return new TcpPipeError('ERR_SESSION', `the other end is not reliable: ${what}`)
}
