import { byBlocks } from '../lib/formats/by-blocks.js'
import { canonicalRows, formatOffset, plainRows } from '../lib/formats/hex-dump.js'
import { bytes, defineTransform, flag, integer } from '../lib/stages/define.js'

/** Writes bytes as a hex dump: offset, digits and text like `hexdump -v -C`, or only digits like `xxd -p`. */
export const hex = defineTransform({
  name: 'hex',
  summary: 'write bytes as a hex dump',
  group: 'convert',
  unit: 'bytes',
  makesLines: true,
  options: {
    width: integer('bytes per row; default: 16, or 30 with plain', { min: 1, max: 256 }),
    plain: flag('write only the digits'),
    offset: bytes('offset of the first byte', { default: 0 }),
  },
  example: {
    spec: 'hex width=8',
    input: 'Hi there\n',
    output: '00000000  48 69 20 74 68 65 72 65  |Hi there|\n00000008  0a                       |.|\n00000009\n',
  },
  notes:
    'The output equals that of `hexdump -v -C`, with `plain=true` that of `xxd -p`. Rows do not depend on chunk ' +
    'boundaries: an incomplete row is held until it is full or the input ends. From 4 GiB on, an offset has more ' +
    'than 8 digits.',
  create({ plain, width = plain ? 30 : 16, offset }) {
    return { ...dump(width, offset, plain), memory: 'releases' }
  },
})

/** Works in blocks, so that a large chunk does not take five times its size at once. */
function dump(width: number, start: number, plain: boolean) {
  const rows = plain ? plainRows(width) : canonicalRows(width)
  let offset = start
  let rest: Buffer = Buffer.alloc(0)

  const write = byBlocks(part => {
    const block = rest.length > 0 ? Buffer.concat([rest, part]) : part
    const whole = block.length - (block.length % width)
    rest = Buffer.from(block.subarray(whole))
    const dumped = rows(block.subarray(0, whole), offset)
    offset += whole
    return dumped
  })

  function flush() {
    const end = offset + rest.length
    if (end === start) return undefined
    return Buffer.concat([rows(rest, offset), Buffer.from(plain ? '' : `${formatOffset(end)}\n`)])
  }

  return { write, flush }
}
