/** What a leak would add to: handles of this process, descriptors of any. */
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Finding } from './part.js'

/** Names, and how many there are of each. */
export type Counts = Readonly<Record<string, number>>

/** The open descriptors of a process by their kind; none where there is no /proc. */
export function descriptors(pid: number | 'self'): Counts {
  const folder = `/proc/${pid}/fd`
  if (!existsSync(folder)) return {}
  return tally(readdirSync(folder).flatMap(name => kindOf(`${folder}/${name}`) ?? []))
}

/** What keeps the event loop of this process busy, and its descriptors. */
export function resources(): Counts {
  return { ...tally(process.getActiveResourcesInfo()), ...descriptors('self') }
}

/** Resolves when there is no more than there was before; a finding says of what there is more. */
export async function restored(what: string, before: Counts, now: () => Counts, time: number): Promise<void> {
  const end = performance.now() + time
  for (;;) {
    const more = growth(before, now())
    if (more === '') return
    if (performance.now() > end) throw new Finding(`${what} are more than they were, for ${time} ms: ${more}`)
    await delay(10)
  }
}

/** Of what there is less was being closed before. */
function growth(before: Counts, now: Counts): string {
  return Object.entries(now)
    .filter(([name, number]) => number > (before[name] ?? 0))
    .map(([name, number]) => `${name} ${before[name] ?? 0} → ${number}`)
    .join(', ')
}

/** How many there are of each name. */
export function tally(names: readonly string[]): Counts {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

export function sum(counts: Counts): number {
  return Object.values(counts).reduce((total, number) => total + number, 0)
}

/** `socket:[4711]` for a socket, the path for a file. Undefined for a descriptor that has been closed, such as the one of the listing. */
function kindOf(link: string): string | undefined {
  try {
    return readlinkSync(link).replace(/:\[\d+\]$/, '')
  } catch {
    return undefined
  }
}
