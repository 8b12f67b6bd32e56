/** Meters: what went through a stage and a run, and where the time went. Times are milliseconds. */
import type { Duplex } from 'node:stream'

/** What one stage did. A record of a bytes stage is a chunk; an await inside the stage is busy time. */
export interface StageMeter {
  name: string
  recordsIn: number
  recordsOut: number
  busy: number
}

/** What one run did: neighbouring functions fused into one stream, or a Duplex alone. */
export interface RunMeter {
  bytesIn: number
  bytesOut: number
  waitedForInput: number
  waitedForOutput: number
  /** It has ended by itself, before its input had: what followed was dropped. */
  stopped: boolean
  stages: StageMeter[]
}

export function stageMeter(name: string): StageMeter {
  return { name, recordsIn: 0, recordsOut: 0, busy: 0 }
}

/** Adds the time between start and stop to `meter[field]`. Idle connections have many: it is an object and no closures. */
export interface Stopwatch<K extends string = string> {
  readonly meter: Record<K, number>
  readonly field: K
  since: number
}

export function stopwatch<K extends string>(meter: Record<K, number>, field: K): Stopwatch<K> {
  return { meter, field, since: -1 }
}

export function start(clock: Stopwatch): void {
  if (clock.since < 0) clock.since = performance.now()
}

export function stop(clock: Stopwatch): void {
  if (clock.since >= 0)
    clock.meter[clock.field] = (clock.meter[clock.field] as number) + performance.now() - clock.since
  clock.since = -1
}

/** Meters a stream from outside: what `_write` takes and `push` gives, and the time in between. */
export function meterRun(stream: Duplex, stages: StageMeter[]): RunMeter {
  const meter: RunMeter = { bytesIn: 0, bytesOut: 0, waitedForInput: 0, waitedForOutput: 0, stopped: false, stages }
  const input = stopwatch(meter, 'waitedForInput')
  const output = stopwatch(meter, 'waitedForOutput')
  const { _write, _writev, push, _read } = stream
  const taken = (bytes: number, callback: (error?: Error | null) => void) => {
    meter.bytesIn += bytes
    stop(input)
    return (error?: Error | null) => {
      start(input)
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
  stream.push = (chunk, encoding) => {
    meter.bytesOut += bytesOf(chunk)
    if (chunk === null) meter.stopped ||= !stream.writableEnded || stream.writableLength > 0
    const more = push.call(stream, chunk, encoding)
    if (!more) start(output)
    return more
  }
  stream._read = size => {
    stop(output)
    _read.call(stream, size)
  }
  start(input)
  return meter
}

/** The values of an object-mode stream have no size in bytes. */
function bytesOf(chunk: unknown): number {
  return typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk instanceof Uint8Array ? chunk.length : 0
}
