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
  /** When the last of its stages has handed over: a clock that they share, since reading the system's is dear. */
  tick: number
  /** It has ended by itself, before its input had: what followed was dropped. */
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

/** The stage has worked since the run began to, or since the stage before it has handed over. */
export function handOver(stage: StageMeter, run: RunMeter): void {
  const now = performance.now()
  stage.busy += now - (stage.busySince >= 0 ? stage.busySince : Math.max(run.tick, run.since))
  stage.busySince = -1
  run.tick = now
}

/** The stage goes on with its work later: it is busy until it hands over. */
export function keepBusy(stage: StageMeter, run: RunMeter): void {
  if (stage.busySince < 0) stage.busySince = Math.max(run.tick, run.since)
}

/** The stage works again. */
export function resume(stage: StageMeter): void {
  if (stage.busySince < 0) stage.busySince = performance.now()
}

/** The run is over: its time stands still. */
export function freeze(meter: RunMeter): void {
  if (meter.state !== 'over') enter(meter, 'over', performance.now())
  for (const stage of meter.stages) if (stage.busySince >= 0) handOver(stage, meter)
}

/**
 * Meters a stream from outside, by one machine of three states. It waits for output from a `push` that gives false to
 * the next `_read`. Otherwise it is busy while a write is under way, and from the end of its input to the end of its
 * output. Otherwise it waits for input.
 */
export function meterRun(stream: Duplex, meter: RunMeter): RunMeter {
  const flow = { isFull: false, hasInput: false }
  meterInput(stream, meter, flow)
  meterOutput(stream, meter, flow)
  return meter
}

interface Flow {
  isFull: boolean
  /** A write or the end is under way. */
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
      update(meter, flow, meter.tick > meter.since ? meter.tick : undefined) // what came after is not its own work
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

/** Calls `ended` when the input has ended. A Transform must keep its `_final`, and calls `_flush` there. */
function onEnd(stream: Duplex, ended: () => void): void {
  const name = '_transform' in stream ? '_flush' : '_final'
  const methods = stream as unknown as Record<typeof name, Finish | undefined>
  const method = methods[name]
  if (!method && name === '_flush') return // its output ends at once
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
