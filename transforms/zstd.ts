import { createZstdCompress, lacksZstd, parameters } from '../lib/formats/zstd.js'
import { defineTransform, flag, integer } from '../lib/stages/define.js'

/** Compresses bytes in the zstd format (RFC 8878). */
export const zstd = defineTransform({
  name: 'zstd',
  summary: 'compress bytes in the zstd format',
  group: 'convert',
  unit: 'bytes',
  options: {
    level: integer('from 1, fast, to 19, small', { min: 1, max: 19, default: 3 }),
    flush: flag('hold nothing back, for interactive traffic; it compresses less'),
  },
  check: () => lacksZstd(process.version),
  example: { spec: 'zstd | unzstd', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is that of RFC 8878, one frame with a checksum, as the `zstd` program writes it. It needs Node 22.15, 23.8 ' +
    'or later. Level 19 takes about 90 MiB of memory for each connection, level 3 about 6. Without `flush=true` output ' +
    'comes when a block is full, so what somebody types may wait until the end.',
  create({ level, flush }) {
    return createZstdCompress({
      params: { [parameters.compressionLevel]: level, [parameters.checksumFlag]: 1 },
      flush: flush ? parameters.flush : parameters.continue,
    })
  },
})
