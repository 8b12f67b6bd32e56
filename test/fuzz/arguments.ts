/** Command lines that somebody may type: each ends as documented, and a mistake is one line. */

import { parseAddress } from '../../lib/endpoints/address.js'
import { type Result, shortDirectory, tcpPipe } from '../e2e/support.js'
import fc from '../fast-check.js'
import { Finding, inScope, inTime, type Part } from './part.js'
import { anySpec, validSpec } from './specs.js'

const commands = ['serve', 'send', 'proxy', 'transforms', 'help', 'sreve', '']

const flags = [
  ...['--reply', '--once', '--append', '--force', '--label', '--raw', '-q', '-v', '--quiet', '--verbose', '-4', '-6'],
  ...[
    '--progress',
    '--no-progress',
    '--help',
    '-h',
    '--version',
    '-V',
    '--markdown',
    '--',
    '-',
    '--relpy',
    '-x',
    '--no-x',
  ],
]

const named = [
  ...['-t', '--transform', '-r', '--reply-transform', '-b', '--both', '-o', '--output', '--to', '--from', '--bind'],
  ...['--idle-timeout', '--half-closed-timeout', '--drain-timeout', '--connect-timeout', '--wait', '--max-record'],
  ...['--max-connections', '--retry', '--size', '--log-level', '--log-format', '--on-eof', '--on-peer-end'],
  ...['--transfrom'],
]

/** All of them on loopback, and none of them where somebody listens. */
const addresses = [
  '0',
  ':0',
  '127.0.0.1:0',
  '[::1]:0',
  'tcp://127.0.0.1:0',
  'localhost:0',
  'unix:s',
  'unix:',
  '127.0.0.1:1',
  'tls://127.0.0.1:0',
  'memory:s',
  'file:s',
  '-',
]

const wrong = [
  '70000',
  '80abc',
  '-1',
  '0x50',
  '',
  ' ',
  '1.5',
  'NaN',
  '[::1',
  'a b',
  '0',
  '1',
  '10ms',
  '1k',
  'off',
  'json',
  'text',
]

const value = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(...addresses, ...wrong, 'debug', 'silent', 'close', '{id}', 'out', 'absent'),
  },
  { weight: 2, arbitrary: validSpec },
  { weight: 1, arbitrary: anySpec.filter(text => text.length < 1000) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
)

const word = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(...flags).map(flag => [flag]) },
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...named), value).map(([name, text]) => [name, text]) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...named), value).map(([name, text]) => [`${name}=${text}`]) },
  { weight: 3, arbitrary: value.map(text => [text]) },
)

const commandLine = fc
  .tuple(fc.constantFrom(...commands), fc.array(word, { maxLength: 5 }))
  .map(([command, words]) => [command, ...words.flat()])
  .filter(words => words.every(isHarmless))

/** It names no program, no file of another folder and no host but this one, and the system can pass it on. */
function isHarmless(text: string): boolean {
  const value = text.replace(/^--[a-z-]+=/, '')
  return !/exec|tee|dump|\0/.test(text) && !/\/(?!\/127)/.test(text.replace('tcp://', '')) && !isElsewhere(value)
}

function isElsewhere(text: string): boolean {
  try {
    const address = parseAddress(text)
    if ('path' in address) return address.path !== 's'
    return 'host' in address && !['127.0.0.1', '::1', 'localhost'].includes(address.host)
  } catch {
    return false
  }
}

let played = 0

export const commandLines: Part<string[][]> = {
  name: 'command lines',
  cases: fc.array(commandLine, { minLength: 1, maxLength: 4, size: 'max' }),
  runs: 1,
  play: async lines => void (await Promise.all(lines.map(playLine))),
  describe: lines => lines.map(words => `tcp-pipe ${JSON.stringify(words)}`),
  total: () => `${played} command lines`,
}

/** What listens is ended as soon as it does, and so is what takes long to connect. */
function playLine(words: readonly string[]): Promise<void> {
  return inScope(async test => {
    const child = tcpPipe(test, words, { cwd: shortDirectory(test), faults: null, timeout: 60_000 })
    let stopped = false
    const stop = () => {
      stopped = true
      child.kill('SIGTERM')
    }
    const timer = setTimeout(stop, 4000)
    child.logged('listening').then(stop, () => {})
    const result = await inTime(child.ended, 'its end', 20_000)
    clearTimeout(timer)
    played++
    check(words, result, stopped)
  })
}

function check(words: readonly string[], { code, signal, stdout, stderr }: Result, stopped: boolean): void {
  const fault = (message: string) => {
    throw new Finding(`${message}: ${JSON.stringify(words)}: exit ${code ?? signal}, stderr: ${stderr}`)
  }
  const allowed = stopped ? [0, 1, 2, 'SIGTERM'] : [0, 1, 2]
  if (!allowed.includes(code ?? signal ?? 'nothing')) fault('no documented exit code')
  const lines = stderr.split('\n').filter(Boolean)
  const strange = lines.filter(line => !isOurs(line))
  if (strange.length > 0 || /^\s+at .*:\d+/m.test(stderr)) fault('a line on stderr that is none of ours')
  if (code === 2 && (lines.length !== 1 || !stderr.startsWith('tcp-pipe: '))) fault('a mistake is told in one line')
  if (code === 2 && stdout.length > 0) fault(`a mistake, and ${stdout.length} bytes on stdout`)
}

/** The line of a mistake, of the log in JSON, or of the log for people. */
function isOurs(line: string): boolean {
  return /^tcp-pipe: ./.test(line) || /^\{"level":\d+,.*\}$/.test(line) || /^\d\d:\d\d:\d\d [a-z]+ /.test(line)
}
