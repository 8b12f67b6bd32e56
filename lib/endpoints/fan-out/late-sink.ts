/** A Writable in front of a sink that may still be opening: it takes data up to its high-water mark meanwhile. */
import { Writable } from 'node:stream'
import type { Sink } from '../endpoint.js'
import { Branch } from './branch.js'

/** Opens a sink. The signal aborts when nobody needs it any more. */
export type OpenSink = (signal: AbortSignal) => Promise<Sink>

/** It finishes and fails with the sink. Its errors include that the sink cannot be opened. */
export function lateSink(open: OpenSink, highWaterMark: number): Writable {
  const abort = new AbortController()
  const opening = open(abort.signal).then(sink => {
    const branch = new Branch(sink, error => late.destroy(error))
    if (late.destroyed) sink.destroy()
    return branch
  })
  const late = new Writable({
    highWaterMark,
    write: (chunk, _encoding, callback) => void opening.then(branch => branch.write([chunk], callback), callback),
    final: callback => void opening.then(branch => branch.end(callback), callback),
    destroy(error, callback) {
      abort.abort()
      opening.then(
        branch => branch.destroy(error ?? undefined, () => {}),
        () => {},
      )
      callback(error)
    },
  })
  opening.catch(error => late.destroy(error))
  return late
}
