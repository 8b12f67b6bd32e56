import { createInflate, createInflateRaw } from 'node:zlib'
import { capOptions, decompressor } from '../lib/formats/decompressor.js'
import { blockBytes, defineTransform, flag } from '../lib/stages/define.js'

/** Decompresses the zlib format (RFC 1950) or bare deflate (RFC 1951), with caps on the output. */
export const inflate = defineTransform({
  name: 'inflate',
  summary: 'decompress the zlib format',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: { raw: flag('bare deflate, without header and checksum'), ...capOptions(200) },
  example: { spec: 'deflate | inflate', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is that of RFC 1950, with `raw=true` that of RFC 1951. Input that ends early, even before its first byte, ' +
    'is an error, and so is anything that stands behind the end. `max` and `ratio` are those of `gunzip`.',
  create({ raw, ...caps }) {
    const make = raw ? createInflateRaw : createInflate
    return decompressor({ name: 'inflate', stream: make({ chunkSize: blockBytes }) }, caps)
  },
})
