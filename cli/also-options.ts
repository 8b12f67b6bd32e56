/** The options of further sinks: `--also`, and those that apply to the one before them. */
import { Option } from 'commander'
import { type Address, addressForms, can, formatAddress, parseAddress } from '../lib/endpoints/address.js'
import { type Also, failPolicies, slowPolicies } from '../lib/endpoints/fan-out/options.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { group } from './help.js'
import { bytes, choice, value } from './options.js'

/** A further sink of the command line. */
export interface AlsoWords extends Also {
  readonly to: Address
  slow?: Also['slow']
  fail?: Also['fail']
}

export interface AlsoOptions {
  also?: AlsoWords[]
  spool?: string
  spoolSize?: number
}

export function alsoOptions(): Option[] {
  const all: AlsoWords[] = []
  const also = value('--also <address>', 'a further sink; may be repeated', text => {
    all.push({ to: readSink(text) })
    return all
  })
  const slow = ofTheLast(
    choice('--also-slow <policy>', 'if the --also before it is slow: block (default), drop or spool', slowPolicies),
    all,
    'slow',
  )
  const fail = ofTheLast(
    choice('--also-fail <action>', 'if it fails: end the connection (default), or continue (with drop)', failPolicies),
    all,
    'fail',
  )
  return group('Further sinks:', [
    ...[also, slow, fail],
    new Option('--spool <folder>', 'for --also-slow spool: where to store what waits, also over a restart'),
    bytes('--spool-size <bytes>', 'the most that waits for each --also (default: 1g)', 1),
  ])
}

/** Makes the option apply to the `--also` before it. */
function ofTheLast(option: Option, all: readonly AlsoWords[], name: 'slow' | 'fail'): Option {
  const { parseArg } = option
  return option.argParser(text => {
    const last = all.at(-1)
    const word = parseArg?.(text, undefined) as never
    if (!last) throw fault(`${option.long} ${text} needs an --also before it: it applies to that one`)
    if (last[name] !== undefined) throw fault(`${option.long} is given twice for --also ${formatAddress(last.to)}`)
    last[name] = word
    return word
  })
}

function readSink(text: string): Address {
  const address = parseAddress(text)
  const isSink = address.scheme === 'file' || (can('dial', address) && !['memory', 'listen'].includes(address.scheme))
  if (isSink) return address
  throw fault(`'${text}' is not allowed; expected ${addressForms('dial')}, or file:path`)
}

/** The files among the further sinks. */
export function alsoFiles({ also = [] }: AlsoOptions): string[] {
  return also.flatMap(({ to }) => (to.scheme === 'file' ? to.path : []))
}

/** Rejects what has no effect: its user would rely on it. Throws `ERR_OPTION`. */
export function checkAlso({ also = [], spool, spoolSize }: AlsoOptions): void {
  const isSpooling = also.some(({ slow }) => slow === 'spool')
  if (isSpooling && !spool) throw fault('--also-slow spool needs --spool FOLDER: what waits is stored there')
  if (spool !== undefined && !isSpooling) throw fault('--spool needs --also-slow spool: it is the folder of that')
  if (spoolSize !== undefined && !spool) throw fault('--spool-size needs --spool FOLDER')
}

/** The further sinks for the library. `--append` and `--force` apply to all files, `--spool` to all spools. */
export function alsoSinks(
  { also, spool: folder = '', spoolSize: size }: AlsoOptions,
  files: { append?: boolean | undefined; force?: boolean | undefined },
): { also?: Also[] } {
  if (!also) return {}
  return {
    also: also.map(each => ({
      ...each,
      ...(each.to.scheme === 'file' && { to: { ...each.to, ...files } }),
      ...(each.slow === 'spool' && { spool: { folder, size } }),
    })),
  }
}

/** What `explain` says of a further sink. */
export function alsoWords({ to, slow = 'block', fail = slow === 'drop' ? 'continue' : 'end' }: AlsoWords): string {
  return `${formatAddress(to)}; ${slow} if it is slow, ${fail} if it fails`
}

function fault(message: string): TcpPipeError {
  return new TcpPipeError('ERR_OPTION', message)
}
