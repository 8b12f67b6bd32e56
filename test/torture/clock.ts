/** A clock of the system that jumps: what is built on it fails. */

const day = 86_400_000

/** From now on, each look at the time of day is up to a day off, in either direction. */
export function letClockJump(): void {
  const { now } = Date
  Date.now = () => now() + Math.round((Math.random() - 0.5) * 2 * day)
}
