/** Questions about a stream or a consumer: a cluster that elects a leader answers none. */
import { errors } from '@nats-io/transport-node'

/** Milliseconds to wait for an answer. */
export const questionTimeout = 2500

/** Questions, at most: a cluster needs some seconds to elect its leaders. */
const most = 8

/** Asks until there is an answer. Rejects with what the server says, or if it says nothing for 20 seconds. */
export async function asked<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      if (attempt === most || !isSilence(error)) throw error
    }
  }
}

function isSilence(error: unknown): boolean {
  return error instanceof Error && (error instanceof errors.TimeoutError || isSilence(error.cause))
}
