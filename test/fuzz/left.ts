/** What a program must not leave behind when it has ended. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Finding } from './part.js'

/** A stage with a program that does not end by itself. */
export const stubborn = "exec sh -c 'cat; exec sleep 300'"

const name = 'FUZZ_OF_TCP_PIPE'

/** The environment of a program whose own programs are to be found again. */
export function marked(mark: string): Record<string, string> {
  return { [name]: mark }
}

/** Resolves when no process with the mark is left; where there is no /proc, at once. */
export async function allGone(mark: string, time = 10_000): Promise<void> {
  for (const end = performance.now() + time; ; await delay(20)) {
    const left = processesWith(`${name}=${mark}`)
    if (left.length === 0) return
    if (performance.now() > end) throw new Finding(`still there when its program has ended: ${left.join('; ')}`)
  }
}

function processesWith(text: string): string[] {
  if (!existsSync('/proc/self/environ')) return []
  const pids = readdirSync('/proc').filter(entry => /^\d+$/.test(entry))
  return pids.filter(pid => readProc(pid, 'environ').split('\0').includes(text)).map(pid => readProc(pid, 'cmdline'))
}

/** Empty if it has ended, or is of another user. */
function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}
