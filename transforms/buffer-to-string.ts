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
    const ignoreBOM = name === 'utf-8'
    const decoder = new TextDecoder(encoding, { fatal, ignoreBOM })
    const hold = fragile.has(name) ? holdCharacters() : undefined
    const piecesOf = hold ? sureParts : eachByte
    const follower = new TextDecoder(encoding, { fatal, ignoreBOM })

    /** A decoder that fails gives nothing of its chunk. The follower finds the text that precedes the error. */
    function* untilError(bytes: Buffer, cause: unknown): Generator<string> {
      let text = ''
      try {
        for (const piece of piecesOf(bytes)) text += follower.decode(piece, { stream: true })
      } catch {
        // it has come to the error
      }
      if (text) yield text
      throw new TcpPipeError('ERR_INPUT', `buffer-to-string: ${errorMessage(cause)}`, { cause })
    }

    function decode(chunk?: Buffer): string | typeof none | Generator<string> {
      const bytes = hold ? hold(chunk) : (chunk ?? Buffer.alloc(0))
      try {
        const text = decoder.decode(bytes, { stream: chunk !== undefined })
        if (fatal) follower.decode(bytes, { stream: true })
        return text || none
      } catch (cause) {
        return untilError(bytes, cause)
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

/** Returns the input up to the last such byte, and the ASCII that follows; at the end the rest. */
function holdCharacters(): (chunk?: Buffer) => Buffer {
  let held: Buffer | undefined
  let length = 0

  function hold(bytes: Buffer): void {
    held ??= Buffer.allocUnsafeSlow(blockBytes)
    length += bytes.copy(held, length)
  }

  /** Everything is copied once, however small the chunks are. */
  function take(chunk: Buffer, end: number): Buffer {
    if (end === 0) {
      hold(chunk)
      return chunk.subarray(0, 0)
    }
    const bytes = held ? Buffer.concat([held.subarray(0, length), chunk]) : chunk
    length = 0
    if (end < bytes.length) hold(bytes.subarray(end))
    return bytes.subarray(0, end)
  }

  return chunk => {
    if (!chunk) return take(Buffer.alloc(0), length)
    if (length === 0 && isAscii(chunk)) return chunk // much faster
    const whole = length + chunk.length
    const sure = sureEnd(chunk, length === 0)
    const end = sure === 0 ? 0 : length + sure
    return take(chunk, whole - end > blockBytes ? whole - blockBytes / 2 : end) // they do not fail on large chunks
  }
}

/** The end of the characters that are complete. `isBegin`: whether a character begins with the first byte. */
function sureEnd(bytes: Buffer, isBegin: boolean): number {
  let end = bytes.length
  while (end > 0 && (bytes[end - 1] as number) >= single) end--
  if (end > 0 || isBegin) while ((bytes[end] as number) < 0x80) end++
  return end
}

function* eachByte(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1)
}

/** Parts at whose ends no character is incomplete: ASCII, and everything else up to such a byte. */
function* sureParts(bytes: Buffer): Generator<Buffer> {
  for (let from = 0; from < bytes.length; ) {
    let to = from
    while ((bytes[to] as number) < 0x80) to++
    if (to === from) while ((bytes[to++] as number) >= single);
    yield bytes.subarray(from, to)
    from = to
  }
}

function isEncoding(name: string): boolean {
  try {
    return Boolean(new TextDecoder(name))
  } catch {
    return false
  }
}
