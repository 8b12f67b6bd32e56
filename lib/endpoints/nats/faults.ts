/** What the server and the client of NATS report: what goes away when it is tried again, and what does not. */
import { JetStreamApiError, JetStreamError } from '@nats-io/jetstream'
import { errors } from '@nats-io/transport-node'
import { errorMessage, TcpPipeError } from '../../text/errors.js'
import { credentialVariables, formatNats, type NatsAddress } from './address.js'

/** An error about an address. Its secrets are hidden. */
export function natsError(address: NatsAddress, words: string, cause?: unknown): TcpPipeError {
  return new TcpPipeError('ERR_NATS', `${formatNats(address)}: ${words}`, { cause })
}

/** The error codes of JetStream that somebody has to do something about, and what. */
const remedies: Record<number, string> = {
  10002: 'raise the limits of the account, or remove data',
  10014: 'make the consumer again, or take another durable=',
  10023: 'raise the limits of the server, or remove data',
  10028: 'raise the limits of the server, or remove data',
  10039: 'enable JetStream for the account',
  10047: 'give the server more room, or remove data',
  10054: 'raise max_msg_size of the stream',
  10059: 'make the stream again, or add stream= and create=',
  10060: 'take the stream that has the subject',
  10076: 'start the server with -js',
  10077: 'raise the limits of the stream, remove messages, or let it discard old ones',
}

/**
 * Returns what is wrong and what helps, for an error that trying again does not mend; otherwise undefined. The client
 * wraps what the server says in errors of its own.
 */
export function finalWords(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  return wordsOf(error) ?? finalWords(error.cause)
}

function wordsOf(error: Error): string | undefined {
  const message = errorMessage(error)
  if (error instanceof errors.PermissionViolationError)
    return `the server does not permit it (${message}); give the user the permission`
  if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError)
    return `the server refuses the credentials (${message}); check ${ways}`
  if (error instanceof errors.ClosedConnectionError || error instanceof errors.DrainingConnectionError)
    return 'the connection to the server is closed'
  if (error instanceof errors.InvalidArgumentError || error instanceof errors.InvalidSubjectError) return message
  if (error instanceof JetStreamError && isFinalStatus(error)) return `the server says '${message}'`
  if (!(error instanceof JetStreamApiError)) return undefined
  const remedy = remedies[error.code]
  if (remedy) return `the server says '${message}'; ${remedy}`
  return error.status < 500 ? `the server says '${message}'` : undefined
}

/** What the server says to a reader when its request cannot be met, unless the consumer has only moved. */
function isFinalStatus(error: JetStreamError): boolean {
  const { code, message } = error as JetStreamError & { code?: number }
  return code === 400 || /deleted|push based|exceeded maxrequest/.test(message)
}

/** How an address or the environment of the program gives credentials. */
const ways = `user:password@, token@, creds=, nkey=, or ${credentialVariables.join(', ')}`

/** Returns the error of the address for an operation that failed and is not tried again. */
export function failure(address: NatsAddress, what: string, error: unknown): TcpPipeError {
  if (error instanceof TcpPipeError) return error
  return natsError(address, `${what}: ${finalWords(error) ?? errorMessage(error)}`, error)
}
