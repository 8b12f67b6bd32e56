import { once } from 'node:events'
import { Duplex, PassThrough, Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t, { type Test } from 'tap'
import { meterRun, type RunMeter, stageMeter, start, stop, stopwatch } from '../../../lib/stats/meter.js'

/** A clock that the test sets; `performance.now` is what the meters read. */
function clockOf(t: Test): { time: number } {
  const clock = { time: 1000 }
  t.intercept(performance, 'now', { value: () => clock.time })
  return clock
}

t.test('a new stage meter', async t => {
  t.strictSame(stageMeter('hex'), { name: 'hex', recordsIn: 0, recordsOut: 0, busy: 0 })
})

t.test('a stopwatch adds the time between start and stop', async t => {
  const clock = clockOf(t)
  const meter = { busy: 5 }
  const watch = stopwatch(meter, 'busy')
  stop(watch)
  t.equal(meter.busy, 5, 'that was not started')
  start(watch)
  clock.time += 10
  stop(watch)
  t.equal(meter.busy, 15)
  clock.time += 10
  stop(watch)
  t.equal(meter.busy, 15, 'that was stopped already')
  start(watch)
  clock.time += 1
  start(watch)
  clock.time += 2
  stop(watch)
  t.equal(meter.busy, 18, 'that was started twice')
})

t.test('bytes in and out of a stream', async t => {
  for (const [title, stream, chunks, bytesIn, bytesOut] of [
    ['Buffers', new PassThrough(), ['abc', 'de'], 5, 5],
    ['what a stream drops', new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() }), ['abc'], 3, 0],
    ['texts, which have their size in UTF-8', texts(), ['é', '日'], 5, 5],
    ['values, which have none', new PassThrough({ objectMode: true }), [{ length: 7 }, 1], 0, 0],
  ] as const) {
    const meter = meterRun(stream, [])
    for (const chunk of chunks) await new Promise(resolve => stream.write(chunk, resolve))
    t.match(meter, { bytesIn, bytesOut }, title)
    stream.destroy()
  }
})

function texts(): Duplex {
  return new Duplex({
    decodeStrings: false,
    encoding: 'utf8',
    read() {},
    write(chunk, _encoding, callback) {
      this.push(chunk)
      callback()
    },
  })
}

t.test('bytes that are taken several chunks at once', async t => {
  const stream = new Duplex({
    read() {},
    writev(chunks, callback) {
      for (const { chunk } of chunks) this.push(chunk)
      callback()
    },
  })
  const meter = meterRun(stream, [])
  stream.cork()
  for (const chunk of ['a', 'bc', 'def']) stream.write(chunk)
  stream.uncork()
  t.match(meter, { bytesIn: 6, bytesOut: 6 })
})

t.test('everything comes through as without the meter, errors too', async t => {
  const chunks = Array.from({ length: 100 }, (_, i) => Buffer.alloc(i * 100 + 1, i))
  const stream = new PassThrough()
  const meter = meterRun(stream, [stageMeter('x')])
  const read: Buffer[] = []
  await pipeline(Readable.from(chunks, { objectMode: false }), stream, async output => {
    for await (const chunk of output) read.push(chunk as Buffer)
  })
  t.ok(Buffer.concat(read).equals(Buffer.concat(chunks)))
  t.match(meter, { bytesIn: 495_100, bytesOut: 495_100, stages: [{ name: 'x' }] })
  const error = new Error('no')
  const failing = new Duplex({ write: (_chunk, _encoding, callback) => callback(error) })
  meterRun(failing, [])
  t.equal(await new Promise(resolve => failing.on('error', resolve).write('x')), error)
})

t.test('the time between writes is waiting for input', async t => {
  const clock = clockOf(t)
  const done: (() => void)[] = []
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, callback) => void done.push(callback) })
  const meter = meterRun(stream, [])
  clock.time += 10
  stream.write('a')
  t.equal(meter.waitedForInput, 10, 'to the first write')
  clock.time += 100
  done.shift()?.()
  t.equal(meter.waitedForInput, 10, 'not while it works')
  clock.time += 5
  stream.write('b')
  t.equal(meter.waitedForInput, 15, 'to the next one')
})

t.test('the time from a full buffer to the next read is waiting for output', async t => {
  const clock = clockOf(t)
  const stream = new Duplex({ readableHighWaterMark: 2, read() {}, write() {} })
  const meter: RunMeter = meterRun(stream, [])
  stream.push('a')
  clock.time += 10
  stream.read()
  t.equal(meter.waitedForOutput, 0, 'the buffer was not full')
  stream.push('bc')
  clock.time += 10
  stream.push('d')
  clock.time += 10
  stream.read()
  t.equal(meter.waitedForOutput, 20)
})

t.test('a stream that ends before its input has stopped', async t => {
  for (const [early, expected] of [
    [true, true],
    [false, false],
  ] as const) {
    const stream = new Transform({
      transform(chunk, _encoding, callback) {
        if (early) this.push(null)
        callback(null, early ? undefined : chunk)
      },
    })
    const meter = meterRun(stream, [])
    stream.resume().write('a')
    if (!early) stream.end()
    await once(stream, 'end')
    t.equal(meter.stopped, expected)
  }
})
