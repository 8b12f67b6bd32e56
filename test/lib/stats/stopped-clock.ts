/** A clock that stands still, for tests of figures and timeouts. */
import { mock } from 'node:test'
import type { Test } from 'tap'

export interface StoppedClock {
  /** What `performance.now()` gives. */
  now: number
  /** So many milliseconds pass, one by one; timers that are due are called, if they are part of the clock. */
  pass(milliseconds: number): void
}

/** Until the end of the test time moves only when the test says so. With `timers`, `setTimeout` and `setInterval` wait for that. */
export function stoppedClock(t: Test, { timers = false } = {}): StoppedClock {
  const clock = {
    now: 1000,
    pass(milliseconds: number) {
      for (let i = 0; i < milliseconds; i++) {
        clock.now++
        if (timers) mock.timers.tick(1)
      }
    },
  }
  t.intercept(performance, 'now', { value: () => clock.now })
  if (!timers) return clock
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  t.teardown(() => mock.timers.reset())
  return clock
}

/** Whatever can run without time has run. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
}

/** What a promise resolves to, or undefined if it does not while everything that can run without time runs. */
export function soon<T>(promise: Promise<T>): Promise<T | undefined> {
  return Promise.race([promise, turns(300).then(() => undefined)])
}
