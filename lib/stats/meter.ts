/** Meters: what went through a stage and a run, and where the time went. Times are milliseconds. */
import type { Duplex } from 'node:stream'

/** What one function stage did. A record of a stage of bytes is a chunk; an await inside of the stage is busy time. */
export interface StageMeter {
  readonly name: string
  recordsIn: number
  recordsOut: number
  busy: number
  /** When it became busy; -1 while it is not. */
  busySince: number
}

/** What a run is doing: waiting for its input, working, or waiting until its output is taken; `over` after its end. */
export type RunState = 'input' | 'busy' | 'output' | 'over'

/** What one run did: neighbouring functions fused into one stream, or a Duplex alone. Always in one of its states. */
export interface RunMeter extends Record<RunState, number> {
  bytesIn: number
  bytesOut: number
  state: RunState
  /** When it entered this state. */
  since: number
  /** It has ended by itself, before its input had: what followed was dropped. */
  stopped: boolean
  readonly stages: readonly StageMeter[]
}

export function stageMeter(name: string): StageMeter {
  return { name, recordsIn: 0, recordsOut: 0, busy: 0, busySince: -1 }
}

/** The stage works from now on. */
export function start(meter: StageMeter): void {
  if (meter.busySince < 0) meter.busySince = performance.now()
}

/** The stage works no more, or has given control away. */
export function stop(meter: StageMeter): void {
  if (meter.busySince >= 0) meter.busy += performance.now() - meter.busySince
  meter.busySince = -1
}

/** The run is over: its time stands still. */
export function freeze(meter: RunMeter): void {
  enter(meter, 'over')
  for (const stage of meter.stages) stop(stage)
}

/**
 * Meters a stream from outside, by one machine of three states. It waits for output from a `push` that gives false to
 * the next `_read`. Otherwise it is busy while a write is under way, and from the end of its input to the end of its
 * output. Otherwise it waits for input.
 */
export function meterRun(stream: Duplex, stages: readonly StageMeter[]): RunMeter {
  const times = { input: 0, busy: 0, output: 0, over: 0 }
  const meter: RunMeter = {
    ...times,
    bytesIn: 0,
    bytesOut: 0,
    state: 'input',
    since: performance.now(),
    stopped: false,
    stages,
  }
  const { _write, _writev, _final, push, _read } = stream
  let isFull = false
  let hasInput = false // a write or the end is under way

  function update(): void {
    if (meter.state !== 'over') enter(meter, isFull ? 'output' : hasInput ? 'busy' : 'input')
  }

  function taken(bytes: number, callback: (error?: Error | null) => void): (error?: Error | null) => void {
    meter.bytesIn += bytes
    hasInput = true
    update()
    return error => {
      hasInput = false
      update()
      callback(error)
    }
  }

  stream._write = (chunk, encoding, callback) => _write.call(stream, chunk, encoding, taken(bytesOf(chunk), callback))
  if (_writev) {
    stream._writev = (chunks, callback) => {
      const bytes = chunks.reduce((sum, { chunk }) => sum + bytesOf(chunk), 0)
      _writev.call(stream, chunks, taken(bytes, callback))
    }
  }
  stream._final = callback => {
    hasInput = true
    update()
    if (_final) _final.call(stream, callback)
    else callback()
  }
  stream.push = (chunk, encoding) => {
    meter.bytesOut += bytesOf(chunk)
    if (chunk === null) {
      meter.stopped ||= !stream.writableEnded || stream.writableLength > 0
      freeze(meter)
    }
    const isWanted = push.call(stream, chunk, encoding)
    if (!isWanted && !isFull) {
      isFull = true
      update()
    }
    return isWanted
  }
  stream._read = size => {
    if (isFull) {
      isFull = false
      update()
    }
    _read.call(stream, size)
  }
  return meter
}

function enter(meter: RunMeter, state: RunState): void {
  if (state === meter.state) return
  const now = performance.now()
  meter[meter.state] += now - meter.since
  meter.state = state
  meter.since = now
}

/** The values of an object-mode stream have no size in bytes. */
function bytesOf(chunk: unknown): number {
  return typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk instanceof Uint8Array ? chunk.length : 0
}
