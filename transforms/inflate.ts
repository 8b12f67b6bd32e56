import { contained } from '../lib/formats/contained.js'
import { raw as rawDeflate, zlib } from '../lib/formats/containers.js'
import { capOptions, decompressor } from '../lib/formats/decompressor.js'
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
    'after the end. `gunzip` describes `max`, `ratio` and what precedes an error.',
  create({ raw, ...caps }) {
    return decompressor('inflate', caps, contained(raw ? rawDeflate : zlib))
  },
})
