/** A clock for tests in which time is the subject. */
import type { Test } from 'tap'

export interface Clock {
  /** What `performance.now()` gives. */
  now: number
}

/**
 * Until the end of the test time moves only when everything else has been done, and then to the timer that is due next,
 * or to so many milliseconds behind it.
 */
export function fakeClock(t: Test, late = 0): Clock {
  const { setTimeout, clearTimeout } = globalThis
  const { now } = performance
  t.teardown(() => {
    Object.assign(globalThis, { setTimeout, clearTimeout })
    performance.now = now
  })
  const clock = { now: 1000 }
  const timers = new Map<object, { due: number; wake(): void }>()

  function wakeNext(): void {
    const [next] = [...timers].sort(([, one], [, other]) => one.due - other.due)
    if (!next) return
    const [timer, { due, wake }] = next
    timers.delete(timer)
    clock.now = Math.max(clock.now, due)
    wake()
  }

  performance.now = () => clock.now
  globalThis.setTimeout = ((wake: () => void, milliseconds: number) => {
    const timer = {}
    timers.set(timer, { due: clock.now + milliseconds + late, wake })
    setImmediate(wakeNext)
    return timer
  }) as never
  globalThis.clearTimeout = ((timer: object) => timers.delete(timer)) as never
  return clock
}

export interface Arrival {
  time: number
  size: number
}

/** The most bytes that arrive in any stretch of time over what the rate allows in it. */
export function excess(arrivals: readonly Arrival[], rate: number): number {
  let arrived = 0
  let least = Number.POSITIVE_INFINITY
  let most = 0
  for (const { time, size } of arrivals) {
    least = Math.min(least, arrived - (time * rate) / 1000)
    arrived += size
    most = Math.max(most, arrived - (time * rate) / 1000 - least)
  }
  return most
}
