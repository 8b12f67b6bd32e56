/** What bytes from the network become on a terminal. */
import { defineTransform } from '../lib/define.js'
import { escapeText } from '../lib/escape.js'
import type { Stage } from '../lib/stage.js'

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

/** It declares its unit, so that it gets bytes behind whatever stands before it. Lines of two connections stay apart. */
const escapeControls = defineTransform({
  name: 'escape',
  summary: 'make control characters visible',
  unit: 'bytes',
  makesLines: true,
  create() {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    return {
      write: (chunk: Buffer) => escapeText(decoder.decode(chunk, { stream: true })),
      flush: () => escapeText(decoder.decode()),
    }
  },
})
