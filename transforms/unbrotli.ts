import { createBrotliDecompress } from 'node:zlib'
import { capOptions, decompressor } from '../lib/formats/decompressor.js'
import { outputOptions, zlibEngine } from '../lib/formats/zlib-engine.js'
import { defineTransform } from '../lib/stages/define.js'

/** Decompresses brotli (RFC 7932), with limits on the output. */
export const unbrotli = defineTransform({
  name: 'unbrotli',
  summary: 'decompress the brotli format',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: capOptions(1000),
  example: { spec: 'brotli | unbrotli', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is RFC 7932. It takes up to 16 MiB of memory, its largest window. Input that is truncated or empty ' +
    'is an error, and so is data after the end. The format has no checksum.\n\n' +
    'A compressed byte can produce more than 100,000 zeros; `ratio` stops such a bomb. Log lines give less than 100 ' +
    'bytes per byte, but lines that only repeat exceed 1000: set a higher `ratio` for these. The total size is ' +
    'unlimited unless `max` is set.',
  create(caps) {
    return decompressor(
      'unbrotli',
      caps,
      zlibEngine({ name: 'unbrotli', stream: createBrotliDecompress(outputOptions) }),
    )
  },
})
