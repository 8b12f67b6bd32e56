/** Which stages can run in a thread, and how a thread finds them: `worker=true`. */
import { TcpPipeError } from '../text/errors.js'
import type { TransformEntry } from './define.js'
import { isModulePath } from './modules.js'
import type { Recipe } from './stage.js'

interface Found {
  readonly transform: TransformEntry
  /** How the text names it: its name, or the path of its module. */
  readonly word: string
  readonly options: Record<string, unknown>
  /** The URL of the module that exports the transform, if it has no path of its own. */
  readonly home: string | undefined
}

/**
 * Returns the recipe of the same stage in a thread.
 *
 * @throws `ERR_OPTION` if it needs what only the connection has, or if no module exports it
 */
export function inThread(recipe: Recipe, { transform: { definition }, options, word, home }: Found): Recipe {
  const { name, create } = definition
  if (create.length > 1) throw fault(`${name} cannot run in a thread: it uses the log or the signals of its connection`)
  const isPath = isModulePath(word)
  if (!isPath && home === undefined)
    throw fault(`${name} cannot run in a thread: specOf() needs the URL of the module that exports it`)
  const source = isPath ? { path: word } : { module: home as string, name }
  // A replacement could not go on within a record that the thread holds.
  const indivisible = recipe.indivisible || recipe.unit !== 'bytes'
  return { ...recipe, indivisible, thread: { source, options } }
}

function fault(message: string): TcpPipeError {
  return new TcpPipeError('ERR_OPTION', message)
}
