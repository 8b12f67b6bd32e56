import { spawnSync } from 'node:child_process'
import t from 'tap'
import { serve } from '../../../lib/serve.js'
import { snapshots } from '../../../lib/server/snapshots.js'
import type { ServerStats } from '../../../lib/stats/snapshot.js'
import { fakeServer } from '../fake-server.js'
import { stoppedClock, turns } from '../stats/stopped-clock.js'

t.test('a snapshot comes at once, after each interval, and a last time when the server has ended', async t => {
  const clock = stoppedClock(t, { timers: true })
  const server = fakeServer()
  const seen: number[] = []
  const reading = (async () => {
    for await (const { accepted } of snapshots(server, { interval: 50 })) seen.push(accepted)
  })()
  await turns()
  t.same(seen, [0])
  for (const [accepted, expected] of [
    [1, [0, 1]],
    [2, [0, 1, 2]],
  ] as const) {
    server.set({ accepted })
    clock.pass(49)
    await turns()
    t.equal(seen.length, expected.length - 1)
    clock.pass(1)
    await turns()
    t.same(seen, expected)
  }
  server.set({ accepted: 3 })
  server.end()
  await reading
  t.same(seen, [0, 1, 2, 3], 'without waiting')
})

t.test('the default interval is a second', async t => {
  const clock = stoppedClock(t, { timers: true })
  const server = fakeServer()
  const iterator = snapshots(server)
  await iterator.next()
  const next = iterator.next()
  await turns()
  clock.pass(1000)
  t.match(await next, { done: false, value: { accepted: 0 } })
  server.end()
  await iterator.return()
})

t.test('a slow reader gets fewer snapshots, and no late ones', async t => {
  const clock = stoppedClock(t, { timers: true })
  const server = fakeServer()
  const iterator = snapshots(server, { interval: 10 })
  await iterator.next()
  clock.pass(35)
  const next = iterator.next()
  await turns()
  clock.pass(1)
  t.match(await next, { done: false }, 'the one that is due')
  let hasCome = false
  const third = iterator.next().then(() => {
    hasCome = true
  })
  await turns()
  clock.pass(8)
  await turns()
  t.notOk(hasCome)
  clock.pass(2)
  await third
})

t.test('a server that ends while a snapshot is read gives its last figures', async t => {
  const server = fakeServer()
  const seen: number[] = []
  for await (const { accepted } of snapshots(server, { interval: 3_600_000 })) {
    seen.push(accepted)
    server.set({ accepted: 9 })
    server.end()
    await turns()
  }
  t.same(seen, [0, 9])
})

t.test('a server that has ended, or was aborted, gives one snapshot', async t => {
  for (const error of [undefined, new Error('aborted')]) {
    const server = fakeServer()
    server.end(error)
    const seen: ServerStats[] = []
    for await (const stats of snapshots(server)) seen.push(stats)
    t.equal(seen.length, 1)
  }
})

t.test('leaving the loop ends it', async t => {
  const server = await serve({ port: 0, reply: true })
  const list = snapshots(server, { interval: 1 })
  let count = 0
  for await (const stats of list) {
    t.match(stats, { accepted: 0, connections: [] })
    if (++count === 3) break
  }
  t.match(await list.next(), { done: true })
  await server.close()
})

t.test('an invalid interval is refused at once', async t => {
  for (const interval of [-1, Number.NaN, 'x'])
    t.throws(() => snapshots(fakeServer(), { interval: interval as number }), {
      code: 'ERR_OPTION',
      message: /^interval/,
    })
  t.throws(() => snapshots(fakeServer(), 5 as never), { code: 'ERR_OPTION' })
})

t.test('it keeps no process alive', async t => {
  const url = new URL('../../../lib/server/snapshots.js', import.meta.url)
  const script = `import { snapshots } from '${url}'
    const server = { stats: () => ({}), closed: new Promise(() => {}) }
    const read = async () => { for await (const stats of snapshots(server, { interval: 3600000 })) console.log('one') }
    void read()`
  const words = ['-u', 'NODE_OPTIONS', process.execPath, '--input-type=module', '-e', script]
  const { stdout, status } = spawnSync('env', words, { encoding: 'utf8', timeout: 60_000 })
  t.same([stdout, status], ['one\n', 0])
})
