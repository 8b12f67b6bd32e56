import { constants, createGzip } from 'node:zlib'
import { defineTransform, flag, integer } from '../lib/stages/define.js'

/** Compresses bytes in the gzip format (RFC 1952). */
export const gzip = defineTransform({
  name: 'gzip',
  summary: 'compress bytes in the gzip format',
  group: 'convert',
  unit: 'bytes',
  options: {
    level: integer('0 (no compression), or 1 (fastest) to 9 (smallest)', { min: 0, max: 9, default: 6 }),
    flush: flag('hold nothing back, for interactive traffic; compresses less'),
  },
  example: { spec: 'gzip | gunzip', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is RFC 1952. Without `flush=true`, output appears when a block is full, so interactive input may ' +
    'wait until the end.',
  create({ level, flush }) {
    return createGzip({ level, flush: flush ? constants.Z_SYNC_FLUSH : constants.Z_NO_FLUSH })
  },
})
