import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import type { OpenSink } from '../../../../../lib/endpoints/fan-out/late-sink.js'
import type { LeftSpool } from '../../../../../lib/endpoints/fan-out/spool/folder.js'
import { Peer } from '../../../../../lib/endpoints/fan-out/spool/peer.js'
import { SpoolSink } from '../../../../../lib/endpoints/fan-out/spool/spool-sink.js'
import { closed, heldSink, memorySink, recorder, until } from '../../../network.js'

/** A sink, and what it shares with others of its address. `dial` gives what it delivers to. */
function spooling(t: Test, dial: OpenSink, size = Number.POSITIVE_INFINITY) {
  const { log, lines } = recorder()
  const folder = t.testdir()
  const added: LeftSpool[] = []
  const stops: (() => void)[] = []
  let used = 0
  const waiters: (() => void)[] = []
  const notify = () => {
    for (const resolve of waiters.splice(0)) resolve()
  }
  const store = {
    peer: new Peer('there', dial, undefined),
    reserve(bytes: number) {
      const hasRoom = used + bytes <= size
      if (hasRoom) used += bytes
      return hasRoom
    },
    release(bytes: number) {
      used -= bytes
      notify()
    },
    changed: () => new Promise<void>(resolve => waiters.push(resolve)),
    notify,
    add: (spool: LeftSpool) => void added.push(spool),
    follow: (_delivery: Promise<void>, stop: () => void) => void stops.push(stop),
  }
  const totals = { spooled: 0 }
  const sink = new SpoolSink(store, { folder, name: 'x', to: 'there', totals, log })
  return { sink, totals, store, folder, added, stops, lines, used: () => used, files: () => readdirSync(folder) }
}

const never: OpenSink = signal =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
const refused = async () => {
  throw new Error('refused')
}
const written = (sink: Writable, chunk: string) => new Promise(resolve => sink.write(chunk, resolve))
const boom = new Error('boom')

t.test('a target that is there gets the data while they come, and nothing stays', async t => {
  const target = memorySink()
  const { sink, files, used } = spooling(t, async () => target)
  await written(sink, 'abc')
  await until(() => String(target.data) === 'abc')
  sink.end('def')
  await once(sink, 'finish')
  await until(() => used() === 0)
  t.same(files(), [])
  t.equal(String(target.data), 'abcdef')
  t.same(sink.report(), {})
})

t.test('a target that is not there: it finishes when the data are on the disk, and leaves them to others', async t => {
  const { sink, files, folder, added, used, totals } = spooling(t, refused)
  sink.end('abc')
  await once(sink, 'finish')
  t.same(totals, { spooled: 3 })
  t.same(files(), ['x.spool'])
  t.equal(readFileSync(join(folder, 'x.spool'), 'utf8'), 'abc')
  t.same(sink.report(), { spooled: 3 })
  await until(() => added.length === 1)
  t.same(added, [{ path: join(folder, 'x.spool'), bytes: 3 }])
  t.equal(used(), 3)
})

t.test('a target that takes the data after the client has its answer', async t => {
  const { sink: target, release } = heldSink()
  const { sink, files, added, used } = spooling(t, async () => target)
  sink.end('abc')
  await once(sink, 'finish')
  t.same(sink.report(), { spooled: 3 })
  release()
  await until(() => used() === 0)
  t.same(files(), [])
  t.same(added, [])
  t.same(sink.report(), {})
})

t.test('a target that fails in the middle gets all again (G-71)', async t => {
  const targets = [memorySink(), memorySink()]
  const first = targets[0] as Writable
  const last = targets[1] as ReturnType<typeof memorySink>
  const { sink } = spooling(t, async () => targets.shift() as Writable)
  await written(sink, 'abc')
  await until(() => String((first as typeof last).data) === 'abc')
  first.destroy(boom)
  sink.write('def')
  await until(() => String(last.data) === 'abcdef')
  sink.end()
  await once(sink, 'finish')
})

t.test('a connection that fails leaves nothing, and resets the target', async t => {
  const target = memorySink()
  const { sink, files, used } = spooling(t, async () => target)
  await written(sink, 'abc')
  await until(() => String(target.data) === 'abc')
  sink.on('error', () => {}).destroy(boom)
  await closed(target)
  t.ok(target.errored)
  await until(() => used() === 0)
  t.same(files(), [])
})

t.test('one that is stopped after its client has its answer is left to others', async t => {
  const { sink: target } = heldSink()
  const { sink, stops, added } = spooling(t, async () => target)
  sink.end('abc')
  await once(sink, 'finish')
  for (const stop of stops) stop()
  await until(() => added.length === 1)
  t.ok(target.destroyed)
})

t.test('a full disk: it waits for room', async t => {
  const { sink, store, lines, used } = spooling(t, never, 4)
  store.reserve(3)
  let taken = 0
  sink.write('abc', () => taken++)
  await until(() => lines.length === 1)
  t.match(lines, [{ level: 40, msg: 'a spool is full, the connection waits for it', to: 'there' }])
  t.equal(taken, 0)
  store.notify()
  store.release(3)
  await until(() => taken === 1)
  sink.write('def')
  sink.on('error', () => {}).destroy()
  await closed(sink)
  await until(() => used() === 0)
})

t.test('a full disk, and a target that has taken all that is stored: the rest is sent directly', async t => {
  const target = memorySink()
  const { sink, files, used } = spooling(t, async () => target, 4)
  await written(sink, 'abc')
  await written(sink, 'def')
  t.same(files(), [])
  t.equal(used(), 0)
  await written(sink, 'ghi')
  t.equal(String(target.data), 'abcdefghi')
  sink.end()
  await once(sink, 'finish')
  t.same(sink.report(), {})
})

t.test('a target that fails then fails the sink: a part of the data is not stored', async t => {
  const target = memorySink()
  const { sink } = spooling(t, async () => target, 2)
  await written(sink, 'abc')
  target.destroy(boom)
  t.match(await once(sink, 'error'), [boom])
})

t.test('a disk that fails (G-73)', async t => {
  const { sink, files, used } = spooling(t, never)
  await written(sink, 'abc')
  const { rename, open } = fs
  t.teardown(() => {
    Object.assign(fs, { rename, open })
    syncBuiltinESMExports()
  })
  const fail = () => Promise.reject(boom)
  Object.assign(fs, { rename: fail })
  syncBuiltinESMExports()
  sink.end()
  t.same(await once(sink, 'error'), [boom])
  await until(() => used() === 0)
  t.same(files(), [])
  Object.assign(fs, { open: fail })
  syncBuiltinESMExports()
  const other = spooling(t, never)
  t.same(await once(other.sink, 'error'), [boom])
  t.notOk(existsSync(join(other.folder, 'x.open')))
})
