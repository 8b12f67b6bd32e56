/** The program: its commands, their options, and how errors become exit codes. */
import { Command, CommanderError } from 'commander'
import { errorCode, errorMessage, TcpPipeError } from '../lib/text/errors.js'
import { escapeLine } from '../lib/text/escape.js'
import { nameOptionsAsTyped } from '../lib/text/option-name.js'
import { withAdvice } from './advice.js'
import { keepFreedBuffers } from './buffers.js'
import type { CommandEntry } from './commands.js'
import { addHelpAll, outputAllHelp, shortForm, withExamples, withNote } from './help.js'
import { withHint } from './hints.js'
import { lookOf } from './look.js'
import { closedPipe, onStdoutError } from './process.js'
import { freshLine, watchTerminal } from './terminal.js'
import { wrap } from './wrap.js'

/** The exit code of a usage error, detected before anything is opened. */
const usage = 2

/** Runs the command that the words ask for. */
export async function main(argv: string[], version: string, commands: readonly CommandEntry[]): Promise<void> {
  keepFreedBuffers()
  const given = parse(argv)
  const { typed } = given
  const listens = ['serve', 'proxy'].includes(typed[0] as string)
  const asked = listens ? { cert: 'targetCert', key: 'targetKey' } : {} // those that a server asks for
  nameOptionsAsTyped({ ...asked, replyTransforms: 'replyTransform' })
  watchTerminal()
  onStdoutError(
    () => {
      process.exitCode = closedPipe
    },
    error => {
      process.exitCode = report(error, typed)
    },
  )
  process.stderr.on('error', () => {}) // a closed stderr leaves no place to report it
  try {
    await execute(given, version, commands)
  } catch (error) {
    process.exitCode = report(error, typed)
    process.channel?.unref() // a worker that cannot start ends
  }
}

async function execute(
  { argv, asking, typed }: Given,
  version: string,
  commands: readonly CommandEntry[],
): Promise<void> {
  const words = withoutMarker(
    typed[0] === 'nc'
      ? [...asking, ...(await asNc(typed.slice(1)))]
      : argv.map((word, i) => withoutValue(word, argv[i + 1], typed[0])),
  )
  const program = createProgram(version, await makeCommands(commands, name => asksFor(words, name)), typed)
  const [word = '--help', name] = words
  if (word === helpAll) return outputAllHelp(program)
  const isUnknown = word === 'help' && name !== undefined && !program.commands.some(each => each.name() === name)
  // For the help of an unknown command, commander would print that of the program on stderr.
  await program.parseAsync(isUnknown ? [name] : [word, ...words.slice(1)], { from: 'user' })
}

/** Before the command, `--` ends no options. Without a command after it, commander would print the help on stderr. */
function withoutMarker(words: readonly string[]): readonly string[] {
  const at = words[0] === 'help' ? 1 : 0
  return words[at] === '--' ? withoutMarker(words.toSpliced(at, 1)) : words
}

/** As the only word. An option of the program would be taken from the words of a command, too. */
const helpAll = '--help-all'

/** Returns whether these words ask for the command. The script of `completion` names the options of all. */
export function asksFor(argv: readonly string[], name: string): boolean {
  const word = argv[0] === 'help' ? argv[1] : argv[0]
  return word === name || word === 'completion' || word === helpAll
}

/** Makes the commands. Those that are not asked for have a name, operands and a summary, and no options. */
export function makeCommands(
  commands: readonly CommandEntry[],
  isAskedFor: (name: string) => boolean = () => true,
): Promise<Command[]> {
  return Promise.all(
    commands.map(async ({ name, operands, summary, load }) => {
      const command = isAskedFor(name) ? await load() : new Command(name).arguments(operands)
      return command.summary(summary)
    }),
  )
}

/** The program with these commands. `typed` are its words, for hints about mistakes in them. */
export function createProgram(version: string, made: readonly Command[], typed: readonly string[] = []): Command {
  const program = new Command('tcp-pipe')
    .description('Pipes bytes through sockets and composable transforms.')
    .version(version)
    .configureHelp(shortForm)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(oneLine(withHint(inOurWords(text), typed) ?? inOurWords(text))),
    })
  for (const command of made) program.addCommand(addHelpAll(inherit(command, program)))
  withNote(program, `'tcp-pipe COMMAND --help' shows a command, 'tcp-pipe ${helpAll}' all of them with all options.`)
  return withExamples(program, [
    ['tcp-pipe serve', 'write what clients send to stdout'],
    ['cat file | tcp-pipe send', 'send stdin to the server'],
    ['tcp-pipe serve --transform hex', 'use a transform'],
    ['tcp-pipe proxy 6380 127.0.0.1:6379', 'stand between clients and a server'],
    ['tcp-pipe transforms', 'list the transforms'],
  ])
}

function inherit(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent)
  for (const each of command.commands) inherit(each, command)
  return command
}

/** The words of the command line. */
interface Given {
  readonly argv: readonly string[]
  /** Those that only ask to explain a command: `explain` and `--json`. Empty without a command that can be explained. */
  readonly asking: readonly string[]
  /** The others. */
  readonly typed: readonly string[]
}

function parse(argv: readonly string[]): Given {
  const [word, ...rest] = argv
  const isJson = (each: string) => each === '--json'
  const typed = rest.filter(each => !isJson(each))
  const isAsking = word === 'explain' && ['serve', 'send', 'proxy', 'pipe', 'nc'].includes(typed[0] ?? '')
  return isAsking ? { argv, asking: [word, ...rest.filter(isJson)], typed } : { argv, asking: [], typed: argv }
}

/** The words of the command that does the same as nc with these words. */
async function asNc(given: readonly string[]): Promise<string[]> {
  if (given.length === 0 || given.some(word => ['-h', '--help', helpAll].includes(word))) return ['nc', '--help']
  const { translate } = await import('./nc.js')
  const { words, notes } = translate(given)
  for (const note of notes) process.stderr.write(oneLine(note))
  return words
}

/** Without this, commander would take an address after `--tls` or `--control` as its value, in `serve` and `proxy`. */
function withoutValue(word: string, next: string | undefined, command: string | undefined): string {
  const takes = command === 'send' ? undefined : optionalValues[word]
  return takes && !takes.test(next ?? '') ? `${word}=true` : word
}

/** What of the next word is the value of such an option. */
const optionalValues: Partial<Record<string, RegExp>> = {
  '--tls': /^auto$/,
  '--control': /^unix:|^(?!\w+:\/\/).*\//,
}

/** Prints the error, unless commander already has, and returns the exit code. Commander's 1 for a usage error becomes 2. */
function report(error: unknown, argv: readonly string[]): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usage
  const hint = withHint(errorMessage(error), argv)
  process.stderr.write(freshLine() + oneLine(hint ?? withAdvice(errorMessage(error), errorCode(error))))
  return error instanceof TcpPipeError && isUsage(error) ? usage : 1
}

function inOurWords(text: string): string {
  return text
    .replace(/^error: /, '')
    .replace(
      /^command-argument value (.*) is invalid for argument .*\. Allowed choices are (.*), (.*?)\.?$/m,
      '$1 is not allowed; expected $2 or $3',
    )
    .replace(/\s*\(Did you mean (?:one of )?(.+)\?\)/, "; did you mean '$1'?")
}

function oneLine(message: string): string {
  const start = 'tcp-pipe: '
  const text = wrap(escapeLine(message.trim().replaceAll('\n', ' ')), lookOf().columns - start.length)
  return `${start}${text.replaceAll('\n', `\n${' '.repeat(start.length)}`)}\n`
}

function isUsage({ code }: TcpPipeError): boolean {
  return ['ERR_OPTION', 'ERR_SPEC', 'ERR_ADDRESS', 'ERR_STAGE', 'ERR_MODULE'].includes(code)
}
