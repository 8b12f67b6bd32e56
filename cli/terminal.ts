/** Makes bytes from the network safe for a terminal. */
import type { Stage } from '../lib/stages/stage.js'
import { escape as escapeControls } from '../transforms/escape.js'

/**
 * If stdout is a terminal, escapes control characters unless `raw` is set, and calls `before` before each write.
 */
export function terminalStages(raw: boolean | undefined, before?: () => void): Stage[] {
  if (!process.stdout.isTTY) return []
  return [...(raw ? [] : [escapeControls()]), ...(before ? [announce(before)] : [])]
}

function announce(before: () => void): Stage {
  return chunk => {
    before()
    return chunk
  }
}
