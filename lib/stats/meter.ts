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
export interface RunMeter {
  bytesIn: number
  bytesOut: number
  state: RunState
  /** One array of doubles, since every chunk changes them: V8 keeps a double in an object field in a heap object. */
  readonly clock: RunClock
  /** Whether the run ended before its input. Later input was dropped. */
  stopped: boolean
  /** Whether a write is pending. */
  isWriting: boolean
  /** Whether the input has ended. */
  hasEnded: boolean
  /** Whether the buffer of the output is full. */
  isFull: boolean
  readonly stages: readonly StageMeter[]
}

export type RunClock = [since: number, tick: number, input: number, busy: number, output: number]

/** When the run entered its state. */
export const since = 0
/** The last handover between stages. Stages share this clock, since reading the system clock is slow. */
const tick = 1
/** The time in each state. */
export const [input, busy, output] = [2, 3, 4] as const

export function stageMeter(name: string): StageMeter {
  return { name, recordsIn: 0, recordsOut: 0, busy: 0, busySince: -1 }
}

export function runMeter(stages: readonly StageMeter[]): RunMeter {
  const now = performance.now()
  const flags = { stopped: false, isWriting: false, hasEnded: false, isFull: false }
  return { bytesIn: 0, bytesOut: 0, state: 'input', clock: [now, now, 0, 0, 0], ...flags, stages }
}

/** Counts busy time from the start of the run or the handover of the previous stage. */
export function handOver(stage: StageMeter, { clock }: RunMeter): void {
  const now = performance.now()
  if (stage.busySince < 0) stage.busy += now - latest(clock)
  else {
    stage.busy += now - stage.busySince
    stage.busySince = -1
  }
  clock[tick] = now
}

function latest(clock: RunClock): number {
  return Math.max(clock[tick], clock[since])
}

/** Marks the stage as busy until it hands over. */
export function keepBusy(stage: StageMeter, { clock }: RunMeter): void {
  if (stage.busySince < 0) stage.busySince = latest(clock)
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

/** A write begins: the run is busy until `taken`. */
export function takes(meter: RunMeter, bytes: number): void {
  meter.bytesIn += bytes
  meter.isWriting = true
  update(meter)
}

/** A write ends. The work since the last handover belongs to streams that follow. */
export function taken(meter: RunMeter): void {
  const { clock } = meter
  meter.isWriting = false
  update(meter, clock[tick] > clock[since] ? clock[tick] : undefined)
}

/** The input ends: the run is busy until its output ends. */
export function inputEnds(meter: RunMeter): void {
  meter.hasEnded = true
  update(meter)
}

/** A `push` returned false: the run waits for output until `wanted`. */
export function filled(meter: RunMeter): void {
  if (meter.isFull) return
  meter.isFull = true
  update(meter)
}

/** A `_read`. */
export function wanted(meter: RunMeter): void {
  if (!meter.isFull) return
  meter.isFull = false
  update(meter)
}

/** The output ends, possibly before the input. */
export function outputEnds(meter: RunMeter, { writableEnded, writableLength }: Duplex): void {
  meter.stopped ||= !writableEnded || writableLength > 0
  freeze(meter)
}

function update(meter: RunMeter, now?: number): void {
  if (meter.state === 'over') return
  const state = meter.isFull ? 'output' : meter.isWriting || meter.hasEnded ? 'busy' : 'input'
  if (state !== meter.state) enter(meter, state, now ?? performance.now())
}

function enter(meter: RunMeter, state: RunState, now: number): void {
  const { clock } = meter
  const time = now - clock[since]
  if (meter.state === 'input') clock[input] += time
  else if (meter.state === 'busy') clock[busy] += time
  else clock[output] += time
  clock[since] = now
  meter.state = state
}

/** Meters a foreign stream from outside, by wrapping its methods. */
export function meterRun(stream: Duplex, meter: RunMeter): RunMeter {
  meterInput(stream, meter)
  meterOutput(stream, meter)
  return meter
}

type Callback = (error?: Error | null) => void

function meterInput(stream: Duplex, meter: RunMeter): void {
  const { _write, _writev } = stream
  const begin = (bytes: number, callback: Callback): Callback => {
    takes(meter, bytes)
    return error => {
      taken(meter)
      callback(error)
    }
  }

  stream._write = (chunk, encoding, callback) => _write.call(stream, chunk, encoding, begin(bytesOf(chunk), callback))
  if (_writev) {
    stream._writev = (chunks, callback) => {
      const bytes = chunks.reduce((sum, { chunk }) => sum + bytesOf(chunk), 0)
      _writev.call(stream, chunks, begin(bytes, callback))
    }
  }
  onEnd(stream, () => inputEnds(meter))
}

type Finish = (callback: Callback) => void

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

function meterOutput(stream: Duplex, meter: RunMeter): void {
  const { push, _read } = stream
  stream.push = (chunk, encoding) => {
    if (chunk === null) outputEnds(meter, stream)
    meter.bytesOut += bytesOf(chunk)
    const isWanted = push.call(stream, chunk, encoding)
    if (!isWanted) filled(meter)
    return isWanted
  }
  stream._read = size => {
    wanted(meter)
    _read.call(stream, size)
  }
}

/** The size of a chunk in bytes; the values of an object-mode stream have none. */
export function bytesOf(chunk: unknown): number {
  return typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk instanceof Uint8Array ? chunk.length : 0
}
