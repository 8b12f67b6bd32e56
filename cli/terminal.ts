/** What bytes from the network become on a terminal. */
import type { Stage } from '../lib/stages/stage.js'
import { escape as escapeControls } from '../transforms/escape.js'

/**
 * If stdout is a terminal: control characters are escaped, unless the raw bytes are asked for. `before` is called
 * before anything is written there.
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
