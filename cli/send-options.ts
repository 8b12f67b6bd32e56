/** The options of `send`, except those that it shares. */
import { Option } from 'commander'
import { type Address, addressForms, bindAddress, defaultHost, defaultPort } from '../lib/endpoints/address.js'
import type { OnEof, OnPeerEnd, SendOptions } from '../lib/send/options.js'
import type { Stage } from '../lib/stages/stage.js'
import { frequent, group } from './help.js'
import type { LogOptions } from './log.js'
import { address, bytes, choice, count, duration, rawOption, repeatable, value } from './options.js'
import type { PageOptions } from './page-options.js'
import type { SendReliableOptions } from './reliable-options.js'
import type { SendTlsOptions } from './tls-options.js'

export interface Options extends LogOptions, SendTlsOptions, PageOptions, SendReliableOptions {
  to?: Address
  from?: Address
  follow?: boolean
  transform?: string[]
  replyTransform?: string[]
  bind?: Address
  4?: boolean
  6?: boolean
  connectTimeout?: number
  idleTimeout?: number
  maxDuration?: number
  retry?: number
  retryInterval?: number
  receiveOnly?: boolean
  onEof?: OnEof
  onPeerEnd?: OnPeerEnd
  wait?: number
  size?: number
  progress?: boolean
  raw?: boolean
  maxRecord?: number
}

/** The library options, all but those of a run. */
export type Given = SendOptions & { readonly replyTransforms: () => readonly Stage[] }

export function ownOptions(): Option[] {
  return [
    frequent(address('--to <address>', `${addressForms('dial')} (default: ${defaultHost}:${defaultPort})`, 'dial')),
    frequent(repeatable('-t, --transform <spec>', "stages joined by '|'; may be repeated")),
    frequent(repeatable('-r, --reply-transform <spec>', 'stages from the peer to stdout; may be repeated')),
    address('--from <address>', 'send what comes from there, one way, in place of files', 'source', 'dial'),
    new Option('--follow', 'go on with what is added to the file, as tail -F, one way'),
    ...group('Connecting:', [
      value('--bind <address>', "source address, such as '127.0.0.2' or '127.0.0.2:4000'", bindAddress),
      new Option('-4', 'IPv4 only').conflicts('6'),
      new Option('-6', 'IPv6 only'),
      frequent(count('--retry <n>', 'retries to connect (default: 0)', 0)),
      duration('--retry-interval <time>', 'between attempts to connect (default: growing, from 0.1s to 5s)'),
    ]),
    ...group('Ends:', [
      choice(
        '--on-eof <action>',
        "at the end of the input: half-close and wait for the peer's end, keep our side open until then, or close (default: half-close)",
        ['half-close', 'keep', 'close'],
      ),
      choice(
        '--on-peer-end <action>',
        "at the peer's end: send the rest of the input, or stop (default: send; stop if the input is a terminal)",
        ['send', 'stop'],
      ),
      frequent(new Option('--receive-only', "send nothing, end after the peer's end")),
    ]),
    ...group('Output and progress:', [
      rawOption(),
      new Option('--progress', 'show progress after a second (default: if stderr is a terminal)'),
      new Option('--no-progress', 'do not show progress'),
      bytes('--size <bytes>', 'size of the input, for the progress line'),
    ]),
  ]
}

export function timeoutOptions(): Option[] {
  return group('Timeouts (off disables one):', [
    frequent(duration('--connect-timeout <time>', 'to connect, per attempt (default: 10s)')),
    duration('--handshake-timeout <time>', 'for the whole TLS handshake (default: 10s)'),
    frequent(duration('--idle-timeout <time>', 'without a byte either way (default: off)')),
    duration('--wait <time>', "for the peer's end, after the end of the input (default: off)"),
    duration('--max-duration <time>', 'for the whole connection (default: off)'),
  ])
}
