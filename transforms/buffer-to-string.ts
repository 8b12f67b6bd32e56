import { isAscii } from 'node:buffer'
import { blockBytes, defineTransform, flag, flushable, none, text } from '../lib/stages/define.js'
import { errorMessage, TcpPipeError } from '../lib/text/errors.js'

/** Decodes text in any encoding. The next stage receives strings; as bytes they are UTF-8. */
export const bufferToString = defineTransform({
  name: 'buffer-to-string',
  summary: 'decode text in any encoding to UTF-8',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: {
    encoding: text("name of the encoding, such as 'latin1' or 'utf-16le'", {
      positional: true,
      default: 'utf-8',
      allowed: 'an encoding of the WHATWG Encoding Standard',
      check: isEncoding,
    }),
    fatal: flag('fail on bytes that are invalid in the encoding'),
  },
  example: { spec: 'buffer-to-string latin1', input: 'plain text\n', output: 'plain text\n' },
  notes:
    'In `compose`, the next function receives strings that never split a character. Encodings and their names are ' +
    'those of the [WHATWG Encoding Standard](https://encoding.spec.whatwg.org/), and invalid bytes become U+FFFD as ' +
    'it specifies. A byte order mark is kept in UTF-8, so that valid text is unchanged. In UTF-16 it is dropped, ' +
    'because it only states the byte order.',
  create({ encoding, fatal }) {
    const { encoding: name } = new TextDecoder(encoding)
    const decoder = new TextDecoder(encoding, { fatal, ignoreBOM: name === 'utf-8' })
    const hold = fragile.has(name) ? holdCharacters() : undefined

    function decode(chunk?: Buffer): string | typeof none {
      const bytes = hold ? hold(chunk) : chunk
      try {
        return decoder.decode(bytes, { stream: chunk !== undefined }) || none
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

/** Node's decoders for these (as of Node 26) fail on some invalid bytes in chunks of one or two, even without `fatal`. */
const fragile = new Set(['gbk', 'gb18030', 'big5', 'euc-jp', 'euc-kr', 'shift_jis'])

/** In these encodings a byte below this is a complete character, never the end of one. */
const single = 0x30

/** Returns the input up to the last such byte, or all of it if it is ASCII; at the end the rest. */
function holdCharacters(): (chunk?: Buffer) => Buffer {
  let held: Buffer = Buffer.alloc(0)

  return chunk => {
    const bytes = chunk ? Buffer.concat([held, chunk]) : held
    const end = chunk ? characterEnd(bytes) : bytes.length
    held = Buffer.from(bytes.subarray(end))
    return bytes.subarray(0, end)
  }
}

function characterEnd(bytes: Buffer): number {
  if (isAscii(bytes)) return bytes.length
  const last = bytes.findLastIndex(byte => byte < single)
  return Math.max(last + 1, bytes.length - blockBytes) // the decoders do not fail on large chunks
}

function isEncoding(name: string): boolean {
  try {
    return Boolean(new TextDecoder(name))
  } catch {
    return false
  }
}
