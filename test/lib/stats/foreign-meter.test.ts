import { once } from 'node:events'
import { Duplex, Readable, Transform, type TransformCallback, Writable } from 'node:stream'
import t from 'tap'
import { meterRun, meterSink, meterSource } from '../../../lib/stats/foreign-meter.js'
import { type RunMeter, runMeter, stageMeter } from '../../../lib/stats/meter.js'
import { runStats } from '../../../lib/stats/snapshot.js'
import { type StoppedClock, stoppedClock, turns } from './stopped-clock.js'

/** The event loop waits, which the meters ask Node for. */
function loop(t: Parameters<typeof stoppedClock>[0], clock: StoppedClock) {
  let idleTime = 0
  t.intercept(performance, 'nodeTiming', {
    value: {
      get idleTime() {
        return idleTime
      },
    } as never,
  })
  return {
    /** Lets the event loop wait for this number of milliseconds. */
    wait(time: number) {
      idleTime += time
      clock.pass(time)
    },
  }
}

function times(meter: RunMeter): number[] {
  const { waitingForInput, busy, waitingForOutput, waitingForThread } = runStats(meter)
  return [waitingForInput, busy, waitingForOutput, waitingForThread]
}

t.test('a source is busy until it pushes; while what follows works or is full, it waits for output', async t => {
  const clock = stoppedClock(t)
  const { wait } = loop(t, clock)
  const source = new Readable({ highWaterMark: 10, read() {} })
  const meter = meterSource(source)
  source.on('data', () => clock.pass(5))
  source.read(0)
  await turns(2)
  wait(3)
  source.push('abc')
  t.same(times(meter), [0, 3, 5, 0])
  source.pause()
  wait(2)
  source.push('0123456789')
  wait(7)
  t.same(times(meter), [0, 5, 12, 0])
  t.equal(meter.bytesOut, 13)
  source.resume()
  await turns(2)
  source.push(null)
  t.match(meter, { state: 'over', stopped: false })
})

t.test('a source that is full when its metering begins waits for output', async t => {
  const clock = stoppedClock(t)
  const { wait } = loop(t, clock)
  const source = new Readable({ highWaterMark: 3, read() {} })
  source.push('abc')
  const meter = meterSource(source)
  wait(4)
  t.same(times(meter), [0, 0, 4, 0])
  source.resume()
  await turns(2)
  wait(2)
  t.same(times(meter), [0, 2, 4, 0])
})

t.test('a sink that is full when its metering begins is busy until it has taken that', async t => {
  const clock = stoppedClock(t)
  const { wait } = loop(t, clock)
  let done = () => {}
  const sink = new Writable({
    highWaterMark: 3,
    write(_chunk, _encoding, callback) {
      done = callback
    },
  })
  sink.write('abc')
  const meter = meterSink(sink)
  wait(4)
  done()
  await turns(2)
  wait(2)
  t.same(times(meter), [2, 4, 0, 0])
})

t.test('a sink is busy from a write to its callback, and until it has finished', async t => {
  const clock = stoppedClock(t)
  const { wait } = loop(t, clock)
  let done = () => {}
  const sink = new Writable({
    write(_chunk, _encoding, callback) {
      clock.pass(1)
      done = callback
    },
    final(callback) {
      done = callback
    },
  })
  const meter = meterSink(sink)
  wait(4)
  sink.write('abc')
  wait(6)
  done()
  t.same(times(meter), [4, 7, 0, 0])
  await turns(2)
  sink.end()
  await turns(2)
  wait(3)
  done()
  await once(sink, 'finish')
  wait(9)
  t.same(times(meter), [4, 10, 0, 0])
  t.match(meter, { bytesIn: 3, state: 'over' })
})

t.test('a sink without an end of its own is over when it has finished', async t => {
  const sink = new Writable({ write: (_chunk, _encoding, callback) => callback() })
  const meter = meterSink(sink)
  sink.end('x')
  await once(sink, 'finish')
  t.match(meter, { bytesIn: 1, state: 'over' })
})

t.test('while something else works on the thread, what is under way waits for it', async t => {
  const clock = stoppedClock(t)
  const { wait } = loop(t, clock)
  const asynchronous = () => {
    let done = () => {}
    const sink = new Writable({
      write(_chunk, _encoding, callback) {
        done = callback
      },
    })
    return { sink, meter: meterSink(sink), done: () => done() }
  }
  const works = new Writable({
    write(_chunk, _encoding, callback) {
      clock.pass(20)
      callback()
    },
  })
  meterSink(works)
  const [late, early] = [asynchronous(), asynchronous()]
  late.sink.write('x')
  wait(5)
  works.write('x')
  late.done()
  t.same(times(late.meter), [0, 5, 0, 20])
  early.sink.write('x')
  works.write('x')
  wait(5)
  early.done()
  t.same(times(early.meter).slice(1), [25, 0, 0], 'it has waited since: the work took no time of it')
})

t.test('the work of a stage is its own, without that of the streams that it pushes to', async t => {
  const clock = stoppedClock(t)
  loop(t, clock)
  const stage = new Transform({
    transform(chunk: Buffer, _encoding, callback: TransformCallback) {
      clock.pass(3)
      this.push(chunk)
      clock.pass(2)
      callback()
    },
  })
  const meter = meterRun(stage, runMeter([stageMeter('x')]))
  stage.on('data', () => clock.pass(10))
  await turns(2)
  stage.write('abc')
  t.same(times(meter), [0, 5, 10, 0])
})

t.test('bytes in and out, chunk by chunk and several at once', async t => {
  const stream = new Duplex({
    read() {},
    write: (_chunk, _encoding, callback) => callback(),
    writev(chunks, callback) {
      for (const { chunk } of chunks) this.push(chunk)
      callback()
    },
  })
  const meter = meterRun(stream, runMeter([]))
  stream.cork()
  for (const chunk of ['a', 'bc', 'def']) stream.write(chunk)
  stream.uncork()
  t.match(meter, { bytesIn: 6, bytesOut: 6 })
  await turns(2)
  stream._write(Buffer.from('g'), 'utf8', () => {})
  t.match(meter, { bytesIn: 7 })
  stream.end()
  stream.push(null)
  stream.resume()
  await once(stream, 'end')
  stream.push(null)
  t.equal(meter.state, 'over')
})

t.test('a stream that takes only several chunks at once counts each of them once', async t => {
  const stream = new Duplex({ read() {}, writev: (_chunks, callback) => callback() })
  const meter = meterRun(stream, runMeter([]))
  stream.write('abc')
  await turns(2)
  t.equal(meter.bytesIn, 3)
})

t.test('an error that a stream throws comes through', async t => {
  const stream = new Duplex({
    read() {},
    write() {
      throw new Error('no')
    },
  })
  meterRun(stream, runMeter([]))
  t.throws(() => stream._write('x', 'utf8', () => {}), { message: 'no' })
})

t.test('the end of a Transform is that of its flush', async t => {
  for (const flush of [undefined, (callback: TransformCallback) => void setImmediate(callback)]) {
    const stream = new Transform({
      transform: (chunk, _encoding, callback) => callback(null, chunk),
      ...(flush && { flush }),
    })
    const meter = meterRun(stream, runMeter([]))
    stream.resume().end('x')
    await once(stream, 'end')
    t.match(meter, { bytesIn: 1, bytesOut: 1, state: 'over' })
  }
})

t.test('a source whose reading does not work on the thread', async t => {
  const source = new Readable({ read() {} })
  const meter = meterSource(source, false)
  source.resume()
  await turns(2)
  source.push('abc')
  t.match(meter, { bytesOut: 3, state: 'busy' })
  source.destroy()
})
