/** The certificate of a peer, and what a client can learn from that of a server. */
import { createHash, type X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { explain } from './hints.js'

export interface CertificateFacts {
  /** The name of the owner, such as `CN=example.com`. */
  readonly subject: string
  /** The name of the authority that has signed it. */
  readonly issuer: string
  /** The names and addresses that it is valid for, such as `DNS:example.com`. */
  readonly names: string
  readonly validFrom: Date
  readonly validTo: Date
  /** The pin of its public key: `sha256//…`. */
  readonly pin: string
  /** Why it does not verify, with advice; undefined if it does. */
  readonly problem: Error | undefined
}

const certificates = new WeakMap<TLSSocket, X509Certificate>()

/** Returns the certificate of the peer, if it has one. For a client, Node (as of 26) has it only at the first call. */
export function peerCertificate(socket: TLSSocket): X509Certificate | undefined {
  const certificate = certificates.get(socket) ?? socket.getPeerX509Certificate()
  if (certificate) certificates.set(socket, certificate)
  return certificate
}

/** Returns the pin of the certificate's public key: `sha256//…`. */
export function pinOf(certificate: X509Certificate): string {
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' })
  return `sha256//${createHash('sha256').update(key).digest('base64')}`
}

/** Returns the facts about the certificate of a TLS server, or undefined without TLS. */
export function certificateOf(stream: Duplex): CertificateFacts | undefined {
  const certificate = stream instanceof TLSSocket && peerCertificate(stream)
  if (!certificate) return undefined
  const { subject, issuer, subjectAltName, validFrom, validTo } = certificate
  return {
    subject: oneLine(subject),
    issuer: oneLine(issuer),
    names: subjectAltName ?? '',
    validFrom: new Date(validFrom),
    validTo: new Date(validTo),
    pin: pinOf(certificate),
    problem: stream.authorized ? undefined : problemOf(stream.authorizationError),
  }
}

/** Node has only the code or the message. */
function problemOf(reason: unknown): Error {
  const text = String(reason)
  return explain(Object.assign(new Error(text), { code: text })) as Error
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ')
}
