/** A handler: code that has the stream of a connection to itself. */
import type { Duplex } from 'node:stream'
import type { Connection } from '../connection/connection.js'
import type { Timeouts } from '../connection/timeouts.js'
import { type Logger, openContext } from '../stages/context.js'
import { timeoutError } from '../text/errors.js'
import type { Work } from './state.js'

/** Receives the raw stream of the client. The stream ends when the promise resolves, and is reset when it rejects. */
export type Handler = (stream: Duplex, context: { log: Logger; connection: Connection }) => unknown

/** Runs the handler for each connection. */
export function handling(handler: Handler, { idleTimeout, halfClosedTimeout = idleTimeout }: Timeouts): Work {
  return async (connection, { stream }) => {
    const { context } = openContext({ log: connection.log, connection: connection.info('forward') })
    // `for await` destroys a stream after its end, and the reply with it. Here the promise decides what follows.
    Object.defineProperty(stream, Symbol.asyncIterator, { value: () => stream.iterator({ destroyOnReturn: false }) })
    let timer: NodeJS.Timeout | undefined
    const late = timeoutError('half-closed', `the handler has not ended ${halfClosedTimeout} ms after its connection`)
    const closed = () => {
      timer = setTimeout(() => connection.fail(late), halfClosedTimeout)
    }
    const over = () => {
      stream.off('close', closed)
      clearTimeout(timer)
    }
    if (halfClosedTimeout > 0) stream.once('close', closed)
    void connection.closed.then(over) // it may fail for another reason
    try {
      await handler(stream, { log: context.log, connection })
    } finally {
      over()
    }
  }
}
