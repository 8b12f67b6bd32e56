import { Writable } from 'node:stream'
import t from 'tap'
import { Branch } from '../../../../lib/endpoints/fan-out/branch.js'
import { closed, heldSink, memorySink } from '../../network.js'

const bytes = (text: string) => [...text].map(each => Buffer.from(each))
const never = (error: Error) => {
  throw error
}

t.test('it calls back when the last chunk is taken, and at its end', async t => {
  const { sink, held, release } = heldSink()
  const branch = new Branch(sink, never)
  let taken = 0
  branch.write(bytes('ab'), () => taken++)
  held.shift()?.()
  await new Promise(resolve => setImmediate(resolve))
  t.equal(branch.bytes, 1)
  t.equal(taken, 0)
  release()
  await new Promise(resolve => setImmediate(resolve))
  t.equal(taken, 1)
  await new Promise<void>(resolve => branch.end(resolve))
  t.ok(branch.isOver)
  t.equal(branch.bytes, 2)
  let late = 0
  branch.write(bytes('c'), () => late++)
  branch.end(() => late++)
  branch.destroy(undefined, () => late++)
  t.equal(late, 3, 'what has finished takes nothing, and holds up nobody')
  t.equal(taken, 1)
})

t.test('a failure is told once, and lets what waits go on', async t => {
  const boom = new Error('boom')
  const failures: Error[] = []
  for (const fail of [(sink: Writable) => sink.destroy(boom), (sink: Writable) => void sink.emit('error', boom)]) {
    const { sink } = heldSink()
    const branch = new Branch(sink, error => failures.push(error))
    const done = new Promise<void>(resolve => branch.write(bytes('a'), resolve))
    fail(sink)
    await done
    t.equal(branch.error, boom)
    await closed(sink)
    await new Promise<void>(resolve => branch.destroy(boom, resolve))
  }
  t.same(failures, [boom, boom])
})

t.test('a write that fails, and an end that does', async t => {
  const boom = new Error('boom')
  const failing = new Branch(new Writable({ write: (_chunk, _encoding, callback) => callback(boom) }), () => {})
  await new Promise<void>(resolve => failing.write(bytes('a'), resolve))
  t.equal(failing.error, boom)
  t.equal(failing.bytes, 0)
  const endless = new Branch(new Writable({ final: callback => callback(boom) }), () => {})
  await new Promise<void>(resolve => endless.end(resolve))
  t.equal(endless.error, boom)
})

t.test('a sink that is destroyed already, or closes without a word', async t => {
  const sink = memorySink()
  sink.destroy()
  await closed(sink)
  const code = await new Promise(resolve => new Branch(sink, error => resolve((error as NodeJS.ErrnoException).code)))
  t.equal(code, 'ERR_STREAM_PREMATURE_CLOSE')
  const other = memorySink()
  const branch = new Branch(other, () => {})
  await new Promise<void>(resolve => branch.destroy(undefined, resolve))
  t.ok(other.closed)
})
