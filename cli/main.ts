/** The program: its commands, their options from line and environment, and what becomes of errors. */
import { Command, CommanderError } from 'commander'
import { errorMessage, TcpPipeError } from '../lib/text/errors.js'
import { escapeLine } from '../lib/text/escape.js'
import { closedPipe, onStdoutError } from './process.js'
import { proxyCommand } from './proxy.js'
import { sendCommand } from './send.js'
import { serveCommand } from './serve.js'
import { transformsCommand } from './transforms.js'

/** The exit code of a usage mistake, found before anything is opened. */
const usage = 2

const intro = `Examples:
  tcp-pipe serve                         what clients send goes to stdout
  cat file | tcp-pipe send               what stdin gives goes to the server
  tcp-pipe serve --transform hex         through a transform
  tcp-pipe proxy 6380 127.0.0.1:6379     between a client and a server
  tcp-pipe transforms                    the list of transforms
`

export async function main(argv: string[], version: string): Promise<void> {
  keepFreedBuffers()
  const program = new Command('tcp-pipe')
    .description('Pipes bytes through sockets and composable transforms.')
    .version(version)
    .addHelpText('before', intro)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(oneLine(inOurWords(text))) })
  for (const make of [serveCommand, sendCommand, proxyCommand, transformsCommand])
    program.addCommand(make().copyInheritedSettings(program))
  const [word, name] = argv
  const isUnknown = word === 'help' && name !== undefined && !program.commands.some(each => each.name() === name)
  if (isUnknown) argv = [name] // its help would be that of the program, on stderr
  argv = argv.length === 0 ? ['--help'] : argv.map(withoutValue)
  onStdoutError(
    () => {
      process.exitCode = closedPipe
    },
    error => {
      process.exitCode = report(error)
    },
  )
  process.stderr.on('error', () => {}) // where its reader has gone there is nobody to tell
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    process.exitCode = report(error)
  }
}

/** commander would take an address behind `--tls` of `serve` and `proxy` for its value. */
function withoutValue(word: string, i: number, argv: readonly string[]): string {
  return word === '--tls' && argv[0] !== 'send' && argv[i + 1] !== 'auto' ? '--tls=true' : word
}

/**
 * glibc returns the buffers that a collection frees to the kernel at once, and each new one is faulted in again. Freeing
 * one block of this size raises its thresholds (M_MMAP_THRESHOLD in mallopt(3)); it is never touched, so it takes no memory.
 */
function keepFreedBuffers(): void {
  Buffer.allocUnsafeSlow(31 * 1024 * 1024)
}

/** commander has printed its own; its code 1 for a usage mistake is 2 here. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usage
  process.stderr.write(oneLine(errorMessage(error)))
  return error instanceof TcpPipeError && isUsage(error) ? usage : 1
}

function inOurWords(text: string): string {
  return text.replace(/^error: /, '').replace(/\s*\(Did you mean (?:one of )?(.+)\?\)/, "; did you mean '$1'?")
}

function oneLine(message: string): string {
  return `tcp-pipe: ${escapeLine(message.trim().replaceAll('\n', ' '))}\n`
}

function isUsage({ code }: TcpPipeError): boolean {
  return ['ERR_OPTION', 'ERR_SPEC', 'ERR_ADDRESS', 'ERR_STAGE', 'ERR_MODULE'].includes(code)
}
