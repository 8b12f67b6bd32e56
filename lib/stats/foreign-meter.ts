/** Meters streams that are not ours from outside, by wrapping their methods. */
import type { Duplex, Readable, Writable } from 'node:stream'
import {
  begins,
  bytesOf,
  filled,
  freeze,
  goesOn,
  inputEnds,
  look,
  outputEnds,
  pushed,
  pushes,
  type RunMeter,
  runMeter,
  taken,
  takes,
  wanted,
  worked,
  workOfAll,
} from './meter.js'

/** Meters a stage. */
export function meterRun(stream: Duplex, meter: RunMeter): RunMeter {
  meterInput(stream, meter, callback => callback)
  meterOutput(stream, meter, () => outputEnds(meter, stream))
  return meter
}

/** Meters a source: it is busy until it has something to give. `reads` tells whether its `_read` works on the thread. */
export function meterSource(source: Readable, reads = true): RunMeter {
  const meter = runMeter([])
  inputEnds(meter)
  if (source.readableLength >= source.readableHighWaterMark) filled(meter) // it is metered from the middle on
  meterOutput(source, meter, () => freeze(meter), reads)
  return meter
}

/** Meters a sink: it is busy until it has taken what it was given. */
export function meterSink(sink: Writable): RunMeter {
  const meter = runMeter([])
  meterInput(sink, meter, callback => error => {
    freeze(meter)
    callback(error)
  })
  if (sink.writableNeedDrain) {
    takes(meter, 0) // a write is under way, whose callback is not ours
    sink.once('drain', () => taken(meter))
  }
  return meter
}

type Callback = (error?: Error | null) => void

/** `final` wraps the callback of the end. Only one write is under way, so all share one callback. */
function meterInput(stream: Writable, meter: RunMeter, final: (callback: Callback) => Callback): void {
  const { _write, _writev } = stream
  let pending: Callback
  const done: Callback = error => {
    if (!meter.isCalled) look()
    taken(meter, meter.isCalled)
    pending(error)
  }
  const begin = (bytes: number, callback: Callback) => {
    takes(meter, bytes)
    pending = callback
    meter.isCalled = true
  }
  const returned = () => {
    meter.isCalled = false
    if (meter.isWriting) goesOn(meter)
  }

  stream._write = (chunk, encoding, callback) => {
    begin(bytesOf(chunk), callback)
    try {
      _write.call(stream, chunk, encoding, done)
    } finally {
      returned()
    }
  }
  if (_writev) {
    stream._writev = (chunks, callback) => {
      if (meter.isWriting) return _writev.call(stream, chunks, callback) // called by a `_write` that is Node's own
      begin(
        chunks.reduce((sum, { chunk }) => sum + bytesOf(chunk), 0),
        callback,
      )
      try {
        _writev.call(stream, chunks, done)
      } finally {
        returned()
      }
    }
  }
  onEnd(stream, () => inputEnds(meter), final)
}

type Finish = (callback: Callback) => void

/** Calls `ended` when the input ends. A Transform needs its own `_final`, which calls `_flush`. */
function onEnd(stream: Writable, ended: () => void, final: (callback: Callback) => Callback): void {
  const name = '_transform' in stream ? '_flush' : '_final'
  const methods = stream as unknown as Record<typeof name, Finish | undefined>
  const method = methods[name]
  if (!method && name === '_flush') return // its output ends immediately
  methods[name] = callback => {
    ended()
    if (method) method.call(stream, final(callback))
    else final(callback)()
  }
}

function meterOutput(stream: Readable, meter: RunMeter, ended: () => void, reads = true): void {
  const { push, _read } = stream
  stream.push = (chunk, encoding) => {
    if (chunk === null) {
      ended()
      return push.call(stream, chunk, encoding)
    }
    meter.bytesOut += bytesOf(chunk)
    pushes(meter)
    let isWanted = true
    try {
      isWanted = push.call(stream, chunk, encoding)
    } finally {
      pushed(meter, isWanted)
    }
    return isWanted
  }
  stream._read = size => {
    wanted(meter)
    if (!reads) return _read.call(stream, size)
    const [start, before] = [begins(), workOfAll()]
    try {
      _read.call(stream, size)
    } finally {
      worked(meter, start, before)
    }
  }
}
