import { createBrotliDecompress } from 'node:zlib'
import { capOptions, decompressor } from '../lib/formats/decompressor.js'
import { blockBytes, defineTransform } from '../lib/stages/define.js'

/** Decompresses brotli (RFC 7932), with caps on the output. */
export const unbrotli = defineTransform({
  name: 'unbrotli',
  summary: 'decompress the brotli format',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: capOptions(1000),
  example: { spec: 'brotli | unbrotli', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is that of RFC 7932; it takes up to 16 MiB of memory, its largest window. Input that ends early, even ' +
    'before its first byte, is an error, and so is anything that stands behind the end. It has no checksum.\n\n' +
    'Zeros come to more than 100,000 bytes for each one, and a bomb of them is stopped by `ratio`. Log lines come to less ' +
    'than 100, but lines that only repeat pass 1000: give a higher `ratio` then. The size as such is not limited unless ' +
    '`max` says so.',
  create(caps) {
    return decompressor({ name: 'unbrotli', stream: createBrotliDecompress({ chunkSize: blockBytes }) }, caps)
  },
})
