/** Messages for TLS errors, with advice. */
import { errorCode } from '../../text/errors.js'
import { withOptionNames } from '../../text/option-name.js'

const noTls = 'the peer does not speak TLS'
const noVersion = 'no version of TLS is common to both; see {minVersion}'
const ended = 'it may not speak TLS, or not accept the certificate of this side'
const refusedByServer = 'the server may want a certificate: see {cert} and {key}; or no cipher is common to both'
const noProtocol = 'no application protocol is common to both; see {alpn}'
const unknownRoot = 'it leads to no authority that is trusted here: see {ca} and {pin}'

/** Advice by Node's error codes, which come from OpenSSL. Options stand in braces. */
const hints = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'if it is the right one, give it as {ca} or its pin as {pin}'],
  ['SELF_SIGNED_CERT_IN_CHAIN', unknownRoot],
  ['UNABLE_TO_GET_ISSUER_CERT', unknownRoot],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', unknownRoot],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', `${unknownRoot}; or the peer did not send its intermediate certificates`],
  ['CERT_HAS_EXPIRED', 'the peer needs a new one'],
  ['CERT_NOT_YET_VALID', 'is the clock right on both sides?'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'if it is the right server, give a name of its certificate as {serverName}'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', noTls],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', noTls],
  ['ERR_SSL_HTTP_REQUEST', noTls],
  ['ERR_SSL_UNEXPECTED_MESSAGE', noTls],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', noVersion],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', noVersion],
  ['ERR_SSL_NO_APPLICATION_PROTOCOL', noProtocol],
  ['ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', noProtocol],
  ['ERR_SSL_TLS_ALERT_NO_APPLICATION_PROTOCOL', noProtocol],
  ['ERR_SSL_NO_SHARED_CIPHER', 'no cipher is common to both'],
  ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', 'the client has no certificate, and {clientCa} asks for one'],
  ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', refusedByServer],
  ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', refusedByServer],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'the server wants a certificate: see {cert} and {key}'],
  ['ECONNRESET', ended],
  ['EPIPE', ended],
])

const explained = new WeakSet<Error>()

/**
 * Adds advice to an error message, once: `advice`, or that of the code. Shortens OpenSSL's text. Keeps the code. Leaves
 * other errors alone: the message of some, such as a DOMException, cannot be set.
 */
export function explain(error: unknown, advice?: string): unknown {
  if (!(error instanceof Error) || explained.has(error)) return error
  explained.add(error)
  const message = messageWith(error, advice ?? withOptionNames(hints.get(errorCode(error) ?? '') ?? ''))
  if (message !== error.message) error.message = message
  return error
}

function messageWith(error: Error, hint: string | undefined): string {
  const code = errorCode(error)
  const isOfOpenSsl = code?.startsWith('ERR_SSL_') && 'reason' in error
  let message = isOfOpenSsl ? `TLS: ${error.reason}` : error.message
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') message = withNames(error)
  message = message.replace(/; if the root CA is installed locally.*/, '') // a Node option
  return hint ? `${message}; ${hint}` : message
}

/** Lists the names in the certificate. Node does not if the host is an address and the certificate has no address. */
function withNames({ message, cert }: Error & { cert?: { subjectaltname?: string } }): string {
  return message.replace(/(?<=list: )$/, (cert?.subjectaltname ?? 'none').slice(0, 200))
}
