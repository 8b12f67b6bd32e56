import { constants, createDeflate, createDeflateRaw } from 'node:zlib'
import { defineTransform, flag, integer } from '../lib/stages/define.js'

/** Compresses bytes in the zlib format (RFC 1950) or as raw deflate (RFC 1951). */
export const deflate = defineTransform({
  name: 'deflate',
  summary: 'compress bytes in the zlib format',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: {
    level: integer('0 (no compression), or 1 (fastest) to 9 (smallest)', { min: 0, max: 9, default: 6 }),
    raw: flag('raw deflate, without header and checksum'),
    flush: flag('hold nothing back, for interactive traffic; compresses less'),
  },
  example: { spec: 'deflate | inflate', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is RFC 1950, which HTTP calls `deflate`; with `raw=true` RFC 1951. Without `flush=true`, output ' +
    'appears when a block is full, so interactive input may wait until the end.',
  create({ level, raw, flush }) {
    const make = raw ? createDeflateRaw : createDeflate
    return make({ level, flush: flush ? constants.Z_SYNC_FLUSH : constants.Z_NO_FLUSH })
  },
})
