/** The options of `serve`, except those that it shares, and what they exclude. */
import { statSync } from 'node:fs'
import { Option } from 'commander'
import type { Address } from '../lib/endpoints/address.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { isTemplate } from '../lib/text/template.js'
import { type AlsoOptions, alsoFiles, alsoOptions, checkAlso } from './also-options.js'
import { frequent, group } from './help.js'
import type { LogOptions } from './log.js'
import { choice, rawOption, repeatable, target } from './options.js'
import { isReliable, serveReliableOption } from './reliable-options.js'
import type { ServerOptions } from './server-options.js'
import { checkWorkersOutput } from './workers-options.js'

export interface Options extends LogOptions, ServerOptions, AlsoOptions {
  transform?: string[]
  output?: string
  to?: Address
  reply?: boolean
  from?: string
  replyTransform?: string[]
  onEof?: 'half-close' | 'keep'
  onPeerEnd?: 'send' | 'stop'
  append?: boolean
  force?: boolean
  label?: boolean
  raw?: boolean
  progress?: boolean
}

export function ownOptions(): Option[] {
  return [
    frequent(repeatable('-t, --transform <spec>', "stages joined by '|'; may be repeated")),
    frequent(
      new Option(
        '-o, --output <file>',
        "write to a file; {id} {remote} {port} {time} {name} in its name are replaced; '-' is stdout (default)",
      ),
    ),
    frequent(target('--to <address>', 'send the result to an address, one way')),
    frequent(new Option('--reply', 'send the result back to the client')),
    frequent(new Option('--from <file>', "a file to send to each client; '-' is stdin (--once)")),
    repeatable('-r, --reply-transform <spec>', "stages between --from and the client, joined by '|'; may be repeated"),
    frequent(new Option('--chat', 'talk to one client at a time on stdin and stdout')),
    frequent(new Option('--once', 'stop after the first connection')),
    frequent(serveReliableOption()),
    ...alsoOptions(),
    ...group('Ends:', [
      choice(
        '--on-eof <action>',
        'at the end of --from: half-close, or keep our side open until the client ends (default: half-close)',
        ['half-close', 'keep'],
      ),
      choice('--on-peer-end <action>', 'at the end of the client: send the rest of --from, or stop (default: send)', [
        'send',
        'stop',
      ]),
    ]),
    ...group('Output and progress:', [
      new Option('--append', 'append to existing output files'),
      new Option('--force', 'replace existing output files'),
      new Option('--label', 'put the connection before each line'),
      rawOption(),
      new Option('--progress', 'show progress after a second (default: with --once or --from, on a terminal)'),
      new Option('--no-progress', 'do not show progress'),
    ]),
  ]
}

/** Rejects what excludes each other. Throws `ERR_OPTION`. */
export function check(options: Options, listen?: Address): void {
  const { output, to, reply, from, replyTransform, onEof, onPeerEnd, once, connectTimeout } = options
  checkChat(options)
  checkAlso(options)
  if (isReliable(options, listen)) checkTransfers(options)
  for (const [name, value] of Object.entries({ '--output': output, '--from': from })) {
    if (value === '') fault(`${name}: '' is not allowed; expected a file name or '-'`)
  }
  const sinks = Object.entries({ '--output': output, '--to': to, '--reply': reply }).filter(([, given]) => given)
  if (sinks.length > 1)
    fault(`${sinks.map(([name]) => name).join(' and ')} exclude each other: the result goes to one place`)
  if (reply && from) fault('--reply and --from exclude each other: both would write to the client')
  if (replyTransform && !from && !options.chat)
    fault('--reply-transform needs --from or --chat: it transforms what goes to the client')
  for (const [name, value] of Object.entries({ '--on-eof': onEof, '--on-peer-end': onPeerEnd }))
    if (value && !from) fault(`${name} needs --from: it concerns that file`)
  if (reply && options.also) fault('--reply and --also exclude each other: -t tee writes a file beside')
  const dials = to !== undefined || options.also?.some(each => each.to.scheme !== 'file')
  if (connectTimeout !== undefined && !dials) fault('--connect-timeout needs --to: it applies to that address')
  if (options.sendProxyProtocol && !to)
    fault('--send-proxy-protocol needs --to: it tells that address who the client is')
  if (from === '-' && !once) fault('--from - needs --once: stdin can be sent to only one client')
  const toFile = output !== undefined && output !== '-'
  if (!reply && !to && !toFile && !options.chat && !once) checkWorkersOutput(options)
  checkFiles(options)
}

/** What applies to files, and what several connections need in their names. */
function checkFiles(options: Options): void {
  const { once, append, force, output = '-' } = options
  const files = [...(output === '-' ? [] : [output]), ...alsoFiles(options)]
  if ((append || force) && files.length === 0) fault(`${append ? '--append' : '--force'} needs --output FILE`)
  if (append && force) fault('--append and --force exclude each other')
  const single = once || append ? undefined : files.find(file => !isTemplate(file) && !isDevice(file))
  if (single === undefined) return
  const option = single === output ? `--output ${single}` : `--also file:${single}`
  const placeholders = '({id} {remote} {port} {time}, with --reliable {name})'
  fault(`${option}: several connections need a placeholder ${placeholders} in the name, --once or --append`)
}

function checkChat({ chat, output, to, also, reply, from, maxConnections }: Options): void {
  const rivals = {
    '--output': output,
    '--to': to,
    '--also': also,
    '--reply': reply,
    '--from': from,
    '--max-connections': maxConnections,
  }
  const [name] = Object.entries(rivals).find(([, given]) => given) ?? []
  if (chat && name) fault(`--chat and ${name} exclude each other: it joins stdin and stdout to one client at a time`)
}

/** A transfer goes one way, with a reply at most. Its sender gets the receipt after our end. */
function checkTransfers({ chat, from }: Options): void {
  const [name] = Object.entries({ '--chat': chat, '--from': from }).find(([, given]) => given) ?? []
  if (name) fault(`--reliable and ${name} exclude each other: a reliable transfer is for what the client sends`)
}

/** A device or a FIFO accepts data from all connections. */
function isDevice(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && !stat.isFile() && !stat.isDirectory()
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
