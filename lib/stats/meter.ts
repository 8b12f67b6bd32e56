/**
 * Meters: the data through stages and runs, and the time they spend. Times are milliseconds.
 *
 * JavaScript has one thread. While one stage works on it, everything else that is under way looks busy: its completion is
 * only heard of later. Such time counts as waiting for the thread. What is under way can only have been late by the work
 * that was done since the event loop last waited.
 */
import { performance } from 'node:perf_hooks' // the global one is a getter: 25 ns of 80 for each reading in Node 22 to 26
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
  /** Whether a method of a foreign stream is being called: what it does now is work on the thread. */
  isCalled: boolean
  readonly stages: readonly StageMeter[]
}

export type RunClock = [since: number, tick: number, input: number, busy: number, output: number, ...rest: number[]]

/** When the run entered its state. */
export const since = 0
/** The last handover between stages. Stages share this clock, since reading the system clock is slow. */
const tick = 1
/** The time in each state, and the time that something else held the thread while the run was busy. */
export const [input, busy, output, thread] = [2, 3, 4, 5] as const
/** The work of the run on the thread. */
const own = 6
/** `own`, and the work of all, when the run entered its state. */
const [ownBefore, allBefore] = [7, 8] as const

/** The work of all meters on the thread, now and when the event loop last waited. */
let all = 0
let allAtWait = 0
let idle = 0

/** The last time that was read, and how many calls of `push` are under way: in them, time goes on from there. */
let recent = 0
let depth = 0

function read(): number {
  recent = performance.now()
  return recent
}

/** Notes whether the event loop has waited. Call it when the loop calls, before any work. */
export function look(): void {
  const { idleTime } = performance.nodeTiming
  if (idleTime === idle) return
  idle = idleTime
  allAtWait = all
}

function addWork({ clock }: RunMeter, time: number): void {
  all += time
  clock[own] = (clock[own] as number) + time
}

export function stageMeter(name: string): StageMeter {
  return { name, recordsIn: 0, recordsOut: 0, busy: 0, busySince: -1 }
}

export function runMeter(stages: readonly StageMeter[]): RunMeter {
  const now = performance.now()
  const flags = { stopped: false, isWriting: false, hasEnded: false, isFull: false, isCalled: false }
  return { bytesIn: 0, bytesOut: 0, state: 'input', clock: [now, now, 0, 0, 0, 0, 0, 0, 0], ...flags, stages }
}

/** Counts busy time from the start of the run or the handover of the previous stage. */
export function handOver(stage: StageMeter, { clock }: RunMeter): void {
  const now = read()
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
  if (meter.state !== 'over') enter(meter, 'over', read())
  for (const stage of meter.stages) if (stage.busySince >= 0) handOver(stage, meter)
}

/** A write begins: the run is busy until `taken`. */
export function takes(meter: RunMeter, bytes: number): void {
  if (depth === 0) look()
  meter.bytesIn += bytes
  meter.isWriting = true
  update(meter, depth > 0 ? recent : undefined)
}

/** A write ends. `worked` tells that the run has worked on the thread since the write began. */
export function taken(meter: RunMeter, worked = false): void {
  meter.isWriting = false
  if (meter.state === 'busy') {
    handsOn(meter, worked)
    update(meter, recent)
  } else update(meter)
}

/** The time since the last handover between stages belongs to streams that follow. */
function handsOn(meter: RunMeter, worked: boolean): void {
  const { clock } = meter
  const now = read()
  const last = clock[tick] > clock[since] ? clock[tick] : now
  if (worked) addWork(meter, last - clock[since])
  if (last < now) enter(meter, 'output', last)
}

/** A write goes on after its function has returned: it has worked until now. */
export function goesOn(meter: RunMeter): void {
  if (meter.state === 'busy') addWork(meter, read() - meter.clock[since])
}

/** The time at which a call begins. */
export function begins(): number {
  return depth > 0 ? recent : read()
}

/** The work of all meters so far. */
export function workOfAll(): number {
  return all
}

/** A call has ended, which began at `start`, after so much work of all. The work of other meters in it is theirs. */
export function worked(meter: RunMeter, start: number, before: number): void {
  const end = recent > start ? recent : read()
  addWork(meter, Math.max(0, end - start - (all - before)))
}

/** A `push` begins. In it, the streams that follow work. */
export function pushes(meter: RunMeter): void {
  if (depth === 0) look()
  if (meter.state !== 'over') {
    const now = read()
    if (meter.isCalled && meter.state === 'busy') addWork(meter, now - meter.clock[since])
    enter(meter, 'output', now)
  }
  depth++
}

/** The `push` has ended. */
export function pushed(meter: RunMeter, isWanted: boolean): void {
  depth--
  if (!isWanted) filled(meter)
  else update(meter, recent > meter.clock[since] ? recent : undefined)
}

/** The input ends: the run is busy until its output ends. */
export function inputEnds(meter: RunMeter): void {
  meter.hasEnded = true
  update(meter)
}

/** A `push` returned false: the run waits for output until `wanted`. `worked` is as in `taken`. */
export function filled(meter: RunMeter, worked = false): void {
  if (meter.isFull) return
  meter.isFull = true
  if (worked && meter.state === 'busy') handsOn(meter, worked)
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
  if (state !== meter.state) enter(meter, state, now ?? read())
}

/** Books the time until now to the present state, and begins another one. */
function enter(meter: RunMeter, state: RunState, now: number): void {
  const { clock } = meter
  const time = now - clock[since]
  if (meter.state === 'input') clock[input] += time
  else if (meter.state === 'output') clock[output] += time
  else {
    const late = lateness(clock, time)
    clock[busy] += time - late
    clock[thread] = (clock[thread] as number) + late
  }
  clock[since] = now
  clock[ownBefore] = clock[own] as number
  clock[allBefore] = all
  meter.state = state
}

/** How much of the time others have worked on the thread since the event loop last waited. */
function lateness(clock: RunClock, time: number): number {
  const worked = (clock[own] as number) - (clock[ownBefore] as number)
  const others = all - Math.max(allAtWait, clock[allBefore] as number) - worked
  return Math.max(0, Math.min(others, time - worked))
}

/** The size of a chunk in bytes; the values of an object-mode stream have none. */
export function bytesOf(chunk: unknown): number {
  return typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk instanceof Uint8Array ? chunk.length : 0
}
