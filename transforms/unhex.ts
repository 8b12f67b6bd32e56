import { formatOffset } from '../lib/formats/hex-dump.js'
import { bytes, choice, defineTransform } from '../lib/stages/define.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { escapeLine } from '../lib/text/escape.js'

/** Decodes a hex dump: the output of `hexdump -v -C`, `xxd -p` and `hex`. */
export const unhex = defineTransform({
  name: 'unhex',
  summary: 'decode a hex dump',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: {
    form: choice('form of the dump', ['auto', 'canonical', 'plain'], { default: 'auto' }),
    offset: bytes('first offset of a canonical dump', { default: 0 }),
  },
  example: { spec: 'unhex', input: '48 69\n0a\n', output: 'Hi\n' },
  notes:
    'A dump is canonical (`hexdump -v -C`) if its first line is an offset of at least 8 digits, two spaces and one ' +
    'byte. Otherwise it is plain (digits and white space, as from `xxd -p`). `form` sets it explicitly; then no ' +
    'input is held back to detect it. In a canonical dump each row must begin where the previous one ended, and the ' +
    'last line must be the offset of the end. Rows that are lost, or omitted by `hexdump` without `-v`, are ' +
    'therefore an error. The two digits of a byte must be adjacent, in upper or lower case.',
  create({ form, offset }) {
    const readers = { canonical: () => canonicalReader(offset), plain: plainReader }
    let reader = form === 'auto' ? undefined : readers[form]()
    let head: Buffer = Buffer.alloc(0)

    function write(chunk: Buffer): Generator<Buffer> | undefined {
      if (reader) return reader.write(chunk)
      head = Buffer.concat([head, chunk])
      const found = formOf(head)
      reader = found && readers[found]()
      return reader?.write(head)
    }

    function* flush(): Generator<Buffer> {
      const rest = reader ? Buffer.alloc(0) : head
      reader ??= plainReader()
      yield* reader.write(rest)
      yield* reader.end()
    }

    return { write, flush }
  },
})

/** Both yield what precedes an error before they throw. */
interface Reader {
  write(chunk: Buffer): Generator<Buffer>
  end(): Iterable<Buffer>
}

/** Undefined until about a line has arrived. */
function formOf(head: Buffer): 'canonical' | 'plain' | undefined {
  const text = head.toString('latin1', 0, 64).trimStart()
  if (/^[\da-f]{8,16} {2}[\da-f]{2}\s/i.test(text)) return 'canonical'
  return text.includes('\n') || text.length >= 32 || head.length >= 64 ? 'plain' : undefined
}

function plainReader(): Reader {
  let line = 1
  let first = -1 // first digit of a byte whose second digit has not arrived

  function* write(chunk: Buffer): Generator<Buffer> {
    const out = Buffer.allocUnsafe((chunk.length + 1) >> 1)
    let length = 0
    try {
      for (let i = 0; i < chunk.length; ) {
        const value = kind(chunk[i])
        const next = kind(chunk[i + 1])
        if (first < 0 && (value | next) < SPACE) {
          out[length++] = (value << 4) | next
          i += 2
        } else {
          if (value < SPACE && first >= 0) out[length++] = (first << 4) | value
          else if (value >= SPACE) separate(value, chunk, i)
          first = value < SPACE && first < 0 ? value : -1
          i++
        }
      }
    } finally {
      yield out.subarray(0, length)
    }
  }

  function separate(value: number, chunk: Buffer, i: number): void {
    if (value === OTHER) throw noDigit(line, chunk, i)
    if (first >= 0) throw oddDigits(line)
    if (value === LF) line++
  }

  function end(): Buffer[] {
    if (first >= 0) throw oddDigits(line)
    return []
  }

  return { write, end }
}

function canonicalReader(start: number): Reader {
  let line = 0
  let offset = start
  let complete = true // the last line was only an offset, or there was none
  let rest: Buffer = Buffer.alloc(0)

  function* write(chunk: Buffer): Generator<Buffer> {
    const text = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    const whole = text.lastIndexOf(LF_BYTE) + 1
    rest = Buffer.from(text.subarray(whole))
    yield* rows(text.subarray(0, whole))
    checkLength(rest.length, line + 1)
  }

  function* rows(text: Buffer): Generator<Buffer> {
    const out = Buffer.allocUnsafe(text.length >> 1)
    let length = 0
    try {
      for (let from = 0; from < text.length; ) {
        const to = text.indexOf(LF_BYTE, from)
        line++
        checkLength(to - from, line)
        const at = offsetEnd(text, from, to)
        if (at > from) length += row(text, at, to, out, length)
        from = to + 1
      }
    } finally {
      yield out.subarray(0, length)
    }
  }

  /** Checks the offset and returns its end; returns `from` if the line is blank. */
  function offsetEnd(text: Buffer, from: number, to: number): number {
    let at = from
    let given = 0
    for (; kind(text[at]) < SPACE; at++) given = given * 16 + kind(text[at])
    if (at - from >= 8 && given === offset) return at
    if (at - from >= 8)
      throw fault(line, `offset ${formatOffset(given)} instead of ${formatOffset(offset)}: rows are missing`)
    if (text[from] === STAR) throw squeezed(line)
    if (text.toString('latin1', from, to).trim() !== '') throw fault(line, 'no offset at the beginning')
    return from
  }

  /** Returns the number of bytes in the row. */
  function row(text: Buffer, from: number, to: number, out: Buffer, start: number): number {
    let length = 0
    for (let at = from; at < to && text[at] !== BAR; ) {
      const value = kind(text[at])
      const next = kind(text[at + 1])
      if ((value | next) < SPACE) {
        out[start + length++] = (value << 4) | next
        at += text[at + 2] === 0x20 ? 3 : 2
      } else if (value === SPACE) at++
      else if (value === OTHER || next === OTHER) throw noDigit(line, text, value === OTHER ? at : at + 1)
      else throw oddDigits(line)
    }
    offset += length
    complete = length === 0
    return length
  }

  function* end(): Generator<Buffer> {
    yield* rows(rest.length > 0 ? Buffer.concat([rest, Buffer.from('\n')]) : rest)
    if (!complete) throw fault(line + 1, `the last offset, ${formatOffset(offset)}, is missing: the dump is truncated`)
  }

  return { write, end }
}

/** Longer than a row of 256 bytes. */
const maxRow = 4096

function checkLength(length: number, line: number): void {
  if (length > maxRow) throw fault(line, `longer than ${maxRow} bytes`)
}

const BAR = 0x7c
const STAR = 0x2a
const LF_BYTE = 0x0a

/** Kinds of characters; 0 to 15 are digits. */
const SPACE = 16
const LF = 17
const OTHER = 32

const kinds = new Uint8Array(257).fill(OTHER)
for (const space of ' \t\r\v\f') kinds[space.charCodeAt(0)] = SPACE
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  kinds[digit.charCodeAt(0)] = value
  kinds[digit.toUpperCase().charCodeAt(0)] = value
}
kinds[LF_BYTE] = LF

function kind(byte: number | undefined): number {
  return kinds[byte ?? 256] as number
}

function noDigit(line: number, text: Buffer, at: number): TcpPipeError {
  if (text[at] === STAR) return squeezed(line)
  return fault(line, `'${escapeLine(text.toString('latin1', at, at + 1))}' is not a hex digit`)
}

function squeezed(line: number): TcpPipeError {
  return fault(line, "'*' stands for omitted rows; make the dump with 'hexdump -v'")
}

function oddDigits(line: number): TcpPipeError {
  return fault(line, 'odd number of hex digits')
}

function fault(line: number, message: string): TcpPipeError {
  return new TcpPipeError('ERR_INPUT', `unhex: line ${line}: ${message}`)
}
