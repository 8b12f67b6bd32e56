/** The transforms and their text form. */
export * from './registry.js'
export { loadSpec, spec } from './spec.js'
