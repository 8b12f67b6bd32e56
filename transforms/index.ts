/** The registry: each export is a transform. */
export { grep } from './grep.js'
export { gzip } from './gzip.js'
export { spec } from './spec.js'
