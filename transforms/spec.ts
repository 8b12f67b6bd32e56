/** The text form of pipelines over the transforms of this package. */
import { registryOf, specOf } from '../lib/stages/spec.js'
import * as exported from './registry.js'

const home = new URL('./registry.js', import.meta.url).href // of the bundle, too

const specs = specOf(exported, "; 'tcp-pipe transforms' lists them", home)

/**
 * Returns a pipeline from its text form, `'gunzip | hex width=8'`, as the function that `serve`, `send` and `proxy` take.
 * Joins several texts. Checks the names and options of all stages at once, and opens nothing.
 *
 * @throws `ERR_SPEC` with the column
 */
export const spec = specs.spec

/**
 * As `spec`, but a stage may be the path of a module: `'gunzip | ./without.js DEBUG'`. The default export of the module is a
 * transform, a function or an object. Relative paths start at the working directory.
 *
 * @throws `ERR_MODULE` if a module cannot be imported, `ERR_SPEC` like `spec`
 */
export const loadSpec = specs.loadSpec

/** All transforms of this package, by their export names. */
export const registry = registryOf(exported)
