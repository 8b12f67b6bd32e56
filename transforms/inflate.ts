import { createInflate, createInflateRaw } from 'node:zlib'
import { capOptions, decompressor, outputOptions } from '../lib/formats/decompressor.js'
import { defineTransform, flag } from '../lib/stages/define.js'

/** Decompresses the zlib format (RFC 1950) or raw deflate (RFC 1951), with limits on the output. */
export const inflate = defineTransform({
  name: 'inflate',
  summary: 'decompress the zlib format',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: { raw: flag('raw deflate, without header and checksum'), ...capOptions(200) },
  example: { spec: 'deflate | inflate', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is RFC 1950; with `raw=true` RFC 1951. Input that is truncated or empty is an error, and so is data ' +
    'after the end. `gunzip` describes `max` and `ratio`.',
  create({ raw, ...caps }) {
    const make = raw ? createInflateRaw : createInflate
    return decompressor({ name: 'inflate', stream: make(outputOptions), trailer: raw ? 0 : 4 }, caps)
  },
})
