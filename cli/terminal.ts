/** What bytes from the network become on a terminal. */
import { compose } from '../lib/compose.js'
import { escapeText } from '../lib/escape.js'
import type { Stage } from '../lib/stage.js'

/** The stage that escapes control characters, if stdout is a terminal and nobody asked for the raw bytes. */
export function terminalStages(raw: boolean | undefined): Stage[] {
  return process.stdout.isTTY && !raw ? [escapeControls()] : []
}

function escapeControls(): Stage {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  return compose({
    write: (chunk: Buffer) => escapeText(decoder.decode(chunk, { stream: true })),
    flush: () => escapeText(decoder.decode()),
  })
}
