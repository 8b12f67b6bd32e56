/** The words of OpenBSD nc: its options, clustered as for getopt(3), and its operands. */
import { parseArgs } from 'node:util'
import { TcpPipeError } from '../lib/text/errors.js'

/** The options that translate, by letter. Those with a value: `p`, `q`, `s`, `w`. */
const known = { '4': 0, '6': 0, C: 0, c: 0, d: 0, k: 0, l: 0, N: 0, n: 0, U: 0, v: 0, z: 0, p: 1, q: 1, s: 1, w: 1 }

const kernel = 'Node cannot set this option of a socket; leave it out or use nc'

/** The options that do not, with the reason and what to use. */
const refused: Record<string, readonly [takesValue: 0 | 1, why: string]> = {
  u: [0, 'UDP is not supported; use nc -u or socat'],
  Z: [0, 'DCCP is not supported; use nc -Z'],
  X: [1, 'proxies are not supported; use ncat --proxy, or nc -X'],
  x: [1, 'proxies are not supported; use ncat --proxy, or nc -x'],
  P: [1, 'proxies are not supported; use ncat --proxy-auth, or nc -P'],
  i: [1, "there is no pause between lines; to limit the rate use send -t 'throttle rate=1k'"],
  D: [0, kernel],
  S: [0, kernel],
  b: [0, kernel],
  I: [1, kernel],
  O: [1, kernel],
  M: [1, kernel],
  m: [1, kernel],
  T: [1, kernel],
  V: [1, kernel],
  F: [0, 'Node cannot pass a descriptor to another program; use nc -F'],
  r: [0, 'ports are taken in order; leave it out'],
  t: [0, 'TELNET negotiation is not supported; use curl telnet://host:port'],
  W: [1, 'there are no packets in TCP; to end after N bytes use send -r "limit N"'],
  e: [1, "nc of OpenBSD has no -e; to run a program per client use serve --reply -t 'exec PROGRAM'"],
}

export type Letter = keyof typeof known

/** The options as given: flags are true, values are text. */
export type Given = Partial<Record<Letter, string | true>>

export interface Line {
  readonly given: Given
  readonly operands: readonly string[]
}

/** Parses the words after `nc`. Throws `ERR_OPTION` for an option that is unknown, or that is not supported, and why. */
export function parse(words: readonly string[]): Line {
  const all = { ...known, ...Object.fromEntries(Object.entries(refused).map(([letter, [value]]) => [letter, value])) }
  const options = Object.fromEntries(
    Object.entries(all).map(([letter, value]) => [
      letter,
      { type: value ? ('string' as const) : ('boolean' as const), short: letter },
    ]),
  )
  const { tokens } = parseArgs({ args: [...words], options, strict: false, allowPositionals: true, tokens: true })
  const given: Record<string, string | true> = {}
  const operands: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value)
    if (token.kind === 'option') given[token.name] = readValue(token.name, token.rawName, token.value, all)
  }
  return { given, operands }
}

function readValue(name: string, typed: string, text: string | undefined, all: Record<string, number>): string | true {
  const why = refused[name]?.[1]
  if (why) fault(`-${name}: ${why}`)
  if (typed.startsWith('--') || all[name] === undefined)
    fault(`unknown option '${typed}'; 'tcp-pipe nc --help' shows those of nc`)
  if (all[name] === 0) return true
  return text ?? fault(`-${name} needs a value`)
}

/** Throws an `ERR_OPTION` about the words of nc. */
export function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', `nc: ${message}`)
}
