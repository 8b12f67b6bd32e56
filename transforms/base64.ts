import { byBlocks } from '../lib/formats/by-blocks.js'
import { chunkBytes } from '../lib/formats/records.js'
import { defineTransform, flag, integer } from '../lib/stages/define.js'

/** Encodes bytes as base64 (RFC 4648), in one line or in lines of a given width. */
export const base64 = defineTransform({
  name: 'base64',
  summary: 'encode bytes as base64',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: {
    width: integer('characters per line; default: one line without an LF', { min: 1 }),
    url: flag("use '-' and '_' instead of '+' and '/', and omit the '=' at the end"),
  },
  example: { spec: 'base64', input: 'Hello\n', output: 'SGVsbG8K' },
  notes:
    'The alphabet is RFC 4648 §4, with `url=true` §5. The output equals that of `base64 -w0`: no LF, not even at ' +
    'the end. With `width=76` it equals that of `base64`, which ends every line with an LF, including the last. Up ' +
    'to two bytes are held until a third arrives or the input ends.',
  create({ width, url }) {
    const encoding = url ? 'base64url' : 'base64'
    const lines = width === undefined ? undefined : lineWriter(width)
    const group = Buffer.alloc(3) // the bytes that wait for a third
    let held = 0

    const write = byBlocks(block => {
      const text = encode(block)
      return lines ? lines.write(text) : text
    }, chunkBytes)

    /** Three bytes make four characters. */
    function encode(bytes: Buffer): Buffer {
      let from = 0
      while (held > 0 && held < 3 && from < bytes.length) group[held++] = bytes[from++] as number
      const first = held === 3 ? 4 : 0
      const end = bytes.length - ((bytes.length - from) % 3)
      const out = Buffer.allocUnsafe(first + ((end - from) / 3) * 4)
      if (first > 0) {
        out.write(group.toString(encoding), 'latin1')
        held = 0
      }
      for (let to = first; from < end; from += pieceBytes)
        to += out.write(bytes.toString(encoding, from, Math.min(from + pieceBytes, end)), to, 'latin1')
      held += bytes.copy(group, held, end)
      return out
    }

    function* flush() {
      const text = Buffer.from(group.toString(encoding, 0, held), 'latin1')
      yield lines ? lines.write(text) : text
      if (lines) yield lines.end()
    }

    return { write, flush, memory: 'releases' }
  },
})

/** What becomes one string, since Node.js encodes only to strings: so small that it stays in the caches. Three divide it. */
const pieceBytes = 12 * 1024

function lineWriter(width: number) {
  let column = 0

  function write(text: Buffer): Buffer {
    const out = Buffer.allocUnsafe(text.length + Math.floor((column + text.length) / width))
    let at = 0
    for (let from = 0; from < text.length; ) {
      const size = Math.min(width - column, text.length - from)
      at += text.copy(out, at, from, from + size)
      from += size
      column = (column + size) % width
      if (column === 0) out[at++] = LF
    }
    return out
  }

  return { write, end: () => Buffer.from(column > 0 ? '\n' : '') }
}

const LF = 0x0a
