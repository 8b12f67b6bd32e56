/** `--ui` and what belongs to it. */
import { Option } from 'commander'
import type { Address } from '../lib/endpoints/address.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { isToken, tokenRule } from '../lib/text/token.js'
import { group } from './help.js'
import { bytes, httpAddress, value } from './options.js'

export interface PageOptions {
  ui?: Address
  uiToken?: string
  keep?: number
  keepTotal?: number
  keepTls?: boolean
}

export function pageOptions(): Option[] {
  return group('Page:', [
    httpAddress(
      '--ui [address]',
      'serve a page that shows connections, bytes and stages while they run',
      '127.0.0.1:3098',
    ),
    value('--ui-token <token>', 'the token that changes on the page need (default: a random one)', readToken),
    bytes('--keep <bytes>', 'the last bytes to keep of each connection, for the page; 0: none (default: 256k)', 0),
    bytes('--keep-total <bytes>', 'the last bytes to keep in all (default: 64m)', 0),
    new Option('--keep-tls', 'also keep the decrypted bytes of TLS connections'),
  ])
}

/** The error does not show the token, which may be nearly right. */
function readToken(text: string): string {
  if (isToken(text)) return text
  throw new TcpPipeError('ERR_OPTION', `the token is not allowed; expected ${tokenRule}`)
}

/** Rejects what has no effect without a page: its user would rely on it. */
export function checkPage({ ui, uiToken, keep, keepTotal, keepTls }: PageOptions): void {
  const given = { '--ui-token': uiToken, '--keep': keep, '--keep-total': keepTotal, '--keep-tls': keepTls }
  const [name] = Object.entries(given).find(([, value]) => value !== undefined) ?? []
  if (name && !ui) throw new TcpPipeError('ERR_OPTION', `${name} needs --ui: it is for the page`)
}
