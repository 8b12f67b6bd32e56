/** send, reliably: a transfer over a session, again if the receiver needs what is not kept any more, with a receipt. */
import { type Address, formatAddress } from '../endpoints/address.js'
import type { Leg, SessionSide } from '../endpoints/endpoint.js'
import type { Receipt } from '../endpoints/session/hello.js'
import { identityOf, newSecret } from '../endpoints/session/identity.js'
import type { DialSession } from '../endpoints/session/options.js'
import { isDifferent, isGone } from '../endpoints/session/outgoing.js'
import type { Summary } from '../stats/summary.js'
import { errorMessage } from '../text/errors.js'
import type { SendOptions } from './options.js'

/** The proof that the receiver has everything: it has written it, compared length and digest, and said so. */
export interface SendReceipt extends Receipt {
  /** Milliseconds. */
  readonly duration: number
  /** The number of connections after the first one. */
  readonly reconnects: number
  /** The summary of the connection. */
  readonly summary: Summary
}

/** A connection that has ended. */
export interface Transferred {
  readonly summary: Summary
  readonly leg: Leg
}

/** `isRepeated` says of an error whether another attempt follows it: then it is no failure. */
type Transfer = (
  options: SendOptions,
  address: Address,
  session: DialSession,
  isRepeated: (error: unknown) => boolean,
) => Promise<Transferred>

/** The number of times that a transfer begins anew, because the receiver has lost or changed what it had. */
const mostRestarts = 10

export async function sendReliably(options: SendOptions, address: Address, transfer: Transfer): Promise<SendReceipt> {
  const { name, window, giveUpAfter, linkTimeout, links, log, mode, mtime, resumeKey } = options
  const file = fileOf(options.from)
  const identity = file === undefined ? {} : await identityOf(file, formatAddress(address), name, resumeKey)
  const isRereadable = identity.size !== undefined
  const session: DialSession = {
    ...{ name, mode, mtime, window, giveUpAfter, linkTimeout, links },
    ...{ id: newSecret(), secret: newSecret(), group: links ? undefined : newSecret() },
    ...identity,
    size: options.size ?? (options.transforms ? undefined : identity.size), // what stages make of it is unknown
    rereadable: isRereadable,
    onLost: error => log?.warn({ error: errorMessage(error) }, 'the connection is lost, connecting again'),
    onResumed() {
      log?.info('connected again')
      options.onReconnect?.()
    },
  }
  const started = performance.now()
  const { summary, leg } = await again(options, address, session, transfer, isRereadable ? mostRestarts : 0)
  const { receipt, reconnects } = leg.session as SessionSide
  return { ...(receipt as Receipt), duration: Math.round(performance.now() - started), reconnects, summary }
}

/** A file can be sent again from its beginning: the session skips what the receiver has. */
async function again(
  options: SendOptions,
  address: Address,
  session: DialSession,
  transfer: Transfer,
  left: number,
): Promise<Transferred> {
  const isRepeated = (error: unknown) => left > 0 && !options.signal?.aborted && (isGone(error) || isDifferent(error))
  try {
    return await transfer(options, address, session, isRepeated)
  } catch (error) {
    if (!isRepeated(error)) throw error
    const restart = isDifferent(error)
    options.log?.warn({ error: errorMessage(error) }, restart ? 'sending it anew' : 'reading it again')
    options.onReconnect?.()
    const { summary } = error as { summary?: Summary }
    const reconnectsBefore = (summary?.session?.reconnects ?? session.reconnectsBefore ?? 0) + 1
    return again(options, address, { ...session, restart, reconnectsBefore }, transfer, left - 1)
  }
}

function fileOf(from: SendOptions['from']): string | undefined {
  const isFile = typeof from === 'object' && from !== null && 'scheme' in from && from.scheme === 'file'
  return isFile ? from.path : undefined
}
