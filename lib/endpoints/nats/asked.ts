/** Questions about a stream or a consumer: a cluster that elects a leader answers none. */
import { errors } from '@nats-io/transport-node'

/** Milliseconds to wait for an answer. */
export const questionTimeout = 2500

/** A cluster needs some seconds to elect its leaders. */
const mostQuestions = 8

/** Asks until there is an answer. Rejects with what the server says, or if it says nothing for 20 seconds. */
export async function asked<T>(ask: () => Promise<T>, most = mostQuestions): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (most === 1 || !isSilence(error)) throw error
    return asked(ask, most - 1)
  }
}

function isSilence(error: unknown): boolean {
  return error instanceof Error && (error instanceof errors.TimeoutError || isSilence(error.cause))
}
