/** Texts that people type: each becomes a result or an error of ours that says what is allowed, and soon. */

import { isDeepStrictEqual } from 'node:util'
import { formatAddress, parseAddress } from '../../lib/endpoints/address.js'
import { type ErrorCode, errorMessage, TcpPipeError } from '../../lib/text/errors.js'
import type { Option } from '../../lib/text/options.js'
import { formatBytes, formatDuration, parseBytes, parseDuration } from '../../lib/text/quantities.js'
import { registry, spec } from '../../transforms/spec.js'
import fc from '../fast-check.js'
import { Finding, type Part } from './part.js'
import { anySpec, mutated } from './specs.js'

/** Milliseconds that any text may take; what is typed takes less than one. */
const longest = 2000

interface Kind {
  readonly texts: fc.Arbitrary<string>
  /** The code of the errors that it may throw. */
  readonly code: ErrorCode
  /** Reads the text and checks what came of it. */
  read(text: string): void
}

const schemes = ['', 'tcp://', 'tls://', 'unix:', 'udp://', 'TCP://']
const hosts = [
  '',
  'a',
  'a.b',
  '127.0.0.1',
  '[::1]',
  '::1',
  '[a]',
  '[',
  '[]',
  '[[a]',
  'unix',
  'tls',
  'tcp',
  '//a',
  ' ',
  'ü',
  '\0',
]
const ports = ['', ':', ':80', ':0', ':65535', ':65536', ':080', ':-1', ':1e3', ':٣', ':80 ', '80']

const addresses = fc.oneof(
  fc
    .tuple(fc.constantFrom(...schemes), fc.constantFrom(...hosts), fc.constantFrom(...ports))
    .map(parts => parts.join('')),
  mutated(fc.constantFrom('127.0.0.1:80', 'tcp://[::1]:80', 'unix:/run/x')),
  fc.nat(300).map(length => `unix:${'é'.repeat(length)}`),
  fc.string({ unit: 'binary' }),
)

const quantities = mutated(
  fc.oneof(
    fc.constantFrom(
      '64k',
      '1MiB',
      '1.5g',
      '250ms',
      '2m',
      '1h',
      '0',
      '1e9',
      '0x10',
      '-1',
      'Infinity',
      'NaN',
      'constructor',
    ),
    fc.tuple(fc.double(), fc.constantFrom('', 'k', 'KB', 'ms', 's', 'h')).map(([number, unit]) => `${number}${unit}`),
    fc
      .tuple(fc.constantFrom('0', '7', '9'), fc.nat(400), fc.nat(30), fc.constantFrom('', 'k', 'ms', 'h'))
      .map(([digit, whole, decimals, unit]) => `${digit.repeat(whole)}.${'0'.repeat(decimals)}1${unit}`),
  ),
)

const options = Object.values(registry).flatMap(({ definition }) =>
  Object.entries(definition.options ?? {}).map(([key, option]) => ({ name: `${definition.name} ${key}`, option })),
)

const kinds: Readonly<Record<string, Kind>> = {
  spec: {
    texts: anySpec,
    code: 'ERR_SPEC',
    read: text => {
      for (const stage of spec(text)()) (stage as NodeJS.ReadableStream & { destroy(): void }).destroy()
    },
  },
  address: {
    texts: addresses,
    code: 'ERR_ADDRESS',
    read: text => {
      const address = parseAddress(text)
      checkSame(address, formatAddress(address), parseAddress)
    },
  },
  bytes: {
    texts: quantities,
    code: 'ERR_OPTION',
    read: text => {
      const size = parseBytes(text)
      checkNumber(size, Number.isInteger(size))
      formatBytes(size)
    },
  },
  duration: {
    texts: quantities,
    code: 'ERR_OPTION',
    read: text => {
      const time = parseDuration(text)
      checkNumber(time, Number.isFinite(time))
      formatDuration(time)
    },
  },
  ...Object.fromEntries(options.map(({ name, option }) => [name, kindOf(option)])),
}

function kindOf(option: Option): Kind {
  const words = option.allowed.split(/, | or /)
  return {
    texts: fc.oneof(quantities, mutated(fc.constantFrom(...words)), fc.string({ unit: 'binary' })),
    code: 'ERR_OPTION',
    read: text => {
      const value = option.parse(text)
      if (typeof value === 'number') checkNumber(value, Number.isFinite(value))
      if (!option.accepts(value)) throw new Finding(`${String(value)} is not accepted by the option that has made it`)
      if (!option.rest) checkSame(value, option.format(value), option.parse)
    },
  }
}

interface Case {
  readonly kind: string
  readonly text: string
}

let read = 0

export const texts: Part<Case> = {
  name: 'texts',
  cases: fc
    .oneof(fc.constantFrom('spec', 'address', 'bytes', 'duration'), fc.constantFrom(...Object.keys(kinds)))
    .chain(kind => fc.record({ kind: fc.constant(kind), text: (kinds[kind] as Kind).texts })),
  runs: 1000,
  play: ({ kind, text }) => {
    const { code, read: readText } = kinds[kind] as Kind
    const started = performance.now()
    try {
      readText(text)
    } catch (error) {
      checkError(error, code)
    }
    read++
    const time = performance.now() - started
    if (time > longest) throw new Finding(`it took ${Math.round(time)} ms; at most ${longest} are allowed`)
  },
  describe: ({ kind, text }) => [`${kind}: ${JSON.stringify(text)}`],
  total: () => `${read} texts`,
}

function checkError(error: unknown, code: ErrorCode): void {
  if (error instanceof Finding) throw error
  if (!(error instanceof TcpPipeError)) throw new Finding(`${(error as Error).stack} instead of a TcpPipeError`)
  if (error.code !== code) throw new Finding(`${error.code} instead of ${code}: ${error.message}`)
  if (errorMessage(error) === '') throw new Finding('an error without a message')
}

function checkNumber(value: number, isRight: boolean): void {
  if (!isRight || value < 0) throw new Finding(`the result is ${value}`)
}

/** What is written of a value is read as that value. */
function checkSame(value: unknown, text: string, parse: (text: string) => unknown): void {
  const fault = (what: string) => {
    throw new Finding(`${JSON.stringify(value)}, written as ${JSON.stringify(text)}, is ${what}`)
  }
  let again: unknown
  try {
    again = parse(text)
  } catch (error) {
    fault(errorMessage(error))
  }
  const isSame = value instanceof RegExp ? String(value) === String(again) : isDeepStrictEqual(value, again)
  if (!isSame) fault(JSON.stringify(again))
}
