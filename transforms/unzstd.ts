import { capOptions, decompressor } from '../lib/formats/decompressor.js'
import { outputOptions, zlibEngine } from '../lib/formats/zlib-engine.js'
import { createZstdDecompress, frameCutter, lacksZstd, parameters } from '../lib/formats/zstd.js'
import { defineTransform, integer } from '../lib/stages/define.js'

/** Decompresses zstd (RFC 8878), with limits on the output and the memory. */
export const unzstd = defineTransform({
  name: 'unzstd',
  summary: 'decompress the zstd format',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: {
    window: integer('largest window that a frame may request, as a power of 2: 23 is 8 MiB', {
      min: 10,
      max: 31,
      default: 23,
    }),
    ...capOptions(1000),
  },
  check: () => lacksZstd(process.version),
  example: { spec: 'zstd | unzstd', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is RFC 8878: one or more frames, including skippable ones. It requires Node 22.15, 23.8 or later. ' +
    'Input that is truncated or empty is an error, as for `zstd -d`, and so is other data after the last frame. A ' +
    'frame states how much memory its window takes. More than 8 MiB, the limit that the RFC recommends, requires ' +
    '`window`: 27 for the output of `zstd --ultra` and `zstd --long`.\n\n' +
    'A compressed byte can produce more than 10,000 zeros; `ratio` stops such a bomb. Log lines give less than 100 ' +
    'bytes per byte, but lines that only repeat exceed 1000: set a higher `ratio` for these. The total size is ' +
    'unlimited unless `max` is set.',
  create({ window, ...caps }) {
    const stream = createZstdDecompress({ ...outputOptions, params: { [parameters.windowLogMax]: window } })
    return decompressor('unzstd', caps, zlibEngine({ name: 'unzstd', stream, cut: frameCutter() }))
  },
})
