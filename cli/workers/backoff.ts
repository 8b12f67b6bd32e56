/** When a dead worker is replaced, and when no further one is tried. */

/** Milliseconds. */
const first = 100
const longest = 5000

/** A worker that has lived so long was sound. */
const sound = 10_000

/** So many workers in a row that lived shorter than `brief` are a crash loop. */
const most = 5
const brief = 5000

/** Returns a function that takes how long a worker lived, and gives the time to wait, or undefined in a crash loop. */
export function openBackoff(): (lived: number) => number | undefined {
  let wait = first
  let failures = 0
  return lived => {
    failures = lived < brief ? failures + 1 : 0
    if (failures >= most) return undefined
    if (lived >= sound) wait = first
    const now = wait
    wait = Math.min(wait * 2, longest)
    return now
  }
}
