/** The options of further sinks: `--also`, and those that apply to the one before them. */
import type { Option } from 'commander'
import { type Address, addressForms, can, formatAddress, parseAddress } from '../lib/endpoints/address.js'
import { type Also, failPolicies, slowPolicies } from '../lib/endpoints/fan-out/options.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { frequent, group } from './help.js'
import { choice, value } from './options.js'

/** A further sink of the command line. */
export interface AlsoWords extends Also {
  readonly to: Address
  slow?: Also['slow']
  fail?: Also['fail']
}

export interface AlsoOptions {
  also?: AlsoWords[]
}

export function alsoOptions(): Option[] {
  const all: AlsoWords[] = []
  const also = value('--also <address>', 'a further sink; may be repeated', text => {
    all.push({ to: readSink(text) })
    return all
  })
  const slow = ofTheLast(
    choice('--also-slow <policy>', 'if the --also before it is slow: block (default) or drop', slowPolicies),
    all,
    'slow',
  )
  const fail = ofTheLast(
    choice('--also-fail <action>', 'if it fails: end the connection (default), or continue (with drop)', failPolicies),
    all,
    'fail',
  )
  return group('Further sinks:', [frequent(also), slow, fail])
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
  const isSink = address.scheme === 'file' || (can('dial', address) && address.scheme !== 'memory')
  if (isSink) return address
  throw fault(`'${text}' is not allowed; expected ${addressForms('dial')}, or file:path`)
}

/** The files among the further sinks. */
export function alsoFiles({ also = [] }: AlsoOptions): string[] {
  return also.flatMap(({ to }) => (to.scheme === 'file' ? to.path : []))
}

/** The further sinks for the library: `--append` and `--force` apply to all files. */
export function alsoSinks(
  { also }: AlsoOptions,
  files: { append?: boolean | undefined; force?: boolean | undefined },
): { also?: Also[] } {
  if (!also) return {}
  return { also: also.map(each => (each.to.scheme === 'file' ? { ...each, to: { ...each.to, ...files } } : each)) }
}

/** What `explain` says of a further sink. */
export function alsoWords({ to, slow = 'block', fail = slow === 'drop' ? 'continue' : 'end' }: AlsoWords): string {
  return `${formatAddress(to)}; ${slow} if it is slow, ${fail} if it fails`
}

function fault(message: string): TcpPipeError {
  return new TcpPipeError('ERR_OPTION', message)
}
