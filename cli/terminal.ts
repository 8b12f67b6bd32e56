/** Makes bytes from the network safe for a terminal, and keeps log lines apart from them. */
import { fstatSync } from 'node:fs'
import type { Stage } from '../lib/stages/stage.js'
import { escape as escapeControls } from '../transforms/escape.js'

/** If stdout is a terminal, escapes control characters unless `raw` is set. */
export function terminalStages(raw: boolean | undefined): Stage[] {
  return process.stdout.isTTY && !raw ? [escapeControls()] : []
}

/** Whether the cursor stands behind something, in a line that is not ended. */
let isWithinLine = false

/** Watches what is written to stdout, if stdout and stderr are the same terminal. */
export function watchStdout(): void {
  if (!isSameTerminal()) return
  const { stdout } = process
  const write = stdout.write
  stdout.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    if (chunk.length > 0) isWithinLine = chunk.at(-1) !== (typeof chunk === 'string' ? '\n' : 10)
    return Reflect.apply(write, stdout, [chunk, ...rest])
  }
}

function isSameTerminal(): boolean {
  return process.stdout.isTTY && process.stderr.isTTY && fstatSync(1).rdev === fstatSync(2).rdev
}

/** Notes that a terminal shows `^C` for the key that has interrupted. */
export function noteInterrupt(): void {
  isWithinLine = process.stderr.isTTY
}

/** Returns what must precede a line on stderr, so that it begins a line of its own. */
export function freshLine(): string {
  const start = isWithinLine ? '\n' : ''
  isWithinLine = false
  return start
}
