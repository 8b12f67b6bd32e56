import { contained } from '../lib/formats/contained.js'
import { gzip } from '../lib/formats/containers.js'
import { capOptions, decompressor } from '../lib/formats/decompressor.js'
import { defineTransform } from '../lib/stages/define.js'

/** Decompresses gzip (RFC 1952), with limits on the output. */
export const gunzip = defineTransform({
  name: 'gunzip',
  summary: 'decompress the gzip format',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: capOptions(200),
  example: { spec: 'gzip | gunzip', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is RFC 1952: one or more members; zero bytes may pad the end. Input that is truncated or empty is ' +
    'an error, as for `gzip -d`, and so is other data after the last member. What precedes an error is output first. ' +
    'Only invalid compressed data more than 64 KiB into a member may cost up to 64 KiB of that.\n\n' +
    '`ratio` stops a decompression bomb of zeros; text rarely exceeds 20. A mostly empty disk image may exceed 200: ' +
    'use `ratio=1100`, which the format cannot exceed. The total size is unlimited unless `max` is set.',
  create(caps) {
    return decompressor(gzip.name, caps, contained(gzip))
  },
})
