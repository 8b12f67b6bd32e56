import { lazyStream } from '../lib/stages/compose.js'
import type { Registry, TransformEntry } from '../lib/stages/define.js'
import { loadModule } from '../lib/stages/modules.js'
import { modulePaths, parse } from '../lib/stages/spec.js'
import type { Stage } from '../lib/stages/stage.js'
import * as exported from './registry.js'

/**
 * A pipeline from its text form, `'gunzip | hex width=8'`, as the function that `serve` and `send` take. Several texts
 * are joined.
 *
 * @throws `ERR_SPEC` with the column, at once: nothing has been opened yet
 */
export function spec(...texts: string[]): () => Stage[] {
  return pipelines(texts, [])
}

/**
 * The same, where a stage may be the path of a module of one's own: `'gunzip | ./without.js DEBUG'`. Its default export
 * is a transform, a function or an object. Paths are taken from the working directory.
 *
 * @throws `ERR_MODULE` if a module cannot be imported, `ERR_SPEC` as `spec` does
 */
export async function loadSpec(...texts: string[]): Promise<() => Stage[]> {
  const paths = [...new Set(texts.flatMap(modulePaths))]
  return pipelines(texts, await Promise.all(paths.map(async path => [path, await loadModule(path)] as const)))
}

function pipelines(texts: string[], modules: (readonly [string, TransformEntry])[]): () => Stage[] {
  const recipes = texts.flatMap(text => parse(text, registry(), modules))
  return () => recipes.map(recipe => lazyStream([recipe]))
}

/** All transforms, by their export names. */
export function registry(): Registry {
  return Object.fromEntries(Object.entries<object>(exported).filter(isTransform))
}

function isTransform(entry: [string, object]): entry is [string, TransformEntry] {
  return 'definition' in entry[1]
}
