import { getEventListeners } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { ControlClient, Snapshot } from '../../../cli/top/client.js'
import { snapshots } from '../../../cli/top/snapshots.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function clientOf(stats: () => Promise<Snapshot>, over = new AbortController()): ControlClient {
  return { stats, over: over.signal } as ControlClient
}

t.test('a snapshot that has been used is freed, and no listener is left', async t => {
  const taken: WeakRef<Snapshot>[] = []
  const client = clientOf(async () => {
    const stats = { connections: [{}] } as unknown as Snapshot
    taken.push(new WeakRef(stats))
    return stats
  })
  const end = new AbortController()
  const running = snapshots(client, 0, end)
  for (let i = 0; i < 30; i++) await running.next()
  await setImmediate()
  collect()
  const alive = taken.filter(each => each.deref()).length
  t.ok(alive <= 3, `${alive} snapshots are alive`)
  t.same(getEventListeners(end.signal, 'abort'), [])
  await running.return(undefined)
  t.same(getEventListeners(client.over, 'abort'), [])
})

t.test('the end of the server, or of the watch, ends a request that is under way', async t => {
  for (const which of ['server', 'watch']) {
    const over = new AbortController()
    const end = new AbortController()
    const next = snapshots(
      clientOf(() => new Promise(() => {}), over),
      0,
      end,
    ).next()
    const ender = which === 'server' ? over : end
    ender.abort()
    t.match(await next, { done: true }, which)
  }
})

t.test('a request that fails is the failure', async t => {
  const client = clientOf(() => Promise.reject(new Error('no figures')))
  await t.rejects(snapshots(client, 0, new AbortController()).next(), { message: 'no figures' })
})
