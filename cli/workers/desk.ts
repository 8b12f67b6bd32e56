/** The desk of a worker, which the page in the primary asks by messages. */
import { errorCode, errorMessage } from '../../lib/text/errors.js'
import type { Desk } from '../../lib/ui/desk.js'
import { Refusal } from '../../lib/ui/refusal.js'

export interface Question {
  readonly method: keyof Desk
  readonly given: readonly unknown[]
  /** When it is too late to do it: milliseconds of a clock that all processes of a machine share. */
  readonly until?: number
}

export type Answer =
  | { readonly value: unknown }
  | {
      readonly error: {
        readonly message: string
        readonly code: string | undefined
        readonly status?: Refusal['status']
      }
    }

/** Milliseconds to answer: the figures of a worker that is too busy are those that are known. */
export const patience = 1000

/** The methods, and whether one is done only in time: nobody expects it any more when it has been said that it failed. */
const methods: Readonly<Record<keyof Desk, 'in time' | 'ever'>> = {
  ...{ state: 'ever', counts: 'ever', list: 'ever', connection: 'ever', bytes: 'ever', raw: 'ever' },
  ...{ faultKinds: 'ever', switchOn: 'ever', switchOff: 'ever', addBreakpoint: 'ever', removeBreakpoint: 'ever' },
  ...{ held: 'ever', end: 'in time', release: 'in time', drop: 'in time', reset: 'in time' },
}

/** In the primary: a desk that asks. `ask` resolves with undefined if the worker does not answer. */
export function remoteDesk(number: number, ask: (question: Question) => Promise<Answer | undefined>): Desk {
  const method = (method: keyof Desk) => {
    const isUrgent = methods[method] === 'in time'
    return async (...given: readonly unknown[]) => {
      const answer = await ask({ method, given, ...(isUrgent && { until: now() + patience }) })
      if (!answer) throw new Refusal(409, `worker ${number} does not answer`)
      if ('error' in answer) throw errorOf(answer.error)
      return answer.value
    }
  }
  return Object.fromEntries(
    (Object.keys(methods) as (keyof Desk)[]).map(name => [name, method(name)]),
  ) as unknown as Desk
}

/** In the worker: what the desk answers. */
export async function answerOf(
  desk: Desk,
  { method, given, until = Number.POSITIVE_INFINITY }: Question,
): Promise<Answer> {
  try {
    if (now() > until) throw new Refusal(409, 'it is too late')
    return { value: await (desk[method] as (...given: readonly unknown[]) => unknown)(...given) }
  } catch (error) {
    const status = error instanceof Refusal ? { status: error.status } : {}
    return { error: { message: errorMessage(error), code: errorCode(error), ...status } }
  }
}

function now(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

/** What the page answers depends on the kind of the error. */
function errorOf({ message, code, status }: Extract<Answer, { error: unknown }>['error']): Error {
  if (status !== undefined) return new Refusal(status, message)
  return Object.assign(new Error(message), { code })
}
