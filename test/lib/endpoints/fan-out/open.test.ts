import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { formatAddress } from '../../../../lib/endpoints/address.js'
import type { Sink } from '../../../../lib/endpoints/endpoint.js'
import { closeSpools, openFanOut, openSpools } from '../../../../lib/endpoints/fan-out/open.js'
import { type Also, resolveAlso } from '../../../../lib/endpoints/fan-out/options.js'
import { closed, memorySink, recorder, socketPath, until } from '../../network.js'

const boom = new Error('boom')

/** Opens the sinks of a connection as `sinks` has them by their addresses. */
async function open(t: Test, also: readonly Also[], sinks: Record<string, Promise<Writable>>, main = memorySink()) {
  const { log, lines } = recorder()
  const abort = new AbortController()
  t.teardown(() => abort.abort())
  const opened = openFanOut(Promise.resolve(main), await resolveAlso(also), {
    id: 'id',
    spools: new Map(),
    log,
    signal: abort.signal,
    open: address => sinks[formatAddress(address)] as Promise<Sink>,
  })
  return { opened, main, lines }
}

t.test('it waits for what may slow down the connection, and not for what may drop', async t => {
  const block = memorySink()
  const shared = memorySink()
  const also = [{ to: 'memory:block' }, { to: 'memory:drop', slow: 'drop' }, { to: shared }] as const
  let give!: (sink: Writable) => void
  const later = new Promise<Writable>(resolve => {
    give = resolve
  })
  const { opened, main } = await open(t, also, { 'memory:block': later, 'memory:drop': new Promise(() => {}) })
  let isOpen = false
  void opened.then(() => {
    isOpen = true
  })
  await new Promise(resolve => setImmediate(resolve))
  t.notOk(isOpen)
  give(block)
  const sink = await opened
  await new Promise(resolve => sink.write('a', resolve))
  for (const each of [main, block, shared]) t.equal(String(each.data), 'a')
  sink.on('error', () => {}).destroy(boom)
  await closed(sink)
  t.notOk(shared.destroyed, 'it outlives the connection')
})

t.test('one that cannot be opened fails all, or itself only', async t => {
  const other = memorySink()
  const all = { 'memory:a': Promise.reject(boom), 'memory:b': Promise.resolve(other) }
  const failing = await open(t, [{ to: 'memory:a' }, { to: 'memory:b' }], all)
  await t.rejects(failing.opened, boom)
  for (const each of [failing.main, other]) {
    await closed(each)
    t.equal(each.errored, boom)
  }
  const lone = await open(t, [{ to: 'memory:a', fail: 'continue' }], { 'memory:a': Promise.reject(boom) })
  const sink = await lone.opened
  sink.end('a')
  await once(sink, 'finish')
  t.same(sink.warnings, ['memory:a failed: boom'])
  t.equal(lone.lines.length, 1)
})

t.test('one that fails while another opens', async t => {
  const early = memorySink()
  let give!: (sink: Writable) => void
  const later = new Promise<Writable>(resolve => {
    give = resolve
  })
  const { opened } = await open(t, [{ to: 'memory:early' }, { to: 'memory:later' }], {
    'memory:early': Promise.resolve(early),
    'memory:later': later,
  })
  await new Promise(resolve => setImmediate(resolve))
  early.destroy(boom)
  await closed(early)
  give(memorySink())
  t.same(await once((await opened) as Sink, 'error'), [boom])
})

t.test('a sink that spools is open at once, and its spools are those of the server', async t => {
  const folder = join(dirname(socketPath(t)), 'spool')
  const also = { to: 'memory:far', slow: 'spool', spool: { folder } } as const
  const plans = await resolveAlso([{ to: 'memory:near' }, also])
  const target = memorySink()
  const infos: unknown[] = []
  const openFor = (info: unknown) => {
    infos.push(info)
    return async () => target as Sink
  }
  const spools = await openSpools(plans, openFor, undefined)
  t.match(infos, [{ remote: 'spool' }])
  const { signal } = new AbortController()
  const sink = await openFanOut(Promise.resolve(memorySink()), plans, {
    ...{ id: 'id', spools, signal },
    open: async () => memorySink() as Sink,
  })
  sink.end('abc')
  await once(sink, 'finish')
  await until(() => String(target.data) === 'abc')
  await closeSpools(spools)
  t.same(readdirSync(folder), [])
})

t.test('spools that cannot be opened close those before them', async t => {
  const folder = join(dirname(socketPath(t)), 'spool')
  const plans = await resolveAlso([
    { to: ':1', slow: 'spool', spool: { folder } },
    { to: ':2', slow: 'spool', spool: { folder: `${folder}2` } },
  ])
  writeFileSync(`${folder}2`, '')
  const never = () => () => new Promise<Sink>(() => {})
  await t.rejects(openSpools(plans, never, undefined), { code: 'EEXIST' })
  t.same(readdirSync(folder), [])
})
