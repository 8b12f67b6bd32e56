/** User-defined stages, imported from a file. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { placeOf } from '../text/blame.js'
import { describe, errorMessage, TcpPipeError } from '../text/errors.js'
import { lazyStream } from './compose.js'
import type { TransformEntry } from './define.js'
import { hookOwnName } from './own-name.js'
import { type Part, recipe, toParts } from './parts.js'
import { isDuplex, isStageObject, type Recipe, type Stage } from './stage.js'
import { syntaxPlace } from './syntax-place.js'

/** Returns whether the name of a stage is the path of a module. */
export function isModulePath(name: string): boolean {
  return /^\.{0,2}\//.test(name)
}

/**
 * Loads the default export of a module as a transform. The export is a transform, a function, `{ write, flush, destroy
 * }`, or a `compose` of these. A relative path starts at the working directory.
 *
 * @throws `ERR_MODULE` if the module cannot be imported or has no such export
 */
export async function loadModule(path: string): Promise<TransformEntry> {
  const exported = await importDefault(path)
  if (isTransform(exported)) return exported
  const parts = exportedParts(path, exported)
  const definition = {
    name: path,
    summary: `the stage of ${path}`,
    unit: 'bytes',
    create: () => lazyStream(parts),
  } as const
  return { definition, recipe: () => recipe(path, undefined, definition.create) }
}

let isHooked = false

async function importDefault(path: string): Promise<unknown> {
  if (!isHooked) hookOwnName()
  isHooked = true
  try {
    const module: { default?: unknown } = await import(pathToFileURL(resolve(path)).href)
    return module.default
  } catch (cause) {
    const message = errorMessage(cause).replace(/ imported from .*/, '')
    const place = placeOf(cause) ?? (cause instanceof SyntaxError ? syntaxPlace(resolve(path), message) : undefined)
    throw fault(`${path} cannot be imported: ${message}${place ? ` (${place})` : ''}${hint(message)}`, cause)
  }
}

function hint(message: string): string {
  return /file.extension/i.test(message) ? '; Node 22.18 and later load TypeScript' : ''
}

/** Returns whether a value is a transform, possibly of another copy of this library. */
export function isTransform(value: unknown): value is TransformEntry {
  return typeof value === 'function' && 'definition' in value && 'recipe' in value
}

/** Caches the parts of exports: a stream can be taken apart once, but its module may be loaded again. */
const known = new WeakMap<object, Part[]>()

const expected = 'expected a transform (defineTransform), a function or { write, flush, destroy }'

function exportedParts(path: string, exported: unknown): Part[] {
  if (!isDuplex(exported) && !isStageObject(exported) && typeof exported !== 'function')
    throw fault(`the default export of ${path} is ${describe(exported)}; ${expected}`)
  const parts = known.get(exported) ?? toParts(exported as Stage, 0)
  known.set(exported, parts)
  if (parts.some(isDuplex)) throw fault(`${path} exports a stream, which can be used once only; ${expected}`)
  return isDuplex(exported) ? parts : parts.map(part => ({ ...(part as Recipe), name: path }))
}

function fault(message: string, cause?: unknown): TcpPipeError {
  return new TcpPipeError('ERR_MODULE', message, { cause })
}
