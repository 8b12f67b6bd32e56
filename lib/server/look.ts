/** Measures the ends of connections while somebody looks at the figures of a server: it costs nothing otherwise. */
import type { Server } from './server.js'

/** Milliseconds after which nobody looks any more. */
const patience = 10_000

export interface Look {
  /** Somebody looks now. */
  now(): void
  /** Nobody will. */
  end(): void
}

/** Calls `rest` when nobody has looked for ten seconds. Keeps no process alive. */
export function openLook({ measure }: Pick<Server, 'measure'>, rest: () => void = () => {}): Look {
  let timer: NodeJS.Timeout | undefined
  const end = () => {
    clearTimeout(timer)
    timer = undefined
    measure(false)
    rest()
  }
  return {
    now() {
      measure(true) // each time: another look at the same server may have ended
      clearTimeout(timer)
      timer = setTimeout(end, patience).unref()
    },
    end: () => timer && end(),
  }
}
