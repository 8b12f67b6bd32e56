import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { dirname, join } from 'node:path'
import type { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import type { OpenSink } from '../../../../../lib/endpoints/fan-out/late-sink.js'
import { openSpool } from '../../../../../lib/endpoints/fan-out/spool/spool.js'
import { heldSink, memorySink, recorder, socketPath, until } from '../../../network.js'

const to = '127.0.0.1:4000'

function rootOf(t: Test): string {
  return join(dirname(socketPath(t)), 'spool')
}

/** What a dead process has left. */
function leave(root: string, address: string, files: Record<string, string>): void {
  const folder = join(root, `0123456789@${encodeURIComponent(address)}`)
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
}

const never: OpenSink = signal =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

const files = (root: string) =>
  readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.spool'))

t.test('it delivers what was left, few at a time, and removes it', async t => {
  const root = rootOf(t)
  const { log, lines } = recorder()
  const texts = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`${i}.spool`, `text ${i}`]))
  leave(root, to, { ...texts, 'x.open': '' })
  leave(root, ':5000', { 'y.spool': '' })
  const sinks: ReturnType<typeof memorySink>[] = []
  const spool = await openSpool({
    ...{ folder: root, to, log },
    dial: async () => {
      const sink = memorySink()
      sinks.push(sink)
      return sink
    },
  })
  await until(() => lines.filter(({ msg }) => msg === 'a spool was delivered').length === 9)
  t.same(sinks.map(({ data }) => String(data)).sort(), Object.values(texts))
  t.same(files(root).length, 1, 'that of another address')
  await spool.close()
  t.match(lines, [
    { level: 30, msg: 'spools of unfinished connections removed', to, spools: 1 },
    { level: 30, msg: 'spools of an earlier run found', to, spools: 9, bytes: 54 },
    { level: 40, msg: 'the spool folder has data for other addresses', others: [':5000'] },
  ])
})

t.test('a bound, over all its connections', async t => {
  const root = rootOf(t)
  const spool = await openSpool({ folder: root, size: 4, to, dial: never })
  t.ok(spool.reserve(3))
  t.notOk(spool.reserve(2))
  const changed = spool.changed()
  spool.release(3)
  await changed
  t.ok(spool.reserve(4))
  await spool.close()
})

t.test('what its sinks leave is delivered, and what is not delivered stays for the next', async t => {
  const root = rootOf(t)
  const { log, lines } = recorder()
  let dial: OpenSink = never
  const spool = await openSpool({ folder: root, to, log, dial: signal => dial(signal) })
  for (const text of ['abc', 'def']) {
    const sink = spool.sink('id', log)
    sink.end(text)
    await once(sink, 'finish')
  }
  t.equal(files(root).length, 2)
  await spool.close()
  t.match(lines.at(-1), { level: 40, msg: 'spools wait for the next run', to, spools: 2, bytes: 6 })
  const target = memorySink()
  const { sink: held, release } = heldSink()
  const targets: Writable[] = [target, held]
  dial = async () => targets.shift() as Writable
  const next = await openSpool({ folder: root, to, log, dial: signal => dial(signal) })
  await until(() => files(root).length === 1)
  release()
  await next.close()
  t.same(readdirSync(root), [])
  t.ok(['abc', 'def'].includes(String(target.data)))
})

t.test('a delivery that does not end is stopped when its owner closes', async t => {
  const root = rootOf(t)
  leave(root, to, { 'a.spool': 'abc' })
  const { sink } = heldSink()
  sink.on('error', () => {})
  const spool = await openSpool({ folder: root, to, dial: async () => sink })
  await until(() => sink.writableLength > 0)
  await spool.close()
  t.ok(sink.destroyed)
  t.equal(files(root).length, 1)
})

t.test('a spool that cannot be read is reported, and the others are delivered', async t => {
  const root = rootOf(t)
  leave(root, to, { 'a.spool': 'abc', 'b.spool': 'def' })
  const { open } = fs
  t.teardown(() => {
    Object.assign(fs, { open })
    syncBuiltinESMExports()
  })
  const few = Object.assign(new Error('too many open files'), { code: 'EMFILE' })
  Object.assign(fs, {
    open: (path: string, ...rest: []) => (path.endsWith('a.spool') ? Promise.reject(few) : open(path, ...rest)),
  })
  syncBuiltinESMExports()
  const { log, lines } = recorder()
  const target = memorySink()
  const spool = await openSpool({ folder: root, to, log, dial: async () => target })
  await until(() => lines.length === 3)
  await spool.close()
  t.equal(String(target.data), 'def')
  t.match(
    lines.find(({ level }) => level === 50),
    { msg: 'a spool waits for the next run', code: 'EMFILE', path: /a\.spool$/ },
  )
  t.equal(files(root).length, 1)
})
