import { constants, createBrotliCompress } from 'node:zlib'
import { defineTransform, flag, integer } from '../lib/stages/define.js'

/** Compresses bytes in the brotli format (RFC 7932). */
export const brotli = defineTransform({
  name: 'brotli',
  summary: 'compress bytes in the brotli format',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: {
    quality: integer('from 0 (fastest) to 11 (smallest)', { min: 0, max: 11, default: 4 }),
    window: integer('size of the window as a power of 2: 18 is 256 KiB', {
      min: 10,
      max: 24,
      default: 18,
    }),
    flush: flag('hold nothing back, for interactive traffic; compresses less'),
  },
  example: { spec: 'brotli | unbrotli', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is RFC 7932. The default quality, 4, is about as fast as gzip and compresses text better. 11, the ' +
    'default of the `brotli` program, is about 100 times slower; use it for files that are compressed once. Up to ' +
    'twice the window is held before any output. A window of 22, the default of the program, makes text smaller by ' +
    'a fifth but needs many times the memory. With `flush=true` nothing is held back, which interactive input ' +
    'needs.',
  create({ quality, window, flush }) {
    return createBrotliCompress({
      params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_LGWIN]: window },
      flush: flush ? constants.BROTLI_OPERATION_FLUSH : constants.BROTLI_OPERATION_PROCESS,
    })
  },
})
