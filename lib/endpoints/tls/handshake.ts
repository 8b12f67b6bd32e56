/**
 * TLS over a connected socket, in both roles. The socket below is kept, since only that can be reset, and no socket is
 * given out before the peer is verified.
 */
import { constants, X509Certificate } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect, createServer, type PeerCertificate, type TLSSocket } from 'node:tls'
import type { TlsFacts } from '../../stats/summary.js'
import { errorCode, TcpPipeError, timeoutError } from '../../text/errors.js'
import { formatDuration } from '../../text/quantities.js'
import type { Accept, HandshakeOptions, SecureSocket } from '../endpoint.js'
import { hiddenReset, resetOnDestroy, setCarrier } from '../reset.js'
import { hasCloseNotify } from './close-notify.js'
import { explain } from './hints.js'
import { pinOf } from './pin.js'
import type { ClientContext, ServerContext } from './secure-context.js'

export function tlsAcceptor({ options, ignoreUnexpectedEof }: ServerContext): Accept {
  const handshakes = new WeakMap<Socket, Handshake>()
  const server = createServer({
    ...options,
    handshakeTimeout: 2 ** 31 - 1, // Node's own timeout leaves the socket open, and every byte begins it anew
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION, // what Node does about too many would be done inside of OpenSSL
  })
  server.on('secureConnection', socket => {
    socket.allowHalfOpen = true
    handshakeOf(socket)?.succeed(socket)
  })
  server.on('tlsClientError', (error, socket) => handshakeOf(socket)?.fail(refusal(socket) ?? error))

  /** Node tells no other way which socket is below. */
  function handshakeOf(socket: TLSSocket): Handshake | undefined {
    return handshakes.get((socket as unknown as { _parent: Socket })._parent)
  }

  return async (raw, { handshakeTimeout, signal } = {}) =>
    shakeHands(raw, 'the client', { handshakeTimeout, signal, ignoreUnexpectedEof }, handshake => {
      handshakes.set(raw, handshake)
      raw.allowHalfOpen = false // whose end comes before the handshake is made would be waited for otherwise
      server.emit('connection', raw)
      raw.allowHalfOpen = true
    })
}

/** Node closes the socket of a client whose certificate is refused, and keeps the reason there. */
function refusal({ authorizationError }: TLSSocket): Error | undefined {
  if (!authorizationError) return undefined
  const code = String(authorizationError)
  const error = Object.assign(new Error(`the client's certificate is refused: ${code}`), { code })
  return explain(error, 'nobody in clientCa (--client-ca) has signed it') as Error
}

/**
 * Speaks TLS with the server to which `raw` is connected. `name` stands for it in errors; its certificate must have
 * `host`, unless the context has another name. When that fails it rejects, and the server is reset.
 */
export function tlsConnect(
  raw: Socket,
  name: string,
  host: string,
  context: ClientContext,
  options: HandshakeOptions = {},
): Promise<SecureSocket> {
  const { secureContext, pins, verify, ignoreUnexpectedEof, serverName = host } = context
  const strictness = { ...options, ignoreUnexpectedEof }
  return shakeHands(raw, name, strictness, ({ succeed, fail }) => {
    const socket = connect({
      socket: raw,
      secureContext,
      host: serverName,
      servername: isIP(serverName) ? '' : serverName,
      rejectUnauthorized: verify,
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

/** Node (22.23) takes an IPv6 address for a name, which no certificate has. */
function checkIdentity(host: string, certificate: PeerCertificate): Error | undefined {
  const isOfAddress = isIP(host) > 0 && new X509Certificate(certificate.raw).checkIP(host) !== undefined
  return isOfAddress ? undefined : checkServerIdentity(host, certificate)
}

const noAnswer = 'perhaps it does not accept us: it may want another certificate (--cert, --key)'

/** In TLS 1.3 a server looks at our certificate when the handshake is over for us; a ticket, or a byte, says that it is content. */
function explainRefusal(socket: TLSSocket): void {
  let isAccepted = socket.getProtocol() !== 'TLSv1.3'
  socket.once('session', () => {
    isAccepted = true
  })
  socket.once('error', error => {
    const isAlert = errorCode(error)?.startsWith('ERR_SSL_')
    if (!isAccepted && socket.bytesRead === 0) explain(error, isAlert ? undefined : noAnswer)
  })
}

function wrongPin(socket: TLSSocket, pins: readonly string[]): TcpPipeError | undefined {
  const pin = pinOf(socket.getPeerX509Certificate() as X509Certificate) // there is no handshake without one
  if (pins.includes(pin)) return undefined
  return new TcpPipeError('ERR_PIN', `pin: the server's public key is ${pin}; expected ${pins.join(' or ')}`)
}

interface Handshake {
  succeed(socket: TLSSocket): void
  fail(error: unknown): void
}

/** Until it has succeeded, whoever closes the socket resets it: an end would look like one that was meant. */
function shakeHands(
  raw: Socket,
  peer: string,
  { handshakeTimeout = 10_000, signal, ignoreUnexpectedEof }: HandshakeOptions & { ignoreUnexpectedEof: boolean },
  begin: (handshake: Handshake) => void,
): Promise<SecureSocket> {
  let timer: NodeJS.Timeout | undefined
  let refuse: (reason: unknown) => void
  const abort = () => refuse(signal?.reason)
  const restore = resetOnDestroy(raw)
  raw.on('error', () => {})
  const shaken = new Promise<TLSSocket>((succeed, fail) => {
    const late = () => fail(timeoutError('handshake', `no TLS with ${peer} in ${formatDuration(handshakeTimeout)}`))
    if (handshakeTimeout > 0) timer = setTimeout(late, handshakeTimeout)
    refuse = fail
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) return abort()
    begin({
      succeed(socket) {
        guard(socket, raw, ignoreUnexpectedEof)
        socket.once('error', fail)
        setImmediate(succeed, socket) // for OpenSSL it is not over yet: an end sent now would lack its close_notify
      },
      fail,
    })
    raw.once('close', () => setImmediate(fail, closedError(peer))) // Node tells its reason, if it has one, behind that
  })
  return shaken
    .then(socket => ({ socket, facts: factsOf(socket) }))
    .catch(error => {
      raw.destroy()
      throw explain(error)
    })
    .finally(() => {
      restore()
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    })
}

/** From here on a failure resets the socket below, and an end that the peer has not announced is one. */
function guard(socket: TLSSocket, raw: Socket, ignoreUnexpectedEof: boolean): void {
  setCarrier(socket, raw)
  void socket.remoteAddress // Node remembers it from here on, and does not know it when the peer has reset
  socket.setMaxListeners(20) // of `close` Node has three here, and two pipelines come near to ten
  socket.on('error', () => {}) // whoever it is given to tells it
  if (ignoreUnexpectedEof) return
  const push = socket.push
  socket.push = (chunk, encoding) => {
    const isCut = chunk === null && !hasCloseNotify(socket, raw)
    if (isCut) socket.destroy(hiddenReset(socket) ?? unexpectedEof())
    return !isCut && push.call(socket, chunk, encoding)
  }
}

function factsOf(socket: TLSSocket): TlsFacts {
  const { servername } = socket as TLSSocket & { servername?: string | false | null }
  const subject = socket.authorized && socket.getPeerX509Certificate()?.subject.replaceAll('\n', ', ')
  return {
    protocol: String(socket.getProtocol()),
    cipher: socket.getCipher().name,
    ...(servername && { serverName: servername }),
    ...(subject && { subject }),
  }
}

function unexpectedEof(): TcpPipeError {
  const advice = 'what has come may be cut off; ignoreUnexpectedEof (--ignore-unexpected-eof) takes it for an end'
  return new TcpPipeError('ERR_UNEXPECTED_EOF', `the peer closed the connection without close_notify: ${advice}`)
}

function closedError(peer: string): Error {
  return Object.assign(new Error(`${peer} has closed the connection`), { code: 'ECONNRESET' })
}
