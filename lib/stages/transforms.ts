/** The option `transforms`: a function that returns the stages of one connection. */
import { TcpPipeError } from '../text/errors.js'
import type { ConnectionInfo } from './context.js'
import type { Next, Stage, Start } from './stage.js'

/**
 * Returns the stage or the stages of one connection. Called for each connection when its first byte arrives, because a
 * stream can be used only once.
 *
 * `serve`, `send`, `proxy` and `use` infer `S`, so that in `() => [grep({ pattern: /x/ }), line => line.length]` the
 * compiler knows the parameter of each function. It does not if the function uses `info` without a type: write
 * `(info: ConnectionInfo) => […]`.
 */
export type Transforms<S = readonly Stage[]> = (info: ConnectionInfo) => S | Stage<Buffer>

/**
 * An array of stages. The compiler checks each of the first eight against the output of the previous stage. It infers
 * one type parameter per position, from left to right.
 */
export type Stages<A, B, C, D, E, F, G, H> = Given<A, B, C, D, E, F, G, H> &
  Given<Next<Start>, Next<A>, Next<B>, Next<C>, Next<D>, Next<E>, Next<F>, Next<G>>

type Given<A, B, C, D, E, F, G, H> = readonly [a?: A, b?: B, c?: C, d?: D, e?: E, f?: F, g?: G, h?: H, ...more: Stage[]]

/** Rejects an array of streams, which would fail for the second connection. Throws `ERR_OPTION`. */
export function checkFunction(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'function') return
  const hint = Array.isArray(value)
    ? 'an array of stages would serve one connection only: write () => [...]'
    : `it is ${typeof value}`
  throw new TcpPipeError('ERR_OPTION', `${name} must be a function that is called for each connection; ${hint}`)
}
