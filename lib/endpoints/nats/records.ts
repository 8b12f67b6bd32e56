/** Whole records, gathered into messages. */
import { lengthCutter } from '../../formats/framing.js'
import { TcpPipeError } from '../../text/errors.js'
import type { RecordFormat } from './parameters.js'

/** Some records of a connection, one after another. */
export interface Message {
  /** The offset of its first byte in the connection. */
  readonly offset: number
  readonly data: Buffer
}

export interface Gathering {
  readonly records: RecordFormat
  /** The size of a message in bytes, unless a single record is longer. */
  readonly maxMessage: number
  /** The size of a record in bytes, beyond which it fails. */
  readonly maxRecord: number
}

/** Where records end in a chunk. */
interface Ends {
  /** The end of the last record that ends in `from` … `to`, or -1. */
  last(from: number, to: number): number
  /** The end of the first record that ends after `from`, or -1. */
  first(from: number): number
}

/** How records are found, chunk by chunk. */
interface Finder {
  write(chunk: Buffer): Ends
  /** At the end of the data. Throws `ERR_INPUT` if a record is not whole and cannot be. */
  end(): void
}

/** Gathers records: takes chunks of any size, gives messages of whole records. */
export class Gatherer {
  readonly #gathering: Gathering
  readonly #finder: Finder
  #offset = 0
  readonly #whole = new Parts()
  readonly #partial = new Parts()

  constructor(gathering: Gathering) {
    this.#gathering = gathering
    this.#finder = finderOf(gathering)
  }

  /** Takes a chunk, and yields the messages that are full. Throws `ERR_RECORD_TOO_LONG`. */
  *write(chunk: Buffer): Generator<Message> {
    const { maxMessage } = this.#gathering
    const ends = this.#finder.write(chunk)
    for (let at = 0; at < chunk.length; ) {
      const limit = at + maxMessage - this.#whole.size - this.#partial.size
      const end = limit > at ? ends.last(at, limit) : -1
      const isLong = this.#whole.size === 0 && limit < chunk.length
      const alone = end < 0 && isLong ? ends.first(at) : end
      if (alone > 0) {
        this.#complete(chunk.subarray(at, alone))
        at = alone
        if (this.#whole.size >= maxMessage) yield* this.take()
      } else if (isLong || limit >= chunk.length) {
        this.#hold(chunk.subarray(at))
        at = chunk.length
      } else yield* this.take()
    }
    this.#whole.keep()
    this.#partial.keep()
  }

  /** Yields the records that are whole, if there are any. */
  *take(): Generator<Message> {
    if (this.#whole.size === 0) return
    const data = this.#whole.take()
    const offset = this.#offset
    this.#offset += data.length
    yield { offset, data }
  }

  /** Yields what is left at the end of the data. Throws `ERR_INPUT`. */
  *end(): Generator<Message> {
    this.#finder.end()
    if (this.#whole.size + this.#partial.size > this.#gathering.maxMessage) yield* this.take()
    this.#whole.add(this.#partial.take())
    yield* this.take()
  }

  /** What was a part is the beginning of a whole record, or of several, which end with these bytes. */
  #complete(bytes: Buffer): void {
    this.#hold(bytes)
    this.#whole.add(this.#partial.take())
  }

  #hold(bytes: Buffer): void {
    const { maxRecord } = this.#gathering
    this.#partial.add(bytes)
    if (this.#partial.size <= maxRecord) return
    const remedy = 'raise max_payload of the server, or send shorter records'
    const message = `a record is longer than ${maxRecord} bytes, what the server takes in one message; ${remedy}`
    throw new TcpPipeError('ERR_RECORD_TOO_LONG', message)
  }
}

/** Bytes in several chunks. The last ones may belong to a writer, who may use them again. */
class Parts {
  #chunks: Buffer[] = []
  /** The number of chunks that are copies. */
  #own = 0
  size = 0

  add(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#chunks.push(bytes)
    this.size += bytes.length
  }

  /** Copies what belongs to the writer. */
  keep(): void {
    for (; this.#own < this.#chunks.length; this.#own++)
      this.#chunks[this.#own] = Buffer.from(this.#chunks[this.#own] as Buffer)
  }

  take(): Buffer {
    const all = Buffer.concat(this.#chunks)
    this.#chunks = []
    this.#own = 0
    this.size = 0
    return all
  }
}

function finderOf({ records, maxRecord }: Gathering): Finder {
  if (records === 'chunks') return { write: anywhere, end: nothing }
  if (records === 'lines') return { write: chunk => endsWith(chunk, 10), end: nothing }
  if (records === 'nul') return { write: chunk => endsWith(chunk, 0), end: nothing }
  const cutter = lengthCutter(records, maxRecord, 'records')
  let before = 0
  return {
    write(chunk) {
      const ends: number[] = []
      for (const _frame of cutter.write(chunk)) ends.push(cutter.offset() - before)
      before += chunk.length
      return listed(ends)
    },
    end: () => void [...cutter.end()],
  }
}

function anywhere(chunk: Buffer): Ends {
  const end = (_from: number, to = chunk.length) => Math.min(to, chunk.length)
  return { last: end, first: end }
}

function endsWith(chunk: Buffer, terminator: number): Ends {
  return {
    last(from, to) {
      const at = chunk.lastIndexOf(terminator, to - 1)
      return at < from ? -1 : at + 1
    },
    first(from) {
      const at = chunk.indexOf(terminator, from)
      return at < 0 ? -1 : at + 1
    },
  }
}

/** The ends are in order, and are asked for in order. */
function listed(ends: readonly number[]): Ends {
  let next = 0
  const skip = (from: number) => {
    while ((ends[next] as number) <= from) next++
  }
  return {
    last(from, to) {
      skip(from)
      let found = -1
      for (let i = next; (ends[i] as number) <= to; i++) found = ends[i] as number
      return found
    },
    first(from) {
      skip(from)
      return ends[next] ?? -1
    },
  }
}

function nothing(): void {}
