import { capOptions, decompressor } from '../lib/formats/decompressor.js'
import { createZstdDecompress, frameCutter, lacksZstd, parameters } from '../lib/formats/zstd.js'
import { blockBytes, defineTransform, integer } from '../lib/stages/define.js'

/** Decompresses zstd (RFC 8878), with caps on the output and on the memory that it takes. */
export const unzstd = defineTransform({
  name: 'unzstd',
  summary: 'decompress the zstd format',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: {
    window: integer('the largest window that a frame may ask for, as a power of 2: 23 is 8 MiB', {
      min: 10,
      max: 31,
      default: 23,
    }),
    ...capOptions(1000),
  },
  check: () => lacksZstd(process.version),
  example: { spec: 'zstd | unzstd', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is that of RFC 8878: one frame or several, skippable ones among them. It needs Node 22.15, 23.8 or later. ' +
    'Input that ends early, even before its first byte, is an error as for `zstd -d`, and so is anything else behind ' +
    'the last frame. A frame says how much memory its window takes, and more than 8 MiB, which the RFC names, must be ' +
    'allowed by `window`: 27 for what `zstd --ultra` and `zstd --long` write.\n\n' +
    'Zeros come to more than 10,000 bytes for each one, and a bomb of them is stopped by `ratio`. Log lines come to less ' +
    'than 100, but lines that only repeat pass 1000: give a higher `ratio` then. The size as such is not limited unless ' +
    '`max` says so.',
  create({ window, ...caps }) {
    const stream = createZstdDecompress({ chunkSize: blockBytes, params: { [parameters.windowLogMax]: window } })
    return decompressor({ name: 'unzstd', stream, cut: frameCutter() }, caps)
  },
})
