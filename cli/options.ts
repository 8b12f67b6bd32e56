/** Options of commands: how their values are read, and the environment variables that stand for them. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { parseAddress } from '../lib/address.js'
import { errorMessage, TcpPipeError } from '../lib/errors.js'
import { parseBytes, parseDuration } from '../lib/quantities.js'

/** An option whose value is read by `read`; whatever that throws becomes a usage error that names the option. */
export function value<T>(flags: string, description: string, read: (text: string) => T): Option {
  return new Option(flags, description).argParser(operand(read))
}

/** The same for an argument of a command. */
export function operand<T>(read: (text: string) => T): (text: string) => T {
  return text => {
    try {
      return read(text)
    } catch (error) {
      throw new InvalidArgumentError(errorMessage(error))
    }
  }
}

/** An option that may be repeated: its values are collected, and replace those of the environment. */
export function repeatable(flags: string, description: string): Option {
  const values: string[] = []
  return new Option(flags, description).argParser(text => {
    values.push(text)
    return values
  })
}

export const duration = (flags: string, description: string) => value(flags, description, parseDuration)
export const bytes = (flags: string, description: string) => value(flags, description, parseBytes)
export const address = (flags: string, description: string) => value(flags, description, parseAddress)
export const count = (flags: string, description: string, min: number) => value(flags, description, wholeNumber(min))

/** The options that `serve` and `send` have in common. */
export function commonOptions(command: Command): Command {
  return command
    .addOption(bytes('--max-line <bytes>', 'length cap of a line or a JSON value (default: 1m)'))
    .addOption(new Option('--raw', 'on a terminal: do not escape control characters'))
    .addOption(
      new Option('--log-level <level>', 'what is logged to stderr (default: info)').choices([
        'trace',
        'debug',
        'info',
        'warn',
        'error',
        'silent',
      ]),
    )
    .addOption(new Option('-q, --quiet', 'log errors only'))
    .addOption(new Option('-v, --verbose', 'log more: what each stage did'))
    .addOption(
      new Option('--log-format <format>', 'default: text on a terminal, otherwise json').choices(['text', 'json']),
    )
}

/**
 * The options of a command, those that are not on the line from the environment: `TCP_PIPE_LOG_LEVEL` for the common ones, `TCP_PIPE_SERVE_IDLE_TIMEOUT` for those
 * of a command. A flag takes 1, 0, true and false; empty is unset.
 */
export function effectiveOptions<T>(command: Command, environment: NodeJS.ProcessEnv = process.env): T {
  for (const option of command.options) {
    const name = variableOf(command, option)
    const text = environment[name]
    if (text === undefined || text === '' || command.getOptionValueSource(option.attributeName()) === 'cli') continue
    try {
      command.setOptionValueWithSource(option.attributeName(), fromText(option, text), 'env')
    } catch (error) {
      throw new TcpPipeError('ERR_OPTION', `environment variable ${name}: ${errorMessage(error)}`)
    }
  }
  return command.opts() as T
}

const common = new Set(['maxLine', 'raw', 'logLevel', 'quiet', 'verbose', 'logFormat'])

function variableOf(command: Command, option: Option): string {
  const words = option.attributeName().replace(/[A-Z]/g, letter => `_${letter}`)
  const scope = common.has(option.attributeName()) ? '' : `${command.name()}_`
  return `TCP_PIPE_${scope}${words}`.toUpperCase()
}

function fromText(option: Option, text: string): unknown {
  if (option.isBoolean() || option.negate) return readFlag(text) !== option.negate
  if (option.argChoices && !option.argChoices.includes(text))
    throw new Error(`'${text}' is not allowed; expected ${option.argChoices.join(', ')}`)
  return option.parseArg ? option.parseArg(text, undefined) : text
}

function readFlag(text: string): boolean {
  if (text === '1' || text === 'true') return true
  if (text === '0' || text === 'false') return false
  throw new Error(`'${text}' is not allowed; expected 1, 0, true or false`)
}

function wholeNumber(min: number): (text: string) => number {
  return text => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (Number.isSafeInteger(number) && number >= min) return number
    throw new TcpPipeError('ERR_OPTION', `'${text}' is not a whole number from ${min}`)
  }
}
