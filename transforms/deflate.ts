import { constants, createDeflate, createDeflateRaw } from 'node:zlib'
import { defineTransform, flag, integer } from '../lib/stages/define.js'

/** Compresses bytes in the zlib format (RFC 1950) or as bare deflate (RFC 1951). */
export const deflate = defineTransform({
  name: 'deflate',
  summary: 'compress bytes in the zlib format',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: {
    level: integer('from 0, none, over 1, fast, to 9, small', { min: 0, max: 9, default: 6 }),
    raw: flag('bare deflate, without header and checksum'),
    flush: flag('hold nothing back, for interactive traffic; it compresses less'),
  },
  example: { spec: 'deflate | inflate', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is that of RFC 1950, which HTTP calls `deflate`, with `raw=true` that of RFC 1951. Without `flush=true` ' +
    'output comes when a block is full, so what somebody types may wait until the end.',
  create({ level, raw, flush }) {
    const make = raw ? createDeflateRaw : createDeflate
    return make({ level, flush: flush ? constants.Z_SYNC_FLUSH : constants.Z_NO_FLUSH })
  },
})
