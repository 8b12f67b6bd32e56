/** The program: its commands, their options, and how errors become exit codes. */
import { Command, CommanderError } from 'commander'
import { errorCode, errorMessage, TcpPipeError } from '../lib/text/errors.js'
import { escapeLine } from '../lib/text/escape.js'
import { nameOptionsAsTyped } from '../lib/text/option-name.js'
import { withAdvice } from './advice.js'
import { checkCommand } from './check.js'
import { completionCommand } from './completion.js'
import { explainCommand } from './explain.js'
import { addHelpAll, shortForm, withExamples } from './help.js'
import { withHint } from './hints.js'
import { lookOf } from './look.js'
import { ncCommand, translate } from './nc.js'
import { closedPipe, onStdoutError } from './process.js'
import { proxyCommand } from './proxy.js'
import { sendCommand } from './send.js'
import { serveCommand } from './serve.js'
import { freshLine, watchTerminal } from './terminal.js'
import { transformsCommand } from './transforms.js'
import { wrap } from './wrap.js'

/** The exit code of a usage error, detected before anything is opened. */
const usage = 2

/** In the order of the help. */
const commands: readonly (() => Command)[] = [
  ...[serveCommand, sendCommand, proxyCommand, checkCommand],
  ...[transformsCommand, explainCommand, completionCommand, ncCommand],
]

export async function main(argv: string[], version: string): Promise<void> {
  keepFreedBuffers()
  nameOptionsAsTyped()
  watchTerminal()
  const typed = unexplained(argv)
  const program = createProgram(version, typed)
  const [word, name] = argv
  const isUnknown = word === 'help' && name !== undefined && !program.commands.some(each => each.name() === name)
  if (isUnknown) argv = [name] // otherwise commander prints the program's help on stderr
  argv = argv.length === 0 ? ['--help'] : argv.map(withoutValue)
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
    if (argv[0] === 'nc') argv = asNc(argv.slice(1))
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    process.exitCode = report(error, typed)
  }
}

/** The program with all its commands. `typed` are its words, for hints about mistakes in them. */
export function createProgram(version: string, typed: readonly string[] = []): Command {
  const program = new Command('tcp-pipe')
    .description('Pipes bytes through sockets and composable transforms.')
    .version(version)
    .configureHelp(shortForm)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(oneLine(withHint(inOurWords(text), typed) ?? inOurWords(text))),
    })
  for (const make of commands) program.addCommand(addHelpAll(inherit(make(), program)))
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

/** The words without those that only ask to explain them. */
function unexplained(argv: readonly string[]): readonly string[] {
  return argv[0] === 'explain' ? argv.slice(1).filter(word => word !== '--json') : argv
}

/** The words of the command that does the same as nc with these words. */
function asNc(given: readonly string[]): string[] {
  if (given.length === 0 || given.includes('-h') || given.includes('--help')) return ['nc', '--help']
  const { words, notes } = translate(given)
  for (const note of notes) process.stderr.write(oneLine(note))
  return words
}

/** Without this, commander would take an address after `--tls` as its value, in `serve` and `proxy`. */
function withoutValue(word: string, i: number, argv: readonly string[]): string {
  const [command] = unexplained(argv)
  return word === '--tls' && command !== 'send' && argv[i + 1] !== 'auto' ? '--tls=true' : word
}

/**
 * When a collection frees buffers, glibc returns them to the kernel, and each new buffer is faulted in again. Freeing one
 * block of this size raises glibc's thresholds (M_MMAP_THRESHOLD in mallopt(3)). It is never touched, so it takes no memory.
 */
function keepFreedBuffers(): void {
  Buffer.allocUnsafeSlow(31 * 1024 * 1024)
}

/** Prints the error, unless commander already has, and returns the exit code. Commander's 1 for a usage error becomes 2. */
function report(error: unknown, argv: readonly string[]): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usage
  const hint = withHint(errorMessage(error), argv)
  process.stderr.write(freshLine() + oneLine(hint ?? withAdvice(errorMessage(error), errorCode(error))))
  return hint || (error instanceof TcpPipeError && isUsage(error)) ? usage : 1
}

function inOurWords(text: string): string {
  return text.replace(/^error: /, '').replace(/\s*\(Did you mean (?:one of )?(.+)\?\)/, "; did you mean '$1'?")
}

function oneLine(message: string): string {
  const start = 'tcp-pipe: '
  const text = wrap(escapeLine(message.trim().replaceAll('\n', ' ')), lookOf().columns - start.length)
  return `${start}${text.replaceAll('\n', `\n${' '.repeat(start.length)}`)}\n`
}

function isUsage({ code }: TcpPipeError): boolean {
  return ['ERR_OPTION', 'ERR_SPEC', 'ERR_ADDRESS', 'ERR_STAGE', 'ERR_MODULE'].includes(code)
}
