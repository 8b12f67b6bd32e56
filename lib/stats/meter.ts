/** Meters: the data through stages and runs, and the time they spend. Times are milliseconds. */
import type { Duplex } from 'node:stream'

/** The meter of one function stage. A record of a bytes stage is a chunk. An await inside the stage is busy time. */
export interface StageMeter {
  readonly name: string
  recordsIn: number
  recordsOut: number
  busy: number
  /** The time at which the stage became busy; -1 while it is idle. */
  busySince: number
}

/** The state of a run: waiting for input, busy, waiting for the consumer of its output, or over. */
export type RunState = 'input' | 'busy' | 'output' | 'over'

/** The meter of one run: adjacent functions fused into one stream, or a single Duplex. */
export interface RunMeter extends Record<RunState, number> {
  bytesIn: number
  bytesOut: number
  state: RunState
  /** The time at which the run entered its state. */
  since: number
  /** The time of the last handover between stages. Stages share this clock, since reading the system clock is slow. */
  tick: number
  /** Whether the run ended before its input. Later input was dropped. */
  stopped: boolean
  readonly stages: readonly StageMeter[]
}

export function stageMeter(name: string): StageMeter {
  return { name, recordsIn: 0, recordsOut: 0, busy: 0, busySince: -1 }
}

export function runMeter(stages: readonly StageMeter[]): RunMeter {
  const since = performance.now()
  const times = { input: 0, busy: 0, output: 0, over: 0 }
  return { ...times, bytesIn: 0, bytesOut: 0, state: 'input', since, tick: since, stopped: false, stages }
}

/** Counts busy time from the start of the run or the handover of the previous stage. */
export function handOver(stage: StageMeter, run: RunMeter): void {
  const now = performance.now()
  stage.busy += now - (stage.busySince >= 0 ? stage.busySince : Math.max(run.tick, run.since))
  stage.busySince = -1
  run.tick = now
}

/** Marks the stage as busy until it hands over. */
export function keepBusy(stage: StageMeter, run: RunMeter): void {
  if (stage.busySince < 0) stage.busySince = Math.max(run.tick, run.since)
}

/** Resumes the stage. */
export function resume(stage: StageMeter): void {
  if (stage.busySince < 0) stage.busySince = performance.now()
}

/** Ends the run and stops its clock. */
export function freeze(meter: RunMeter): void {
  if (meter.state !== 'over') enter(meter, 'over', performance.now())
  for (const stage of meter.stages) if (stage.busySince >= 0) handOver(stage, meter)
}

/**
 * Meters a stream from outside, with three states. The stream waits for output from a `push` that returns false to the
 * next `_read`. Otherwise it is busy during a write, and from the end of its input to the end of its output. Otherwise
 * it waits for input.
 */
export function meterRun(stream: Duplex, meter: RunMeter): RunMeter {
  const flow = { isFull: false, hasInput: false }
  meterInput(stream, meter, flow)
  meterOutput(stream, meter, flow)
  return meter
}

interface Flow {
  isFull: boolean
  /** Whether a write or the end is pending. */
  hasInput: boolean
}

function update(meter: RunMeter, { isFull, hasInput }: Flow, now?: number): void {
  if (meter.state === 'over') return
  const state = isFull ? 'output' : hasInput ? 'busy' : 'input'
  if (state !== meter.state) enter(meter, state, now ?? performance.now())
}

function meterInput(stream: Duplex, meter: RunMeter, flow: Flow): void {
  const { _write, _writev } = stream

  function taken(bytes: number, callback: (error?: Error | null) => void): (error?: Error | null) => void {
    meter.bytesIn += bytes
    flow.hasInput = true
    update(meter, flow)
    return error => {
      flow.hasInput = false
      update(meter, flow, meter.tick > meter.since ? meter.tick : undefined) // later work belongs to other stages
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
  onEnd(stream, () => {
    flow.hasInput = true
    update(meter, flow)
  })
}

type Finish = (callback: (error?: Error | null) => void) => void

/** Calls `ended` when the input ends. A Transform needs its own `_final`, which calls `_flush`. */
function onEnd(stream: Duplex, ended: () => void): void {
  const name = '_transform' in stream ? '_flush' : '_final'
  const methods = stream as unknown as Record<typeof name, Finish | undefined>
  const method = methods[name]
  if (!method && name === '_flush') return // its output ends immediately
  methods[name] = callback => {
    ended()
    if (method) method.call(stream, callback)
    else callback()
  }
}

function meterOutput(stream: Duplex, meter: RunMeter, flow: Flow): void {
  const { push, _read } = stream
  stream.push = (chunk, encoding) => {
    if (chunk === null) {
      meter.stopped ||= !stream.writableEnded || stream.writableLength > 0
      freeze(meter)
    } else meter.bytesOut += bytesOf(chunk)
    const isWanted = push.call(stream, chunk, encoding)
    if (!isWanted && !flow.isFull) {
      flow.isFull = true
      update(meter, flow)
    }
    return isWanted
  }
  stream._read = size => {
    if (flow.isFull) {
      flow.isFull = false
      update(meter, flow)
    }
    _read.call(stream, size)
  }
}

function enter(meter: RunMeter, state: RunState, now: number): void {
  meter[meter.state] += now - meter.since
  meter.state = state
  meter.since = now
}

/** The size of a chunk in bytes; the values of an object-mode stream have none. */
export function bytesOf(chunk: unknown): number {
  return typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk instanceof Uint8Array ? chunk.length : 0
}
