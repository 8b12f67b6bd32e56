/** Options of commands: how their values are parsed, and their environment variables. */

import type { Stats } from 'node:fs'
import { type Command, Option } from 'commander'
import {
  type Ability,
  type Address,
  addressForms,
  can,
  endpointFor,
  isTarget,
  parseAddress,
  targetForms,
} from '../lib/endpoints/address.js'
import { checkFiles } from '../lib/endpoints/file/file-source.js'
import { withCredentials } from '../lib/endpoints/nats/address.js'
import { checkOutput } from '../lib/endpoints/open.js'
import { tcp } from '../lib/endpoints/tcp.js'
import { unix } from '../lib/endpoints/unix.js'
import { either } from '../lib/text/either.js'
import { errorCode, errorMessage, TcpPipeError } from '../lib/text/errors.js'
import { formatDuration, longestTime, parseBytes, parseDuration } from '../lib/text/quantities.js'
import { frequent, group } from './help.js'

/** An option whose value `read` parses. Anything it throws becomes a usage error that names the option. */
export function value<T>(flags: string, description: string, read: (text: string) => T): Option {
  const option = new Option(flags, description)
  return option.argParser(text => {
    try {
      return read(text)
    } catch (error) {
      throw new TcpPipeError('ERR_OPTION', `${option.long}: ${errorMessage(error)}`, { cause: error })
    }
  })
}

/** An option that takes one of several words. */
export function choice<T extends string>(flags: string, description: string, words: readonly T[]): Option {
  const option = value(flags, description, text => {
    if ((words as readonly string[]).includes(text)) return text as T
    throw notAllowed(text, words)
  })
  option.argChoices = [...words]
  return option
}

/** A repeatable option. Collects its values, which replace those of the environment. */
export function repeatable(flags: string, description: string): Option {
  const values: string[] = []
  return new Option(flags, description).argParser(text => {
    values.push(text)
    return values
  })
}

/** A duration. The text `off` becomes the value `off`, usually 0. */
export const duration = (flags: string, description: string, off = 0) =>
  value(flags, description, text => (text === 'off' ? off : readDuration(text)))
/** A duration that cannot be switched off. */
export const limit = (flags: string, description: string) =>
  value(flags, description, text => {
    const time = readDuration(text)
    if (time > 0) return time
    throw new TcpPipeError('ERR_OPTION', `'${text}' is not allowed; expected more than 0`)
  })
export const bytes = (flags: string, description: string, min = 0) =>
  value(flags, description, text => {
    const number = parseBytes(text)
    if (number >= min) return number
    throw new TcpPipeError('ERR_OPTION', `'${text}' is not allowed; expected at least ${min}`)
  })
export const address = (flags: string, description: string, ...abilities: [Ability, ...Ability[]]) =>
  value(flags, description, addressFor(...abilities))

/** Text → an address that can do one of these, and that another process can reach. Throws `ERR_ADDRESS`. */
export function addressFor(...abilities: [Ability, ...Ability[]]): (text: string) => Address {
  return text => {
    const address = withEnvironment(parseAddress(text))
    const ability = abilities.find(each => can(each, address)) ?? abilities[0]
    if (!endpointFor(ability, address).inProcess) return address
    const expected = `expected ${addressForms(...abilities)}`
    throw new TcpPipeError('ERR_ADDRESS', `'${text}' reaches no other process; ${expected}`)
  }
}

/** An option with an address to send to: of a peer, or of a server that stores. */
export const target = (flags: string, description: string) => value(flags, description, readTarget)

/** Text → an address to send to. Throws `ERR_ADDRESS`. */
export function readTarget(text: string): Address {
  const address = withEnvironment(parseAddress(text))
  if (isTarget(address)) return address
  throw new TcpPipeError('ERR_ADDRESS', `'${text}' cannot be sent to; expected ${targetForms()}`)
}

/** So that no secret has to be in the list of processes. Throws `ERR_ADDRESS`. */
function withEnvironment(address: Address): Address {
  return address.scheme === 'nats' ? withCredentials(address, process.env) : address
}

/** An option with an address where the program listens for HTTP. The address may be left out. */
export function httpAddress(flags: string, description: string, preset: string): Option {
  const read = (text: string) => {
    try {
      const address = parseAddress(text)
      if (address.scheme === 'tcp' || address.scheme === 'unix') return address
    } catch (error) {
      const message = errorMessage(error).replace(addressForms('listen'), httpForms)
      throw new TcpPipeError('ERR_ADDRESS', message, { cause: error })
    }
    throw new TcpPipeError('ERR_ADDRESS', `'${text}' is not allowed; expected ${httpForms}`)
  }
  return value(flags, `${description} (default address: ${preset})`, read).preset(preset)
}

const httpForms = either([...tcp.syntax, ...unix.syntax])

/** A file, or for `-` the standard stream. */
export function fileOrStdio(path: string): Address {
  return path === '-' ? { scheme: 'stdio' } : { scheme: 'file', path }
}

/** The options that say where the result goes. */
export interface TargetOptions {
  to?: Address
  output?: string
  append?: boolean
  force?: boolean
}

/** Where the result goes; undefined for stdout. */
export function targetOf({ to, output = '-', append, force }: TargetOptions): Address | undefined {
  if (to) return to
  return output === '-' ? undefined : { scheme: 'file', path: output, append, force }
}

/** Before anything is opened: a file that cannot be written is a usage error. Throws `ERR_OPTION`. */
export async function checkOutputFile(to: Address | undefined): Promise<void> {
  if (to?.scheme !== 'file') return
  await checkOutput(to).catch(error => {
    throw new TcpPipeError('ERR_OPTION', `--output: ${errorMessage(error)}`, { cause: error })
  })
}

/**
 * Checks that the files can be read. A mistake of the words, found before anything is opened, is a usage error, also if
 * only the file system knows it: throws `ERR_OPTION`. `option` names what gives the files, if it is an option.
 */
export async function checkInputs(paths: readonly string[], option = ''): Promise<Stats[]> {
  const all: Stats[] = []
  for (const path of paths) {
    try {
      all.push(...(await checkFiles([path])))
    } catch (cause) {
      const why = errorMessage(cause).replace(/, \w+ '.*'$/, '')
      const message = errorCode(cause) === 'EISDIR' ? why : `'${path}' cannot be read: ${why}`
      throw new TcpPipeError('ERR_OPTION', `${option && `${option}: `}${message}`, { cause })
    }
  }
  return all
}

export const count = (flags: string, description: string, min: number) => value(flags, description, wholeNumber(min))

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const

/** An option that may be given only once: a second one would silently override the first. */
export function single(flags: string, description: string, read = (text: string) => text): Option {
  const option = value(flags, description, read)
  const { parseArg } = option
  return option.argParser((text, previous) => {
    if (previous === undefined) return parseArg?.(text, undefined)
    throw new TcpPipeError('ERR_OPTION', `${option.long} is given twice; expected once`)
  })
}

/** For commands that print data from the network. */
export const rawOption = () => new Option('--raw', 'on a terminal: do not escape control characters')

/** Adds the options that `serve`, `send` and `proxy` share. */
export function commonOptions(command: Command): Command {
  const defaultFormat = command.name() === 'send' ? 'text' : 'text on a terminal, otherwise json'
  const options = group('Log:', [
    choice('--log-level <level>', `log level on stderr: ${either(levels)} (default: info)`, levels),
    frequent(new Option('-q, --quiet', 'log errors only')),
    frequent(new Option('-v, --verbose', 'log every field, and what each stage did')),
    choice('--log-format <format>', `text or json (default: ${defaultFormat})`, ['text', 'json']),
    choice('--stats <format>', 'figures and the slow part at the end of a connection: text, json or none (default)', [
      ...['text', 'json', 'none'],
    ]),
  ])
  for (const option of options) command.addOption(option)
  return command.addOption(bytes('--max-record <bytes>', 'maximum length of a line or a JSON value (default: 1m)', 1))
}

/**
 * Returns the options of a command. Those missing on the command line come from the environment: `TCP_PIPE_LOG_LEVEL`
 * for a common one, `TCP_PIPE_SERVE_IDLE_TIMEOUT` for one of a command. A flag takes 1, 0, true or false; empty is unset.
 */
export function effectiveOptions<T>(command: Command, environment: NodeJS.ProcessEnv = process.env): T {
  for (const option of command.options) {
    const name = variableOf(command, option)
    const text = environment[name]
    if (text === undefined || text === '' || isOnLine(command, option.attributeName())) continue
    try {
      command.setOptionValueWithSource(option.attributeName(), fromText(option, text), 'env')
    } catch (error) {
      throw new TcpPipeError('ERR_OPTION', `${errorMessage(error)} (environment variable ${name})`)
    }
  }
  return command.opts() as T
}

/** Options that exclude each other: one on the command line overrides all of them in the environment. */
const rivals = [
  ['logLevel', 'quiet', 'verbose'],
  ['4', '6'],
  ['also', 'alsoSlow', 'alsoFail'],
]

function isOnLine(command: Command, name: string): boolean {
  const names = rivals.find(group => group.includes(name)) ?? [name]
  return names.some(each => command.getOptionValueSource(each) === 'cli')
}

const common = new Set(['maxRecord', 'raw', 'logLevel', 'quiet', 'verbose', 'logFormat', 'stats'])

export function variableOf(command: Command, option: Option): string {
  const words = option.attributeName().replace(/[A-Z]/g, letter => `_${letter}`)
  const scope = common.has(option.attributeName()) ? '' : `${command.name()}_`
  return `TCP_PIPE_${scope}${words}`.toUpperCase()
}

function fromText(option: Option, text: string): unknown {
  if (option.isBoolean() || option.negate) return readFlag(option, text) // `--no-x` shares the variable of `--x`
  return option.parseArg ? option.parseArg(text, undefined) : text
}

function readFlag({ long, short }: Option, text: string): boolean {
  if (text === '1' || text === 'true') return true
  if (text === '0' || text === 'false') return false
  throw new TcpPipeError(
    'ERR_OPTION',
    `${long ?? short}: ${errorMessage(notAllowed(text, ['1', '0', 'true', 'false']))}`,
  )
}

function notAllowed(text: string, allowed: readonly string[]): TcpPipeError {
  return new TcpPipeError('ERR_OPTION', `'${text}' is not allowed; expected ${either(allowed)}`)
}

function readDuration(text: string): number {
  const time = parseDuration(text)
  if (time <= longestTime) return time
  throw new TcpPipeError('ERR_OPTION', `'${text}' is too long; expected at most ${formatDuration(longestTime)}, or off`)
}

function wholeNumber(min: number): (text: string) => number {
  return text => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (Number.isSafeInteger(number) && number >= min) return number
    throw new TcpPipeError('ERR_OPTION', `'${text}' is not allowed; expected a whole number, at least ${min}`)
  }
}
