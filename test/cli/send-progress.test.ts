import t from 'tap'
import type { Figures } from '../../cli/progress.js'
import { transferProgress } from '../../cli/send-progress.js'
import type { Item } from '../../cli/walk.js'
import type { SendConnection } from '../../lib/index.js'

const item = (size?: number): Item => ({ path: 'f', name: 'f', size })

/** A connection that has taken so many bytes of its source. */
function connection(bytes = 0) {
  const state = { bytes }
  const stats = () => ({
    directions: [
      { direction: 'reply', bytesIn: 9000 },
      { direction: 'forward', bytesIn: state.bytes },
    ],
  })
  return Object.assign(state, { stats }) as unknown as SendConnection & { bytes: number }
}

/** A progress without a terminal: what it would show, and what was called. */
function shown(items: readonly Item[], size?: number) {
  const calls: unknown[] = []
  let figures!: Figures
  const progress = transferProgress(items, size, given => {
    figures = given
    return { start: () => void calls.push('start'), stop: isReported => void calls.push(isReported) }
  })
  return { progress, calls, now: () => [figures.bytes(), figures.size(), figures.note?.()] }
}

t.test('bytes and size are those of all transfers', async t => {
  const items = [item(100), item(50)]
  const { progress, calls, now } = shown(items)
  t.same(now(), [0, 150, ''])
  const first = connection(30)
  progress.begin(first)
  t.same(now(), [30, 150, ''])
  first.bytes = 99
  t.same(now(), [99, 150, ''])
  progress.end(items[0] as Item)
  t.same(now(), [100, 150, ''], 'also if the receiver had it already')
  progress.begin(connection(7))
  t.same(now(), [107, 150, ''])
  progress.end(items[1] as Item)
  t.same(now(), [150, 150, ''])
  progress.stop()
  t.same(calls, ['start', true], 'one line for all, which the log replaces')
})

t.test('a transfer that begins anew counts from its beginning', async t => {
  const only = item(100)
  const { progress, calls, now } = shown([only])
  progress.begin(connection(80))
  progress.begin(connection(10))
  t.same(now(), [10, 100, ''])
  t.same(calls, ['start'])
})

t.test('a file that is refused before it begins does not make the others late', async t => {
  const items = [item(100), item(50)]
  const { progress, calls, now } = shown(items)
  progress.end(items[0] as Item)
  progress.begin(connection(50))
  t.same(now(), [150, 150, ''])
  t.same(calls, ['start'])
})

t.test('stdin has the size that is given, or none, and then there is no sum', async t => {
  const stdin = item()
  const { progress, now } = shown([item(10), stdin])
  t.same(now(), [0, undefined, ''])
  progress.begin(connection(25))
  progress.end(stdin)
  t.same(now(), [25, undefined, ''])
  t.same(shown([stdin], 40).now(), [0, 40, ''])
  t.same(shown([]).now(), [0, 0, ''])
})

t.test('reconnects are said', async t => {
  const { progress, now } = shown([item(1)])
  progress.reconnected()
  t.equal(now()[2], '1 reconnect')
  progress.reconnected()
  t.equal(now()[2], '2 reconnects')
})

t.test('without a connection there is nothing to remove', async t => {
  const { progress, calls } = shown([item(1)])
  progress.end(item(1))
  progress.stop()
  t.same(calls, [])
})

t.test('the line on a terminal is the usual one', async t => {
  const progress = transferProgress([item(1)], undefined)
  progress.begin(connection())
  progress.stop()
  t.pass('nothing of it is left')
})
