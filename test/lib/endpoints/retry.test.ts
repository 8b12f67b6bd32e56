import t from 'tap'
import { retried } from '../../../lib/endpoints/retry.js'

/** Fails so many times. */
function failing(times: number): { attempt(): Promise<string>; calls(): number } {
  let calls = 0
  return {
    async attempt() {
      if (++calls <= times) throw new Error(`failure ${calls}`)
      return 'reached'
    },
    calls: () => calls,
  }
}

t.test('without retry there is one attempt', async t => {
  const { attempt, calls } = failing(1)
  await t.rejects(retried(attempt, {}), { message: 'failure 1' })
  t.equal(calls(), 1)
  t.equal(await retried(attempt, {}), 'reached')
})

t.test('it is tried again, later each time, and told before', async t => {
  const { attempt } = failing(2)
  const told: [string, number][] = []
  const onRetry = (error: unknown, wait: number) => void told.push([(error as Error).message, wait])
  t.equal(await retried(attempt, { retry: 3, onRetry }), 'reached')
  t.match(told, [
    ['failure 1', Number],
    ['failure 2', Number],
  ])
  const [first, second] = told.map(([, wait]) => wait) as [number, number]
  t.ok(first >= 50 && first <= 100, `${first} ms`)
  t.ok(second >= 100 && second <= 200, `${second} ms`)
})

t.test('an interval is the time between attempts', async t => {
  const { attempt } = failing(2)
  const waits: number[] = []
  await retried(attempt, { retry: 3, retryInterval: 1, onRetry: (_, wait) => void waits.push(wait) })
  t.same(waits, [1, 1])
})

t.test('the last error is the one to tell', async t => {
  const { attempt, calls } = failing(9)
  await t.rejects(retried(attempt, { retry: 1 }), { message: 'failure 2' })
  t.equal(calls(), 2)
})

t.test('the wait is no longer than 5 seconds, and can be aborted', async t => {
  const controller = new AbortController()
  const { attempt, calls } = failing(99)
  t.intercept(Math, 'random', { value: () => 0.999 })
  let longest = 0
  const onRetry = (_: unknown, wait: number) => {
    longest = wait
    controller.abort()
  }
  const waiting = retried(attempt, { retry: 99, signal: controller.signal, onRetry }, 20)
  await t.rejects(waiting, { name: 'AbortError' })
  t.equal(longest, 4998)
  t.equal(calls(), 1)
  await t.rejects(
    retried(attempt, { retry: 99, signal: controller.signal }),
    { message: 'failure 2' },
    'aborted before',
  )
})

t.test('after a final error it is not tried again', async t => {
  const { attempt, calls } = failing(9)
  const isFinal = (error: unknown) => (error as Error).message === 'failure 3'
  await t.rejects(retried(attempt, { retry: 5, retryInterval: 0 }, 0, isFinal), { message: 'failure 3' })
  t.equal(calls(), 3)
})
