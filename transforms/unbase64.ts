import { blockBytes, defineTransform } from '../lib/stages/define.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { escapeLine } from '../lib/text/escape.js'

/** Turns base64 (RFC 4648), of either alphabet, back into its bytes. */
export const unbase64 = defineTransform({
  name: 'unbase64',
  summary: 'turn base64 back into its bytes',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  example: { spec: 'unbase64', input: 'SGVs\nbG8K\n', output: 'Hello\n' },
  notes:
    "The alphabets are those of RFC 4648 §4 and §5: '+' and '-' are the same, and so are '/' and '_'. White space is " +
    "skipped. '=' may stand at the end, as many as belong there, or be left out. Anything else is an error that names the " +
    'line: another character, more behind the end, a single character left over, and bits left over in the last one, ' +
    'where a text was cut short or changed.',
  create() {
    let digits = '' // of a group of four that is not complete
    let padding = 0
    let line = 1

    function* write(chunk: Buffer) {
      for (let from = 0; from < chunk.length; from += blockBytes) {
        const text = chunk.toString('latin1', from, from + blockBytes)
        yield decodeLines(text) ?? decodeCarefully(text)
      }
    }

    /** Undefined if there is more than digits and line ends: Node skips it, and gives fewer bytes. */
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

    function decodeCarefully(text: string): Buffer {
      for (const character of text) {
        if (character === '\n') line++
        else if (character === '=') pad()
        else if (areDigits(character)) add(character)
        else if (!' \t\r\v\f'.includes(character)) throw fault(`'${escapeLine(character)}' is no base64 character`)
      }
      const whole = digits.length - (digits.length % 4)
      const bytes = Buffer.from(digits.slice(0, whole), 'base64')
      digits = digits.slice(whole)
      return digits.length + padding === 4 ? Buffer.concat([bytes, last()]) : bytes
    }

    function pad(): void {
      const inGroup = digits.length % 4
      padding++
      if (inGroup < 2 || inGroup + padding > 4) throw fault("'=' is not expected here")
    }

    function add(digit: string): void {
      if (padding > 0) throw fault(`'${digit}' stands behind '=', the end`)
      digits += digit
    }

    /** What the digits of a group are that is not full. */
    function last(): Buffer {
      const bytes = Buffer.from(digits, 'base64')
      const exact = bytes.toString('base64url')
      if (exact !== digits.replaceAll('+', '-').replaceAll('/', '_'))
        throw fault(`bits are left over in '${digits.at(-1)}'`)
      digits = ''
      return bytes
    }

    function flush(): Buffer {
      if (digits.length === 1) throw fault(`'${digits}' is left over: the text was cut short`)
      if (digits.length > 0 && padding > 0) throw fault("'=' is missing at the end")
      return last()
    }

    function fault(message: string): TcpPipeError {
      return new TcpPipeError('ERR_INPUT', `unbase64: line ${line}: ${message}`)
    }

    return { write, flush }
  },
})

function areDigits(text: string): boolean {
  return /^[\w+/-]*$/.test(text)
}
