import { once } from 'node:events'
import { Duplex, PassThrough, Readable, Transform, type TransformCallback } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import t, { type Test } from 'tap'
import { meterRun } from '../../../lib/stats/foreign-meter.js'
import {
  begins,
  filled,
  freeze,
  handOver,
  keepBusy,
  pushed,
  pushes,
  type RunMeter,
  type RunState,
  resume,
  runMeter,
  since,
  stageMeter,
  taken,
  takes,
} from '../../../lib/stats/meter.js'
import { runStats, times } from '../../../lib/stats/snapshot.js'
import { exec } from '../../../transforms/exec.js'
import { planned } from '../pipes.js'
import { stoppedClock, turns } from './stopped-clock.js'

t.test('a stage has worked since the run began to, or since the stage before it has handed over', async t => {
  const clock = stoppedClock(t)
  const [first, second] = [stageMeter('first'), stageMeter('second')]
  t.strictSame(first, { name: 'first', recordsIn: 0, recordsOut: 0, busy: 0, busySince: -1 })
  const run = runMeter([first, second])
  clock.pass(10)
  handOver(first, run)
  clock.pass(5)
  handOver(second, run)
  t.same([first.busy, second.busy], [10, 5])
  clock.pass(7)
  run.clock[since] = clock.now // the run has waited until now
  clock.pass(1)
  handOver(first, run)
  t.equal(first.busy, 11, 'time that the run has waited is not its own')
})

t.test('a stage that goes on later is busy until it hands over', async t => {
  const clock = stoppedClock(t)
  const stage = stageMeter('x')
  const run = runMeter([stage])
  clock.pass(3)
  keepBusy(stage, run)
  clock.pass(10)
  keepBusy(stage, run)
  handOver(stage, run)
  t.equal(stage.busy, 13)
  clock.pass(100)
  resume(stage)
  clock.pass(4)
  resume(stage)
  handOver(stage, run)
  t.equal(stage.busy, 17)
})

t.test('bytes in and out of a stream', async t => {
  for (const [title, stream, chunks, bytesIn, bytesOut] of [
    ['Buffers', new PassThrough(), ['abc', 'de'], 5, 5],
    ['what a stream drops', new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() }), ['abc'], 3, 0],
    ['texts, which have their size in UTF-8', texts(), ['é', '日'], 5, 5],
    ['values, which have none', new PassThrough({ objectMode: true }), [{ length: 7 }, 1], 0, 0],
  ] as const) {
    const meter = meterRun(stream, runMeter([]))
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
  const clock = stoppedClock(t)
  let done = () => {}
  const stream = new Duplex({
    read() {},
    writev(chunks, callback) {
      for (const { chunk } of chunks) this.push(chunk)
      done = callback
    },
  })
  const meter = meterRun(stream, runMeter([]))
  stream.cork()
  for (const chunk of ['a', 'bc', 'def']) stream.write(chunk)
  stream.uncork()
  t.match(meter, { bytesIn: 6, bytesOut: 6, state: 'busy' })
  clock.pass(4)
  done()
  t.equal(meter.state, 'input')
  t.match(runStats(meter), { busy: 4 })
})

t.test('everything comes through as without the meter, errors too', async t => {
  const chunks = Array.from({ length: 100 }, (_, i) => Buffer.alloc(i * 100 + 1, i))
  const stream = new PassThrough()
  const meter = meterRun(stream, runMeter([stageMeter('x')]))
  const read: Buffer[] = []
  await pipeline(Readable.from(chunks, { objectMode: false }), stream, async output => {
    for await (const chunk of output) read.push(chunk as Buffer)
  })
  t.ok(Buffer.concat(read).equals(Buffer.concat(chunks)))
  t.match(meter, { bytesIn: 495_100, bytesOut: 495_100, stages: [{ name: 'x' }] })
  const error = new Error('no')
  const failing = new Duplex({ write: (_chunk, _encoding, callback) => callback(error) })
  meterRun(failing, runMeter([]))
  t.equal(await new Promise(resolve => failing.on('error', resolve).write('x')), error)
})

/** A stream whose write and end wait until the test lets them go on, and what its meter says. */
function machine(t: Test, options: { highWaterMark?: number } = {}) {
  const clock = stoppedClock(t)
  const waiting: (() => void)[] = []
  const stream = new Duplex({
    readableHighWaterMark: options.highWaterMark ?? 100,
    read() {},
    write: (_chunk, _encoding, callback) => void waiting.push(callback),
    final: callback => void waiting.push(callback),
  })
  const meter: RunMeter = meterRun(stream, runMeter([]))
  const born = clock.now
  const times = () => {
    const { waitingForInput, busy, waitingForOutput } = runStats(meter)
    t.equal(waitingForInput + busy + waitingForOutput, (meter.state === 'over' ? meter.clock[since] : clock.now) - born)
    return [waitingForInput, busy, waitingForOutput]
  }
  return { clock, stream, meter, times, goOn: () => waiting.shift()?.() }
}

t.test('between writes a run waits for input, during a write it is busy', async t => {
  const { clock, stream, meter, times, goOn } = machine(t)
  clock.pass(10)
  t.same([meter.state, times()], ['input', [10, 0, 0]], 'before the first write')
  stream.write('a')
  clock.pass(100)
  t.same([meter.state, times()], ['busy', [10, 100, 0]], 'what is under way counts')
  goOn()
  clock.pass(5)
  t.same([meter.state, times()], ['input', [15, 100, 0]])
  stream.write('b')
  clock.pass(1)
  t.same(times(), [15, 101, 0])
})

t.test('from a full buffer to the next read a run waits for output, whatever its input does', async t => {
  const { clock, stream, meter, times, goOn } = machine(t, { highWaterMark: 2 })
  stream.push('a')
  clock.pass(10)
  stream.read()
  t.same(times(), [10, 0, 0], 'the buffer was not full')
  stream.write('x')
  clock.pass(1)
  stream.push('bc')
  clock.pass(10)
  t.same([meter.state, times()], ['output', [10, 1, 10]])
  goOn()
  clock.pass(10)
  stream.push('d')
  clock.pass(10)
  t.same([meter.state, times()], ['output', [10, 1, 30]])
  stream.read()
  clock.pass(3)
  t.same([meter.state, times()], ['input', [13, 1, 30]])
})

t.test('from the end of its input to the end of its output a run is busy; then its time stands still', async t => {
  const { clock, stream, meter, times, goOn } = machine(t)
  clock.pass(2)
  stream.end()
  clock.pass(20)
  t.same([meter.state, times()], ['busy', [2, 20, 0]], 'its final is under way')
  goOn()
  clock.pass(30)
  t.same([meter.state, times()], ['busy', [2, 50, 0]], 'its output has not ended')
  stream.push(null)
  clock.pass(100)
  t.same([meter.state, times()], ['over', [2, 50, 0]])
  t.equal(meter.stopped, false)
  stream.read()
  freeze(meter)
  t.same([meter.state, times()], ['over', [2, 50, 0]])
})

t.test('a stream without a final of its own', async t => {
  const clock = stoppedClock(t)
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, callback) => callback() })
  const meter = meterRun(stream, runMeter([]))
  stream.end()
  await once(stream, 'finish')
  clock.pass(6)
  t.match(runStats(meter), { waitingForInput: 0, busy: 6 })
})

t.test('a write that ends after the output has ended changes nothing', async t => {
  const { stream, meter, goOn } = machine(t)
  stream.write('a')
  stream.push(null)
  goOn()
  t.match(meter, { state: 'over', stopped: true })
})

t.test('freeze ends the run and its stages', async t => {
  const clock = stoppedClock(t)
  const stage = stageMeter('x')
  const meter = meterRun(new PassThrough(), runMeter([stage]))
  resume(stage)
  clock.pass(7)
  freeze(meter)
  clock.pass(7)
  t.match(runStats(meter), { over: true, waitingForInput: 7 })
  t.match(stage, { busy: 7, busySince: -1 })
})

t.test('a stream that ends before its input has stopped', async t => {
  const early = (stream: Transform, done: TransformCallback) => done(null, void stream.push(null))
  for (const [title, chunks, ends, isEarly, expected] of [
    ['at its first chunk', ['a'], false, true, true],
    ['at its first chunk, while there is another one', ['a', 'b'], true, true, true],
    ['at its end', ['a'], true, false, false],
  ] as const) {
    const stream = new Transform({
      transform(chunk, _encoding, callback) {
        if (isEarly) early(this, callback)
        else callback(null, chunk)
      },
    })
    const meter = meterRun(stream, runMeter([]))
    stream.resume().cork()
    for (const chunk of chunks) stream.write(chunk)
    if (ends) stream.end()
    stream.uncork()
    await once(stream, 'end')
    t.equal(meter.stopped, expected, title)
  }
})

t.test('a stage that is stuck in an await is busy while it is stuck', async t => {
  const clock = stoppedClock(t)
  let goOn = () => {}
  const stuck = (chunk: Buffer) =>
    new Promise(resolve => {
      goOn = () => resolve(chunk)
    })
  const made = planned([stuck, (chunk: Buffer) => chunk])
  const [stream, meter] = [made.streams[0] as Duplex, made.meters[0] as RunMeter]
  const stats = () => runStats(meter)
  stream.resume()
  clock.pass(5)
  stream.write('a')
  await turns()
  clock.pass(60_000)
  t.match(stats(), { waitingForInput: 5, busy: 60_000, waitingForOutput: 0 })
  t.match(stats().stages, [
    { busy: 60_000, waitingForInput: 5, waitingForOutput: 0 },
    { busy: 0, waitingForInput: 60_005, waitingForOutput: 0 },
  ])
  goOn()
  await turns()
  clock.pass(5)
  t.match(stats().stages, [{ busy: 60_000, waitingForInput: 10 }, { busy: 0 }])
  stream.destroy()
})

t.test('a Duplex is busy while it has input and gives no output', async t => {
  const held: TransformCallback[] = []
  const holder = () => new Transform({ transform: (_chunk, _encoding, done) => void held.push(done) })
  for (const [title, make, act, state] of [
    ['a Transform that holds its callback', holder, 'write', 'busy'],
    ['zlib at work', createGzip, 'write', 'busy'],
    ['zlib at its end', createGzip, 'end', 'busy'],
    ['a flush that holds its callback', () => new Transform({ flush: done => void held.push(done) }), 'end', 'busy'],
    ['nothing has come', createGzip, undefined, 'input'],
  ] as const) {
    const stream = make() as Duplex
    const meter = meterRun(stream, runMeter([stageMeter('x')]))
    stream.resume()
    if (act === 'write' || title === 'zlib at its end') stream.write(Buffer.alloc(100_000))
    if (act === 'end') stream.end()
    t.equal(meter.state, state satisfies RunState, title)
    stream.destroy()
  }
  t.equal(held.length, 2)
})

t.test('a Transform is flushed once', async t => {
  for (const output of ['a trailer', undefined]) {
    let flushes = 0
    const stream = new Transform({
      transform: (chunk, _encoding, done) => done(null, chunk),
      flush(done) {
        flushes++
        setImmediate(done, null, output)
      },
    })
    const meter = meterRun(stream, runMeter([]))
    stream.end('x')
    t.equal(Buffer.concat(await stream.toArray()).toString(), `x${output ?? ''}`)
    t.equal(flushes, 1)
    t.equal(meter.state, 'over')
  }
})

t.test('a program that works when its input has ended is busy until its output ends', async t => {
  const made = planned([exec({ command: ['sh', '-c', 'sleep 0.3; cat'] })])
  const [stream, meter] = [made.streams[0] as Duplex, made.meters[0] as RunMeter]
  const born = performance.now()
  stream.end('hello')
  t.equal(String(await new Promise(resolve => stream.once('data', resolve))), 'hello')
  await once(stream, 'end')
  const age = performance.now() - born
  const { waitingForInput, busy, waitingForOutput } = runStats(meter)
  t.ok(busy >= 290, `busy for ${busy} ms`)
  const sum = waitingForInput + busy + waitingForOutput
  t.ok(sum <= age, `${sum} of ${age} ms`)
})

t.test('the times of a run are its age, whatever stages it has and however it is read', async t => {
  for (const [title, pause] of [
    ['read at once', 0],
    ['read slowly', 4],
  ] as const) {
    const clock = stoppedClock(t)
    const works = (line: Buffer) => {
      clock.pass(2)
      return line
    }
    const awaits = async (line: Buffer) => {
      await turns(1)
      clock.pass(3)
      return line
    }
    async function* gives(chunk: Buffer) {
      for (const byte of chunk) {
        clock.pass(1)
        yield Buffer.alloc(10_000, byte)
      }
    }
    const made = planned([works, gives as never, new PassThrough(), awaits, works])
    const born = clock.now
    const chunks: Buffer[] = []
    await pipeline([
      Readable.from([Buffer.from('abcdefghijklmnopqrst'), Buffer.from('uvwxyz')]),
      ...made.streams,
      async (output: AsyncIterable<Buffer>) => {
        for await (const chunk of output) {
          clock.pass(pause)
          chunks.push(chunk)
        }
      },
    ] as never)
    t.equal(Buffer.concat(chunks).length, 260_000)
    for (const meter of made.meters) {
      const stats = runStats(meter)
      const age = meter.clock[since] - born
      for (const each of [stats, ...stats.stages])
        t.equal(
          times.reduce((sum, time) => sum + each[time], 0),
          age,
          title,
        )
    }
  }
})

t.test('a call within a push begins where the clock was read last', async t => {
  const clock = stoppedClock(t)
  const run = runMeter([])
  t.equal(begins(), clock.now)
  pushes(run)
  const read = clock.now
  clock.pass(5)
  t.equal(begins(), read)
  pushed(run, true)
  t.equal(begins(), clock.now)
})

t.test('a run that is full and does not work gives nothing on', async t => {
  const clock = stoppedClock(t)
  const run = runMeter([])
  clock.pass(3)
  filled(run, true)
  t.match(runStats(run), { waitingForInput: 3, waitingForOutput: 0 })
})

t.test('the time after the last handover belongs to the streams that follow', async t => {
  const clock = stoppedClock(t)
  const stage = stageMeter('x')
  for (const finish of [(run: RunMeter) => taken(run, true), (run: RunMeter) => filled(run, true)]) {
    const run = runMeter([stage])
    takes(run, 1)
    clock.pass(3)
    handOver(stage, run)
    clock.pass(2)
    finish(run)
    t.match(runStats(run), { busy: 3, waitingForOutput: 2 })
  }
})

t.test('a push ends when the last of those that follow has read the clock', async t => {
  const clock = stoppedClock(t)
  const [run, next] = [runMeter([]), runMeter([])]
  pushes(run)
  takes(next, 1)
  clock.pass(4)
  taken(next, true)
  pushed(run, true)
  t.match(runStats(run), { waitingForOutput: 4 })
})
