/**
 * Pins: the SHA-256 of a certificate's public key (SubjectPublicKeyInfo, as in RFC 7469), written as curl's
 * `--pinnedpubkey` takes it: `sha256//` and base64, several joined by `;`.
 */
import { createHash, type X509Certificate } from 'node:crypto'
import { TcpPipeError } from '../../text/errors.js'

/** `sha256//…` of the certificate's public key. */
export function pinOf(certificate: X509Certificate): string {
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' })
  return `sha256//${createHash('sha256').update(key).digest('base64')}`
}

/** One pin or several. Throws `ERR_OPTION`. */
export function parsePins(text: string): string[] {
  const pins = String(text).split(';')
  for (const pin of pins) {
    if (/^sha256\/\/[A-Za-z0-9+/]{43}=$/.test(pin)) continue
    const expected = "expected 'sha256//' and the base64 of a SHA-256, as a server tells it in its line 'listening'"
    throw new TcpPipeError('ERR_OPTION', `'${pin}' is no pin; ${expected}`)
  }
  return pins
}
