/** A server that runs: one of this process, or several in others as one. */
import type { Controlled } from '../lib/control.js'
import type { Server } from '../lib/index.js'
import type { Family } from '../lib/text/exposition.js'
import type { Desk } from '../lib/ui/desk.js'

export interface Standing
  extends Controlled,
    Pick<Server, 'listening' | 'pin' | 'setSecureContext' | 'close' | 'closed'> {
  /** In other processes: what the page asks them. */
  readonly desk?: Desk
  /** In other processes: resolves when it has stopped listening. */
  stopped?(): Promise<void>
  /** In other processes: returns the figures of this process with theirs. */
  families?(own: readonly Family[]): Promise<readonly Family[]>
}
