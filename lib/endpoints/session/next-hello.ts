/** The start of a session on a link, for its listener: waits for the hello, and may refuse it. */
import { attempt, TcpPipeError, toError } from '../../text/errors.js'
import { formatDuration } from '../../text/quantities.js'
import { type Hello, helloOf } from './hello.js'
import type { Link } from './link.js'

interface Terms {
  /** Milliseconds to wait; 0 is no limit. */
  readonly timeout: number
  /** When the time has begun. Default: now. */
  readonly since?: number
  readonly signal: AbortSignal
  /** Called when the link is lost, before anybody else hears of it. */
  lost?(error: Error): void
}

/** Resolves with the next hello. Rejects if the link is lost, and refuses what is no hello in words. */
export function nextHello(link: Link, { timeout, since = performance.now(), signal, lost }: Terms): Promise<Hello> {
  return new Promise((resolve, reject) => {
    const late = () => link.drop(sessionFault(`the client sent no hello within ${formatDuration(timeout)}`))
    const timer = timeout > 0 ? setTimeout(late, Math.max(1, since + timeout - performance.now())) : undefined
    const abort = () => link.drop(signal.reason)
    const stop = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    }
    const wrong = (error: Error) => {
      stop()
      attempt(() => refuse(link, error.message), reject)
    }
    const early = () => wrong(sessionFault('the client sent data before its session has begun'))
    link.use({
      frame(frame) {
        if (frame.type === 'ping') return
        if (frame.type !== 'hello')
          return wrong(sessionFault(`the client sent a frame of type ${frame.type}; expected hello`))
        try {
          const hello = helloOf(frame)
          stop()
          resolve(hello)
          until(link)
        } catch (error) {
          wrong(toError(error))
        }
      },
      data: early,
      lost(error) {
        stop()
        lost?.(error)
        reject(error)
      },
    })
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
  })
}

/** Until the session has the link, the client waits for its welcome. */
function until(link: Link): void {
  const early = () => link.drop(sessionFault('the client sent data before its session has begun'))
  link.use({ frame: ({ type }) => void (type === 'ping' || early()), data: early })
}

/** Tells the client why, and ends the link. Throws what it has told. */
export function refuse(link: Link, message: string): never {
  link.use(undefined)
  link.send('error', 0, { code: 'refused', message })
  link.end()
  throw sessionFault(`refused: ${message}`)
}

export function sessionFault(message: string): TcpPipeError {
  return new TcpPipeError('ERR_SESSION', message)
}
