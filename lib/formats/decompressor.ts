/** Shared by all decompressors: output limits, and delivery of what precedes an error. */
import { Duplex } from 'node:stream'
import { callbackify } from 'node:util'
import { TcpPipeError } from '../text/errors.js'
import { bytes, integer } from '../text/options.js'
import { afterDelivery } from './delivery.js'
import { blockBytes } from './records.js'

/** Takes a block of output. It may pause the engine. */
export type Take = (block: Buffer) => void

/** Decompresses one format. While it is paused, it holds one block, and its calls wait. */
export interface Engine {
  /** Input bytes so far, also of a call that is under way. */
  readonly bytesRead: number
  /** Fails with `ERR_INPUT` after the output of what precedes the error. */
  write(chunk: Buffer): Promise<void>
  /** Ends the input. Fails with `ERR_INPUT` if it must not end here. */
  end(): Promise<void>
  pause(): void
  resume(): void
  destroy(): void
}

export interface Caps {
  /** Maximum number of output bytes; undefined: no limit. */
  readonly max: number | undefined
  /** Maximum number of output bytes per input byte, beyond `freeOutput`. */
  readonly ratio: number
}

/** The options `max` and `ratio` of each decompressor. */
export function capOptions<const R extends number>(ratio: R) {
  return {
    max: bytes('maximum output; default: no limit', { min: 1 }),
    ratio: integer('maximum number of output bytes per input byte, beyond 16 MiB of output', {
      min: 1,
      default: ratio,
    }),
  }
}

/** Output below this is never a bomb. */
export const freeOutput = 16 * 1024 * 1024

/**
 * Decompresses; besides the memory of its engine it holds one block. Fails with the error of the engine, and with
 * `ERR_OUTPUT_LIMIT` at a limit: zlib's `maxOutputLength` has no effect on streams. Delivers what precedes the error.
 */
export function decompressor(name: string, caps: Caps, open: (take: Take) => Engine): Duplex {
  let output = 0
  let hasFailed = false

  function take(block: Buffer): void {
    const left = allowed(engine.bytesRead, caps) - output
    output += block.length
    if (!outer.push(block.length > left ? block.subarray(0, left) : block)) engine.pause()
    if (block.length > left) fail(limitError(name, engine.bytesRead, output, caps))
  }

  async function end(): Promise<void> {
    await engine.end()
    if (!hasFailed) outer.push(null)
  }

  /** Nothing goes on behind a failure, which waits for the reader. */
  function ended(callback: () => void): (error: Error | null) => void {
    return error => {
      if (error) fail(error)
      else if (!hasFailed) callback()
    }
  }

  function fail(error: Error): void {
    if (hasFailed) return
    hasFailed = true
    engine.pause()
    afterDelivery(outer, () => outer.destroy(error))
  }

  const engine = open(take)
  const outer = new Duplex({
    readableHighWaterMark: blockBytes,
    write: (chunk, _encoding, callback) => callbackify(engine.write)(chunk, ended(callback)),
    final: callback => callbackify(end)(ended(callback)),
    read: () => void (hasFailed || engine.resume()),
    destroy(error, callback) {
      engine.destroy()
      callback(error)
    },
  })
  return outer
}

/** The number of output bytes that the caps allow for the input so far. */
function allowed(input: number, { max = Number.POSITIVE_INFINITY, ratio }: Caps): number {
  return Math.min(max, Math.max(freeOutput, ratio * input))
}

function limitError(name: string, input: number, output: number, { max, ratio }: Caps): TcpPipeError {
  const exceeded =
    max !== undefined && output > max
      ? `max=${max} bytes`
      : `ratio=${ratio}: ${input} bytes of input gave ${output} bytes; a higher ratio allows it`
  return new TcpPipeError('ERR_OUTPUT_LIMIT', `${name}: the output exceeds ${exceeded}`)
}
