import { countLines } from '../lib/formats/count-lines.js'
import { defineTransform, duration } from '../lib/stages/define.js'

/** Counts bytes, chunks and lines, and logs the counts; the bytes pass unchanged. */
export const counter = defineTransform({
  name: 'counter',
  summary: 'count bytes, chunks and lines',
  group: 'inspect',
  unit: 'bytes',
  options: {
    every: duration('interval for logging the counts so far', { min: 1, max: 24 * 3_600_000 }),
  },
  example: { spec: 'counter', input: 'one\ntwo', output: 'one\ntwo' },
  notes:
    'At the end it logs `{ bytes, chunks, lines }`. A last line without an LF counts. A connection that fails logs ' +
    'no counts.',
  create({ every }, context) {
    const counts = { bytes: 0, chunks: 0, lines: 0 }
    let unterminated = 0
    let timer: NodeJS.Timeout | undefined

    function log(): void {
      const lines = counts.lines + unterminated
      context.log.info({ direction: context.connection?.direction, ...counts, lines }, 'counter')
    }

    function write(chunk: Buffer): Buffer {
      if (every !== undefined) timer ??= setInterval(log, every).unref()
      counts.bytes += chunk.length
      counts.chunks++
      counts.lines += countLines(chunk)
      unterminated = chunk.at(-1) === LF ? 0 : 1
      return chunk
    }

    return { write, flush: log, destroy: () => clearInterval(timer), memory: 'passes' }
  },
})

const LF = 10
