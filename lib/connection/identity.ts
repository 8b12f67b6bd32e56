/** The ids and numbers of connections, which are unique also over several processes that share an address. */
import { describe, TcpPipeError } from '../text/errors.js'

/** One of several processes that share an address. */
export interface Share {
  /** From 1 to `of`. No two processes that run at the same time have the same. */
  readonly number: number
  /** How many there are. */
  readonly of: number
  /** How many connections an earlier process of this number has had. Default: 0. */
  readonly after?: number | undefined
}

const alone: Share = { number: 1, of: 1 }

/** Beyond this, ids would run ahead of the clock. */
const most = 1024

/** Throws `ERR_OPTION`. */
export function checkShare(share: unknown): void {
  if (share === undefined) return
  const { number, of, after = 0 } = (share ?? {}) as Partial<Share>
  const isRight = [number, of, after].every(Number.isSafeInteger)
  if (
    isRight &&
    1 <= (number as number) &&
    (number as number) <= (of as number) &&
    (of as number) <= most &&
    after >= 0
  )
    return
  const given = share !== null && typeof share === 'object' ? JSON.stringify(share) : describe(share)
  throw new TcpPipeError(
    'ERR_OPTION',
    `worker: ${given} is not allowed; expected { number, of }: whole numbers, 1 to of, and at most ${most}`,
  )
}

let lastId = 0

/** Microseconds since 1970 in base 36: ten characters until 2085. Of several processes, each takes every nth of them. */
export function newId({ number, of }: Share = alone): string {
  const next = Math.max(Math.floor((performance.timeOrigin + performance.now()) * 1000), lastId + 1)
  lastId = next + ((((number - 1 - next) % of) + of) % of)
  return lastId.toString(36).padStart(10, '0')
}

/** The sequence number of the nth connection of this process: each takes every nth of them. */
export function numberOf({ number, of, after = 0 }: Share = alone, nth: number): number {
  return (after + nth - 1) * of + number
}
