import { constants, createGzip } from 'node:zlib'
import { defineTransform, flag, integer } from '../lib/stages/define.js'

/** Compresses bytes in the gzip format (RFC 1952). */
export const gzip = defineTransform({
  name: 'gzip',
  summary: 'compress bytes in the gzip format',
  group: 'convert',
  unit: 'bytes',
  options: {
    level: integer('from 0, none, over 1, fast, to 9, small', { min: 0, max: 9, default: 6 }),
    flush: flag('hold nothing back, for interactive traffic; it compresses less'),
  },
  example: { spec: 'gzip | gunzip', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is that of RFC 1952. Without `flush=true` output comes when a block is full, so what somebody types may ' +
    'wait until the end.',
  create({ level, flush }) {
    return createGzip({ level, flush: flush ? constants.Z_SYNC_FLUSH : constants.Z_NO_FLUSH })
  },
})
