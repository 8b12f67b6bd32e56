import { createGzip } from 'node:zlib'
import { defineTransform, integer } from '../lib/define.js'

/** Compresses bytes in the gzip format (RFC 1952). */
export const gzip = defineTransform({
  name: 'gzip',
  summary: 'compress bytes in the gzip format',
  group: 'convert',
  unit: 'bytes',
  options: {
    level: integer('from 0, none, over 1, fast, to 9, small', { min: 0, max: 9, default: 6 }),
  },
  example: { spec: 'gzip | gunzip', input: 'Hello\n', output: 'Hello\n' },
  notes: 'The format is that of RFC 1952.',
  create({ level }) {
    return createGzip({ level })
  },
})
