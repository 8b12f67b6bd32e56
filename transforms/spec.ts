import { lazyStream } from '../lib/compose.js'
import type { Registry, TransformEntry } from '../lib/define.js'
import { parse } from '../lib/spec.js'
import type { Stage } from '../lib/stage.js'
import * as exported from './index.js'

/**
 * A pipeline from its text form, `'gunzip | hex width=8'`, as the function that `serve` and `send` take. Several texts
 * are joined.
 *
 * @throws `ERR_SPEC` with the column, at once: nothing has been opened yet
 */
export function spec(...texts: string[]): () => Stage[] {
  const recipes = texts.flatMap(text => parse(text, registry()))
  return () => recipes.map(recipe => lazyStream([recipe]))
}

/** All transforms, by their export names. */
export function registry(): Registry {
  return Object.fromEntries(Object.entries<object>(exported).filter(isTransform))
}

function isTransform(entry: [string, object]): entry is [string, TransformEntry] {
  return 'definition' in entry[1]
}
