/** The stages that options name. Imports the transforms only if needed, because that takes 40 ms. */
import type { Stage } from '../lib/stages/stage.js'
import { escape as escapeControls } from '../transforms/escape.js'

/**
 * Makes stages from the texts of `-t`. Returns a function, because a stream can be used only once.
 *
 * @throws `ERR_SPEC`, or `ERR_MODULE` for a file
 */
export async function loadStages(specs: readonly string[] = []): Promise<() => Stage[]> {
  if (specs.length === 0) return () => []
  const { loadSpec } = await import('../transforms/spec.js')
  return loadSpec(...specs)
}

/** Makes bytes from the network safe: if stdout is a terminal, escapes control characters unless `raw` is set. */
export function terminalStages(raw: boolean | undefined): Stage[] {
  return process.stdout.isTTY && !raw ? [escapeControls()] : []
}
