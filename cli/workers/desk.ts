/** The desk of a worker, which the page in the primary asks by messages. */
import { errorCode, errorMessage } from '../../lib/text/errors.js'
import type { Desk } from '../../lib/ui/desk.js'
import { Refusal } from '../../lib/ui/refusal.js'

export interface Question {
  readonly method: keyof Desk
  readonly given: readonly unknown[]
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

const methods = [
  ...['state', 'counts', 'list', 'connection', 'bytes', 'raw', 'end'],
  ...['faultKinds', 'switchOn', 'switchOff', 'addBreakpoint', 'removeBreakpoint', 'held', 'release', 'drop', 'reset'],
] as readonly (keyof Desk)[]

/** In the primary: a desk that asks. `ask` resolves with undefined if the worker does not answer. */
export function remoteDesk(number: number, ask: (question: Question) => Promise<Answer | undefined>): Desk {
  const method = (method: keyof Desk) => {
    return async (...given: readonly unknown[]) => {
      const answer = await ask({ method, given })
      if (!answer) throw new Refusal(409, `worker ${number} does not answer`)
      if ('error' in answer) throw errorOf(answer.error)
      return answer.value
    }
  }
  return Object.fromEntries(methods.map(name => [name, method(name)])) as unknown as Desk
}

/** In the worker: what the desk answers. */
export async function answerOf(desk: Desk, { method, given }: Question): Promise<Answer> {
  try {
    return { value: await (desk[method] as (...given: readonly unknown[]) => unknown)(...given) }
  } catch (error) {
    const status = error instanceof Refusal ? { status: error.status } : {}
    return { error: { message: errorMessage(error), code: errorCode(error), ...status } }
  }
}

/** What the page answers depends on the kind of the error. */
function errorOf({ message, code, status }: Extract<Answer, { error: unknown }>['error']): Error {
  if (status !== undefined) return new Refusal(status, message)
  return Object.assign(new Error(message), { code })
}
