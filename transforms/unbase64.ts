import { blockBytes, defineTransform } from '../lib/stages/define.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { escapeLine } from '../lib/text/escape.js'

/** Decodes base64 (RFC 4648) in either alphabet. */
export const unbase64 = defineTransform({
  name: 'unbase64',
  summary: 'decode base64',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  example: { spec: 'unbase64', input: 'SGVs\nbG8K\n', output: 'Hello\n' },
  notes:
    "It accepts both alphabets, RFC 4648 §4 and §5: '+' and '-' are equivalent, and so are '/' and '_'. White space " +
    "is skipped. The '=' padding at the end must be complete or absent. Anything else is an error that names the " +
    'line: another character, data after the end, a single leftover character, or unused bits in the last one, ' +
    'which mean that the text is truncated or changed.',
  create() {
    let digits = '' // of an incomplete group of four
    let padding = 0
    let line = 1

    function* write(chunk: Buffer) {
      for (let from = 0; from < chunk.length; from += blockBytes) {
        const text = chunk.toString('latin1', from, from + blockBytes)
        const bytes = decodeLines(text)
        if (bytes) yield bytes
        else yield* decodeCarefully(text)
      }
    }

    /** Undefined if there is more than digits and line ends, because Node skips other characters silently. */
    function decodeLines(text: string): Buffer | undefined {
      const lines = text.replaceAll('\r', '')
      const joined = lines.replaceAll('\n', '')
      const all = digits + joined
      const whole = all.length - (all.length % 4)
      const bytes = Buffer.from(all.slice(0, whole), 'base64')
      if (padding > 0 || bytes.length < (whole / 4) * 3 || !areDigits(all.slice(whole))) return undefined
      digits = all.slice(whole)
      line += lines.length - joined.length
      return bytes
    }

    /** Yields what precedes an error before it throws. */
    function* decodeCarefully(text: string): Generator<Buffer> {
      try {
        for (const character of text) {
          if (character === '\n') line++
          else if (character === '=') {
            if (pad()) {
              yield whole()
              yield last()
            }
          } else if (areDigits(character)) add(character)
          else if (!' \t\r\v\f'.includes(character)) throw fault(`'${escapeLine(character)}' is not a base64 character`)
        }
      } finally {
        yield whole()
      }
    }

    /** Decodes the complete groups. */
    function whole(): Buffer {
      const end = digits.length - (digits.length % 4)
      const bytes = Buffer.from(digits.slice(0, end), 'base64')
      digits = digits.slice(end)
      return bytes
    }

    /** Returns whether the group is complete. */
    function pad(): boolean {
      const inGroup = digits.length % 4
      padding++
      if (inGroup < 2 || inGroup + padding > 4) throw fault("unexpected '='")
      return inGroup + padding === 4
    }

    function add(digit: string): void {
      if (padding > 0) throw fault(`unexpected '${digit}' after the final '='`)
      digits += digit
    }

    /** Decodes the digits of an incomplete group. */
    function last(): Buffer {
      const bytes = Buffer.from(digits, 'base64')
      const exact = bytes.toString('base64url')
      if (exact !== digits.replaceAll('+', '-').replaceAll('/', '_'))
        throw fault(`unused bits in '${digits.at(-1)}': the text is truncated or changed`)
      digits = ''
      return bytes
    }

    function flush(): Buffer {
      if (digits.length === 1) throw fault(`'${digits}' is incomplete: the text is truncated`)
      if (digits.length > 0 && padding > 0) throw fault("missing '=' at the end")
      return last()
    }

    function fault(message: string): TcpPipeError {
      return new TcpPipeError('ERR_INPUT', `unbase64: line ${line}: ${message}`)
    }

    return { write, flush, memory: 'releases' }
  },
})

function areDigits(text: string): boolean {
  return /^[\w+/-]*$/.test(text)
}
