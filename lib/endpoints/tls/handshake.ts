/**
 * TLS over a connected socket, in both roles. Keeps the socket below, because only that socket can be reset. Returns no
 * socket before the peer is verified.
 */
import { constants, X509Certificate } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect, createServer, type PeerCertificate, type TLSSocket } from 'node:tls'
import type { TlsFacts } from '../../stats/tls-facts.js'
import { abortError, errorCode, isReset, TcpPipeError, timeoutError } from '../../text/errors.js'
import { optionName, withOptionNames } from '../../text/option-name.js'
import { formatDuration } from '../../text/quantities.js'
import {
  type Accept,
  type DialOptions,
  defaultTimes,
  type EndNotice,
  type HandshakeOptions,
  type SecureSocket,
} from '../endpoint.js'
import { hasReadEnd, hiddenReset, resetOnDestroy, setCarrier } from '../reset.js'
import { peerCertificate, pinOf } from './certificate.js'
import { hasCloseNotify } from './close-notify.js'
import { sizedStarts } from './first-bytes.js'
import { explain } from './hints.js'
import type { ClientContext, ServerContext } from './secure-context.js'

export function tlsAcceptor({ options, ignoreUnexpectedEof }: ServerContext, whenSized = sizedStarts()): Accept {
  const handshakes = new WeakMap<Socket, Handshake>()
  const server = createServer({
    ...options,
    handshakeTimeout: 2 ** 31 - 1, // Node's own timeout leaves the socket open, and every byte restarts it
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION, // Node's own limit would act inside OpenSSL
  })
  server.on('secureConnection', socket => {
    socket.allowHalfOpen = true
    handshakeOf(socket)?.succeed(socket)
  })
  server.on('tlsClientError', (error, socket) => handshakeOf(socket)?.fail(refusal(socket) ?? error))

  /** The only way to find the socket below. */
  function handshakeOf(socket: TLSSocket): Handshake | undefined {
    return handshakes.get((socket as unknown as { _parent: Socket })._parent)
  }

  return async (raw, { handshakeTimeout, signal } = {}) =>
    shakeHands(raw, 'the client', { handshakeTimeout, signal, ignoreUnexpectedEof, aborted: reasonOf }, handshake => {
      handshakes.set(raw, handshake)
      whenSized(raw, () => {
        raw.allowHalfOpen = false // otherwise Node keeps a client that ends before the handshake
        server.emit('connection', raw)
        raw.allowHalfOpen = true
      })
    })
}

/** Returns the reason for a refused client certificate. Node closes the socket and stores the reason there. */
function refusal({ authorizationError }: TLSSocket): Error | undefined {
  if (!authorizationError) return undefined
  const code = String(authorizationError)
  const error = Object.assign(new Error(`the client's certificate is refused: ${code}`), { code })
  return explain(error, `no authority in ${optionName('clientCa')} has signed it`) as Error
}

/**
 * Runs a TLS handshake with the server that `raw` is connected to. Errors name the server `name`. Its certificate must
 * match `host`, unless the context sets another name. If the handshake fails, resets the server and rejects.
 */
export function tlsConnect(
  raw: Socket,
  name: string,
  host: string,
  context: ClientContext,
  options: Pick<DialOptions, 'handshakeTimeout' | 'signal' | 'alpn'> = {},
): Promise<SecureSocket> {
  const { secureContext, pins, verify, ignoreUnexpectedEof, serverName = host } = context
  const { alpn = context.alpn ?? [] } = options
  const manner = { ...options, ignoreUnexpectedEof, aborted: abortError }
  return shakeHands(raw, name, manner, ({ succeed, fail }) => {
    const socket = connect({
      socket: raw,
      secureContext,
      host: serverName,
      servername: isIP(serverName) ? '' : serverName,
      rejectUnauthorized: verify,
      ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }),
      checkServerIdentity: (_, certificate) => checkIdentity(serverName, certificate),
    })
    socket.once('secureConnect', () => {
      const wrong = pins && wrongPin(socket, pins)
      if (wrong) fail(wrong)
      else succeed(socket)
      explainRefusal(socket)
    })
    socket.once('error', fail)
  })
}

/** Node (22.23) treats an IPv6 address as a name, which no certificate contains. */
function checkIdentity(host: string, certificate: PeerCertificate): Error | undefined {
  const isOfAddress = isIP(host) > 0 && new X509Certificate(certificate.raw).checkIP(host) !== undefined
  return isOfAddress ? undefined : checkServerIdentity(host, certificate)
}

const noAnswer = 'perhaps it does not accept the client: it may require another certificate: see {cert} and {key}'

/** A TLS 1.3 server checks the client certificate after the client's handshake. A ticket or a byte confirms success. */
function explainRefusal(socket: TLSSocket): void {
  let isAccepted = socket.getProtocol() !== 'TLSv1.3'
  socket.once('session', () => {
    isAccepted = true
  })
  socket.once('error', error => {
    const isAlert = errorCode(error)?.startsWith('ERR_SSL_')
    if (!isAccepted && socket.bytesRead === 0) explain(error, isAlert ? undefined : withOptionNames(noAnswer))
  })
}

function wrongPin(socket: TLSSocket, pins: readonly string[]): TcpPipeError | undefined {
  const pin = pinOf(peerCertificate(socket) as X509Certificate) // a handshake always has one
  if (pins.includes(pin)) return undefined
  return new TcpPipeError('ERR_PIN', `pin: the server's public key is ${pin}; expected ${pins.join(' or ')}`)
}

interface Handshake {
  succeed(socket: TLSSocket): void
  fail(error: unknown): void
}

interface Manner extends HandshakeOptions {
  readonly ignoreUnexpectedEof: boolean
  /** Returns the error for an abort. */
  aborted(signal: AbortSignal): unknown
}

/** Only a server aborts its own handshakes, and states why. */
function reasonOf({ reason }: AbortSignal): unknown {
  return reason
}

/** Until the handshake succeeds, closing the socket resets it: a normal end would look intentional. */
function shakeHands(
  raw: Socket,
  peer: string,
  { handshakeTimeout = defaultTimes.handshake, signal, ignoreUnexpectedEof, aborted }: Manner,
  begin: (handshake: Handshake) => void,
): Promise<SecureSocket> {
  let timer: NodeJS.Timeout | undefined
  let refuse: (reason: unknown) => void
  const abort = () => refuse(aborted(signal as AbortSignal))
  let isShaken = false
  // Node answers an end with a FIN. While that is pending, libuv refuses a reset, and Node (as of 26) leaves the socket open:
  // the process ends in an endless loop.
  const restore = resetOnDestroy(raw, () => isShaken || !hasReadEnd(raw))
  raw.on('error', () => {})
  const shaken = new Promise<SecureSocket>((succeed, fail) => {
    const late = () => fail(lateError(peer, handshakeTimeout))
    if (handshakeTimeout > 0) timer = setTimeout(late, handshakeTimeout)
    refuse = fail
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) return abort()
    begin({
      succeed(socket) {
        isShaken = true
        const facts = factsOf(socket)
        const endNotice = guard(socket, raw, facts, ignoreUnexpectedEof)
        socket.once('error', fail)
        setImmediate(succeed, { socket, facts, endNotice }) // OpenSSL has not finished yet: an end sent now would lack close_notify
      },
      fail,
    })
    raw.once('close', () => setImmediate(fail, closedError(peer))) // Node reports a reason, if any, after this event
  })
  return shaken
    .catch(error => {
      raw.destroy()
      throw explain(isReset(error) ? closedError(peer) : error)
    })
    .finally(() => {
      restore()
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    })
}

/** Makes a failure reset the socket below, and makes an end without close_notify a failure, unless it is accepted. */
function guard(socket: TLSSocket, raw: Socket, facts: TlsFacts, ignoreUnexpectedEof: boolean): EndNotice {
  setCarrier(socket, raw)
  void socket.remoteAddress // makes Node cache it: it is unavailable after a reset
  socket.setMaxListeners(20) // Node adds three `close` listeners, and two pipelines come close to ten
  socket.on('error', () => {}) // the user of the socket reports it
  const notice: EndNotice = {
    acceptMissing: () => false,
    omit() {
      socket._final = callback => void raw.end(callback)
    },
  }
  const push = socket.push
  socket.push = (chunk, encoding) => {
    if (chunk !== null || hasCloseNotify(socket, raw)) return push.call(socket, chunk, encoding)
    const reset = hiddenReset(socket)
    if (!reset) Object.assign(facts, { closeNotify: false })
    if (!reset && (ignoreUnexpectedEof || notice.acceptMissing())) return push.call(socket, null)
    failWhenRead(socket, reset ?? unexpectedEof())
    return false
  }
  return notice
}

/** Fails the socket when its reader has taken what came before. A flow reads again when its destination has room. */
function failWhenRead(socket: TLSSocket, error: Error): void {
  const fail = () => socket.readableLength === 0 && socket.destroy(error)
  const read = socket.read
  socket.read = size => {
    const { readableFlowing } = socket
    const chunk = read.call(socket, size)
    if (chunk === null || !readableFlowing) queueMicrotask(fail)
    return chunk
  }
  fail()
}

function factsOf(socket: TLSSocket): TlsFacts {
  const { servername } = socket as TLSSocket & { servername?: string | false | null }
  const subject = socket.authorized && peerCertificate(socket)?.subject.replaceAll('\n', ', ')
  return {
    protocol: String(socket.getProtocol()),
    cipher: socket.getCipher().name,
    ...(socket.alpnProtocol && { alpn: socket.alpnProtocol }),
    ...(servername && { serverName: servername }),
    ...(subject && { subject }),
  }
}

function unexpectedEof(): TcpPipeError {
  const advice = `data may be missing; ${optionName('ignoreUnexpectedEof')} accepts it as an end`
  return new TcpPipeError('ERR_UNEXPECTED_EOF', `the peer closed the connection without close_notify: ${advice}`)
}

function lateError(peer: string, time: number): TcpPipeError {
  return timeoutError('handshake', `no TLS with ${peer} in ${formatDuration(time)}; it may not speak TLS`)
}

function closedError(peer: string): Error {
  return Object.assign(new Error(`${peer} closed the connection during the TLS handshake`), { code: 'ECONNRESET' })
}
