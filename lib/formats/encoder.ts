/** Writes records as bytes: the counterpart of the decoders. */
import { errorMessage, TcpPipeError } from '../text/errors.js'
import { textToBytes } from './bytes.js'
import { toJson } from './json-number.js'
import type { Batch, Ending } from './records.js'

/** Records → chunks. If a record cannot be written, yields those before it, and throws. */
export type Encoder = (batch: Batch) => Batch | Generator<Batch>

/** A string is a line, a Buffer is bytes, any other value is a line of JSON. `encode` overrides this. */
export function encoder(ending: Ending, encode?: (record: unknown) => string): Encoder {
  let owed = false // the LF of the last record is written only if another record follows

  function join(lines: string[]): Buffer {
    if (owed) lines.unshift('')
    owed = ending.unterminated
    if (!owed) lines.push('')
    return textToBytes(lines.join('\n'))
  }

  /** Adds the records to the chunks, up to one that cannot be written. */
  function addAll(batch: Batch, chunks: Batch): void {
    let lines: string[] = []
    const endLines = () => {
      if (lines.length > 0) chunks.push(join(lines))
      lines = []
    }
    try {
      for (const value of batch) {
        if (value instanceof Uint8Array) {
          endLines()
          if (owed) chunks.push(Buffer.from('\n'))
          chunks.push(value)
          owed = false
        } else lines.push(typeof value === 'string' && !encode ? value : stringify(value, encode))
      }
    } finally {
      endLines()
    }
  }

  return batch => {
    if (!encode && areLines(batch)) return [join(batch)]
    const chunks: Batch = []
    try {
      addAll(batch, chunks)
    } catch (error) {
      return failing(chunks, error)
    }
    return chunks
  }
}

/** A plain loop, because it runs for every record between two stages. */
export function areLines(batch: Batch): batch is string[] {
  for (const value of batch) if (typeof value !== 'string') return false
  return true
}

function* failing(chunks: Batch, error: unknown): Generator<Batch> {
  if (chunks.length > 0) yield chunks
  throw error
}

function stringify(value: unknown, encode: (value: unknown) => string | undefined = toJson): string {
  let json: string | undefined
  try {
    json = encode(value)
  } catch (cause) {
    if (cause instanceof TcpPipeError) throw cause
    throw new TcpPipeError('ERR_STAGE_RESULT', `a value cannot be written as JSON: ${errorMessage(cause)}`, { cause })
  }
  if (json === undefined) throw new TcpPipeError('ERR_STAGE_RESULT', `a ${typeof value} cannot be written as JSON`)
  return json
}
