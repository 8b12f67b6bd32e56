import { defineTransform, flag, flushable, none, text } from '../lib/define.js'
import { errorMessage, TcpPipeError } from '../lib/errors.js'

/** Decodes text in any encoding; what stands behind it receives strings, and bytes are UTF-8 from here on. */
export const bufferToString = defineTransform({
  name: 'buffer-to-string',
  summary: 'decode text in any encoding to UTF-8',
  group: 'convert',
  unit: 'bytes',
  options: {
    encoding: text("name of the encoding, such as 'latin1' or 'utf-16le'", {
      positional: true,
      default: 'utf-8',
      allowed: 'an encoding of the WHATWG Encoding Standard',
      check: isEncoding,
    }),
    fatal: flag('fail on bytes that are no text in the encoding'),
  },
  example: { spec: 'buffer-to-string latin1', input: 'plain text\n', output: 'plain text\n' },
  notes:
    'A function behind it in `compose` receives strings that never split a character. The encodings and their names are ' +
    'those of the [WHATWG Encoding Standard](https://encoding.spec.whatwg.org/), and bytes that are no text become ' +
    'U+FFFD as it says. A byte order mark stays if the encoding is UTF-8, so that valid text comes out as it came; from ' +
    'UTF-16, whose byte order it told, it is dropped.',
  create({ encoding, fatal }) {
    const decoder = new TextDecoder(encoding, { fatal, ignoreBOM: new TextDecoder(encoding).encoding === 'utf-8' })

    function decode(chunk?: Buffer): string | typeof none {
      try {
        return decoder.decode(chunk, { stream: chunk !== undefined }) || none
      } catch (cause) {
        throw new TcpPipeError('ERR_INPUT', `buffer-to-string: ${errorMessage(cause)}`, { cause })
      }
    }

    return flushable(
      (chunk: Buffer) => decode(chunk),
      () => decode(),
    )
  },
})

function isEncoding(name: string): boolean {
  try {
    return Boolean(new TextDecoder(name))
  } catch {
    return false
  }
}
