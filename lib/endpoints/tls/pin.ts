/**
 * Pins: the SHA-256 of a certificate's public key (SubjectPublicKeyInfo, as in RFC 7469), in the format of curl's
 * `--pinnedpubkey`: `sha256//` and base64, joined by `;`.
 */
import { TcpPipeError } from '../../text/errors.js'

/** Parses one or more pins. Throws `ERR_OPTION`. */
export function parsePins(text: string): string[] {
  const pins = String(text).split(';')
  for (const pin of pins) {
    if (/^sha256\/\/[A-Za-z0-9+/]{43}=$/.test(pin)) continue
    const expected = "expected 'sha256//' and the base64 of a SHA-256, as a server reports it in its line 'listening'"
    throw new TcpPipeError('ERR_OPTION', `'${pin}' is not a pin; ${expected}`)
  }
  return pins
}
