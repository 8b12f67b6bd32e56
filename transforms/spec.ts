import { lazyStream } from '../lib/stages/compose.js'
import type { Registry, TransformEntry } from '../lib/stages/define.js'
import { loadModule } from '../lib/stages/modules.js'
import { modulePaths, parse } from '../lib/stages/spec.js'
import type { Stage } from '../lib/stages/stage.js'
import * as exported from './registry.js'

/**
 * Parses a pipeline from text, `'gunzip | hex width=8'`, and returns the function that `serve` and `send` take. Joins
 * several texts.
 *
 * @throws `ERR_SPEC` with the column, immediately, before anything is opened
 */
export function spec(...texts: string[]): () => Stage[] {
  return pipelines(texts, [])
}

/**
 * Like `spec`, but a stage may be the path of your own module: `'gunzip | ./without.js DEBUG'`. Its default export
 * is a transform, a function or an object. Paths are relative to the working directory.
 *
 * @throws `ERR_MODULE` if a module cannot be imported, `ERR_SPEC` like `spec`
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
