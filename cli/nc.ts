/** `tcp-pipe nc`: takes the words of OpenBSD nc, and makes those of the command that does the same. */
import { fstatSync } from 'node:fs'
import { isIP } from 'node:net'
import { Command } from 'commander'
import { withExamples } from './help.js'
import { fault, type Given, type Line, parse } from './nc-line.js'
import { quote } from './quote.js'

/** The command that does the same, and notes for the user on stderr. */
export interface Translation {
  readonly words: string[]
  readonly notes: string[]
}

/** For the help only: `main` replaces the words of nc before it parses. */
export function ncCommand(): Command {
  const command = new Command('nc')
    .description(
      'Runs the send, serve or check that does the same as nc with these words. With -v, prints that command first. ' +
        'Options that it cannot take are errors. A failure is exit code 1.',
    )
    .usage('[-46CcdhklNnUvz] [-p port] [-q seconds] [-s address] [-w seconds] [host] [port]')
    .argument('[words...]', 'the options and operands of nc')
  return withExamples(command, [
    ['tcp-pipe nc -N example 7 < file', 'send a file, print the reply'],
    ['tcp-pipe nc -l 4000 > file', 'receive it'],
    ['tcp-pipe nc -zv example 20-25', 'which ports are open?'],
    ['tcp-pipe nc -v ...', 'print the tcp-pipe command that does the same'],
  ])
}

/** Translates the words after `nc`. Throws `ERR_OPTION` for what cannot be translated. */
export function translate(words: readonly string[], stdin = typeOfStdin()): Translation {
  const line = parse(words)
  const { given } = line
  check(given)
  const listens = given.l !== undefined
  const made = given.z ? checkWords(line) : listens ? serveWords(line, stdin) : sendWords(line)
  return { words: made.words, notes: [...(given.v ? [`same as: tcp-pipe ${quote(made.words)}`] : []), ...made.notes] }
}

/** What nc refuses, too. */
function check(given: Given): void {
  if (given[4] && given[6]) fault('-4 and -6 exclude each other')
  if (given.k && !given.l) fault('-k needs -l: it keeps listening')
  if (given.z && given.l) fault('-z and -l exclude each other: -z connects')
  if (given.U && (given.s ?? given.p) !== undefined)
    fault('-U and -s or -p exclude each other: the path is the address')
}

function sendWords({ given, operands }: Line): Translation {
  const to = given.U ? `unix:${onlyOne(operands, 'path')}` : hostAndPort(given, operands)
  const quits = given.q !== undefined && Number(seconds('q', given.q)) >= 0
  const wait = quits && Number(given.q) > 0 ? ['--wait', `${given.q}s`] : []
  const ending = quits ? ['--on-eof', 'close', ...wait] : given.N ? [] : ['--on-eof', 'keep']
  const words = [
    ...['send', '--to', secured(given, to)],
    ...(given.d ? ['--receive-only'] : ending),
    ...(given.C && !given.d ? ['-t', 'crlf'] : []),
    ...family(given),
    ...source(given, operands),
    ...limits(given),
    ...manner(given),
  ]
  return { words, notes: [] }
}

function serveWords({ given, operands }: Line, stdin: 'file' | 'pipe' | 'other'): Translation {
  if (given.c) fault('-c with -l needs a certificate; use serve --tls auto, or --tls --cert FILE --key FILE')
  const isHostless = !given.U && (given.s ?? operands[1]) === undefined
  if (given.k && !given.d && stdin === 'file')
    fault('-k sends a file on stdin to the first client only; use serve --from FILE, which sends it to each, or add -d')
  const reads = !given.d && !given.k
  const quits = given.q !== undefined && Number(seconds('q', given.q)) >= 0
  const ending = reads && !given.N && !quits ? ['--on-eof', 'keep'] : []
  const words = [
    ...['serve', given.U ? `unix:${onlyOne(operands, 'path')}` : listenAddress(given, operands)],
    ...(given.k ? [] : ['--once']),
    ...(reads ? ['--from', '-', ...ending, '--on-peer-end', 'stop'] : []),
    ...(reads && given.C ? ['-r', 'crlf'] : []),
    ...(quits ? ['--half-closed-timeout', `${Math.max(1, Number(given.q))}s`] : []),
    ...['--idle-timeout', 'off'],
    ...manner(given),
  ]
  const notes = [
    ...(isHostless ? ['listens on loopback only; for all interfaces: nc -l 0.0.0.0 PORT'] : []),
    ...(given.k && !given.d && stdin === 'pipe' ? ['with -k, stdin is not sent to clients; -d hides this note'] : []),
  ]
  return { words, notes }
}

function checkWords({ given, operands }: Line): Translation {
  const to = given.U ? `unix:${onlyOne(operands, 'path')}` : hostAndPort(given, operands, true)
  const connect = given.w === undefined ? [] : ['--connect-timeout', `${seconds('w', given.w)}s`]
  const quiet = given.v ? [] : ['-q']
  const words = ['check', secured(given, to), ...family(given), ...source(given, operands), ...connect, ...quiet]
  return { words, notes: [] }
}

/** `-l port`, `-l host port`, `-l -p port`, `-l -s host -p port`. Without a host: loopback. */
function listenAddress(given: Given, operands: readonly string[]): string {
  if (operands.length > 0 && (given.p ?? given.s) !== undefined)
    fault('-l with -p or -s takes no operands; expected -l HOST PORT, or -l -s HOST -p PORT')
  if (operands.length > 2) fault(`too many operands: '${operands.join(' ')}'; expected -l [HOST] PORT`)
  const port = String(given.p ?? operands.at(-1) ?? fault('the port is missing; expected -l [HOST] PORT'))
  const host = given.s === undefined ? operands.slice(0, -1)[0] : String(given.s)
  return join(named(given, host ?? (given[6] ? '::1' : '127.0.0.1')), checked(port))
}

function hostAndPort(given: Given, operands: readonly string[], mayBeRange = false): string {
  const [host, port, ...more] = operands
  if (host === undefined || port === undefined)
    fault(`the ${host === undefined ? 'host' : 'port'} is missing; expected HOST PORT`)
  if (more.length > 0) fault(`too many operands: '${operands.join(' ')}'; expected HOST PORT`)
  if (/^\d+-\d+$/.test(port) && !mayBeRange) fault(`a range of ports, '${port}', needs -z`)
  return join(named(given, host), checked(port, mayBeRange))
}

function named({ n }: Given, host: string): string {
  if (n && isIP(host) === 0) fault(`-n: '${host}' is not an IP address`)
  return host
}

function checked(port: string, mayBeRange = false): string {
  if (/^\d+$/.test(port) || (mayBeRange && /^\d+-\d+$/.test(port))) return port
  return fault(`the port '${port}' must be a number; for the name of a service see /etc/services`)
}

function join(host: string, port: string): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function secured({ c }: Given, to: string): string {
  return c ? `tls://${to}` : to
}

function family(given: Given): string[] {
  return given[4] ? ['-4'] : given[6] ? ['-6'] : []
}

/** `-p` alone needs an address of the family of the host. */
function source({ s, p, ...given }: Given, [host = '']: readonly string[]): string[] {
  if (s === undefined && p === undefined) return []
  const any = given[6] || isIP(host) === 6 ? '::' : '0.0.0.0'
  const from = String(s ?? any)
  return ['--bind', p === undefined ? from : join(from, checked(String(p)))]
}

function limits({ w }: Given): string[] {
  if (w === undefined) return []
  const time = `${seconds('w', w)}s`
  return ['--connect-timeout', time, '--idle-timeout', time]
}

/** nc is silent without -v. */
function manner({ v }: Given): string[] {
  return v ? [] : ['-q']
}

function seconds(letter: string, text: string | true): string {
  if (/^-?\d+$/.test(String(text)) && (letter === 'q' || Number(text) > 0)) return String(text)
  return fault(`-${letter}: '${text}' is not allowed; expected a number of seconds`)
}

function onlyOne(operands: readonly string[], what: string): string {
  if (operands.length === 1) return operands[0] as string
  return fault(`-U takes one ${what}, not ${operands.length}`)
}

function typeOfStdin(): 'file' | 'pipe' | 'other' {
  try {
    const stat = fstatSync(0)
    return stat.isFile() ? 'file' : stat.isFIFO() || stat.isSocket() ? 'pipe' : 'other'
  } catch {
    return 'other'
  }
}
