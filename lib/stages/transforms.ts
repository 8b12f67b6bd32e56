/** The stages of one connection, as users give them: a function that makes them. */
import { TcpPipeError } from '../text/errors.js'
import type { ConnectionInfo } from './context.js'
import type { Stage } from './stage.js'

/** The stage or the stages of one connection: a function, called for each when its first byte comes, since a stream can be used once. */
export type Transforms = (info: ConnectionInfo) => Stage | readonly Stage[]

/** An array of streams would serve one connection and fail on the second. Throws `ERR_OPTION`. */
export function checkFunction(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'function') return
  const hint = Array.isArray(value)
    ? 'an array of stages would serve one connection only: write () => [...]'
    : `it is ${typeof value}`
  throw new TcpPipeError('ERR_OPTION', `${name} must be a function that is called for each connection; ${hint}`)
}
