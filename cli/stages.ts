/** The stages that options name. The transforms are imported when there is one: that takes 40 ms. */
import type { Stage } from '../lib/stages/stage.js'

/**
 * From texts, as `-t` takes them; a function, since streams can be used once.
 *
 * @throws `ERR_SPEC`, or `ERR_MODULE` for a file
 */
export async function loadStages(specs: readonly string[] = []): Promise<() => Stage[]> {
  if (specs.length === 0) return () => []
  const { loadSpec } = await import('../transforms/spec.js')
  return loadSpec(...specs)
}
