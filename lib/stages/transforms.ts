/** The stages of one connection, as users give them: a function that makes them. */
import { TcpPipeError } from '../text/errors.js'
import type { ConnectionInfo } from './context.js'
import type { Next, Stage, Start } from './stage.js'

/**
 * Returns the stage or the stages of one connection. It is called for each connection when its first byte comes, since a
 * stream can be used once.
 *
 * `serve`, `send`, `proxy` and `use` infer `S`, so that in `() => [grep({ pattern: /x/ }), line => line.length]` the
 * compiler knows what each function receives. It does not where the function uses `info` without its type: write
 * `(info: ConnectionInfo) => […]`.
 */
export type Transforms<S = readonly Stage[]> = (info: ConnectionInfo) => S | Stage<Buffer>

/**
 * An array of stages, of which the compiler checks the first eight, each against what the one before it gives. It infers
 * one type parameter for each place, from left to right.
 */
export type Stages<A, B, C, D, E, F, G, H> = Given<A, B, C, D, E, F, G, H> &
  Given<Next<Start>, Next<A>, Next<B>, Next<C>, Next<D>, Next<E>, Next<F>, Next<G>>

type Given<A, B, C, D, E, F, G, H> = readonly [a?: A, b?: B, c?: C, d?: D, e?: E, f?: F, g?: G, h?: H, ...more: Stage[]]

/** An array of streams would serve one connection and fail on the second. Throws `ERR_OPTION`. */
export function checkFunction(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'function') return
  const hint = Array.isArray(value)
    ? 'an array of stages would serve one connection only: write () => [...]'
    : `it is ${typeof value}`
  throw new TcpPipeError('ERR_OPTION', `${name} must be a function that is called for each connection; ${hint}`)
}
