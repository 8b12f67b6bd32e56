import { createZstdCompress, lacksZstd, parameters } from '../lib/formats/zstd.js'
import { defineTransform, flag, integer } from '../lib/stages/define.js'

/** Compresses bytes in the zstd format (RFC 8878). */
export const zstd = defineTransform({
  name: 'zstd',
  summary: 'compress bytes in the zstd format',
  group: 'convert',
  unit: 'bytes',
  options: {
    level: integer('from 1 (fastest) to 19 (smallest)', { min: 1, max: 19, default: 3 }),
    flush: flag('hold nothing back, for interactive traffic; compresses less'),
  },
  check: () => lacksZstd(process.version),
  example: { spec: 'zstd | unzstd', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is RFC 8878: one frame with a checksum, like the output of `zstd`. It requires Node 22.15, 23.8 or ' +
    'later. Level 19 takes about 90 MiB of memory per connection, level 3 about 6. Without `flush=true`, output ' +
    'appears when a block is full, so interactive input may wait until the end.',
  create({ level, flush }) {
    return createZstdCompress({
      params: { [parameters.compressionLevel]: level, [parameters.checksumFlag]: 1 },
      flush: flush ? parameters.flush : parameters.continue,
    })
  },
})
