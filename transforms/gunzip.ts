import { createGunzip } from 'node:zlib'
import { capOptions, decompressor } from '../lib/formats/decompressor.js'
import { blockBytes, defineTransform } from '../lib/stages/define.js'

/** Decompresses gzip (RFC 1952), with caps on the output. */
export const gunzip = defineTransform({
  name: 'gunzip',
  summary: 'decompress the gzip format',
  group: 'convert',
  unit: 'bytes',
  indivisible: true,
  options: capOptions(200),
  example: { spec: 'gzip | gunzip', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The format is that of RFC 1952: one member or several, zero bytes behind the last one as padding. Input that ends ' +
    'early, even before its first byte, is an error as for `gzip -d`, and so is anything else behind the last member.\n\n' +
    'A bomb of zeros is stopped by `ratio`; text rarely comes to 20. An image of a disk that is mostly empty may pass ' +
    '200: give `ratio=1100`, which the format cannot reach. The size as such is not limited unless `max` says so.',
  create(caps) {
    return decompressor({ name: 'gunzip', stream: createGunzip({ chunkSize: blockBytes }), padding: true }, caps)
  },
})
