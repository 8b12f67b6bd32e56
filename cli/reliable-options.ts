/** The options of reliable transfers, and where they have an effect. */
import { Option } from 'commander'
import type { Address } from '../lib/endpoints/address.js'
import { longestName, type SessionKind } from '../lib/endpoints/session/hello.js'
import { sessionDefaults } from '../lib/endpoints/session/options.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { frequent, group } from './help.js'
import { bytes, limit, value } from './options.js'

/** Of every command that has sessions. */
export interface ReliableOptions {
  reliable?: boolean
  window?: number
  giveUpAfter?: number
  linkTimeout?: number
}

/** Of `send`. */
export interface SendReliableOptions extends ReliableOptions {
  name?: string
  preserve?: boolean
  receipt?: string
}

const heading = 'Reliable:'

export function serveReliableOption(): Option {
  const what = 'only transfers of send --reliable, as reliable://…'
  return new Option('--reliable', what).helpGroup(heading)
}

export function sendReliableOptions(): Option[] {
  return group(heading, [
    frequent(new Option('--reliable', 'survive broken links; exit 0 only with a receipt')),
    value('--name <path>', 'the name of stdin, or another one for a file; a relative path', readName),
    new Option('--preserve', 'keep the permissions and the times of files'),
    value('--receipt <file>', 'also append the receipts to a file, a JSON object per line', readFile),
    ...sessionOptions(),
  ])
}

export function sessionOptions(): Option[] {
  return group(heading, [
    bytes('--window <bytes>', 'bytes to keep until they are confirmed (default: 16m; 4m for proxy)', 1),
    limit('--give-up-after <time>', 'without a connection, for connecting again (default: 5m)'),
    limit('--link-timeout <time>', 'without a sign of life, until a connection is lost (default: 30s)'),
  ])
}

function readName(text: string): string {
  const isRelative = text.split('/').every(part => !/^\.{0,2}$/.test(part))
  if (isRelative && Buffer.byteLength(text) <= longestName) return text
  throw new TcpPipeError(
    'ERR_OPTION',
    `'${text}' is not allowed; expected a relative path without '..', such as a/b.tar`,
  )
}

function readFile(text: string): string {
  if (text !== '' && text !== '-') return text
  throw new TcpPipeError('ERR_OPTION', `'${text}' is not allowed; expected a file name`)
}

/** Whether the options or one of the addresses ask for sessions. */
export function isReliable({ reliable }: ReliableOptions, ...addresses: readonly (Address | undefined)[]): boolean {
  return reliable === true || addresses.some(address => address?.scheme === 'reliable')
}

/** Rejects what has no effect without sessions: its user would rely on it. Throws `ERR_OPTION`. */
export function checkSessions(
  options: SendReliableOptions,
  addresses: readonly (Address | undefined)[],
  needs = '--reliable or an address reliable://…',
): void {
  if (isReliable(options, ...addresses)) return
  const { window, giveUpAfter, linkTimeout, name, preserve, receipt } = options
  const given = {
    ...{ '--window': window, '--give-up-after': giveUpAfter, '--link-timeout': linkTimeout },
    ...{ '--name': name, '--preserve': preserve, '--receipt': receipt },
  }
  const [flag] = Object.entries(given).find(([, each]) => each !== undefined && each !== false) ?? []
  if (flag) throw new TcpPipeError('ERR_OPTION', `${flag} needs ${needs}: it concerns reliable transfers`)
}

/** The values of options that are not given, if one of the addresses has sessions. */
export function sessionDefaultsOf(addresses: readonly (Address | undefined)[], kind: SessionKind): object {
  if (!isReliable({}, ...addresses)) return {}
  const { window, giveUpAfter, linkTimeout } = sessionDefaults
  return { window: window[kind], giveUpAfter, linkTimeout }
}
