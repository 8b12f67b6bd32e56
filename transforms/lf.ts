import { byBlocks } from '../lib/formats/by-blocks.js'
import { defineTransform } from '../lib/stages/define.js'

/** Ends lines with LF: removes the CR of each CR LF. */
export const lf = defineTransform({
  name: 'lf',
  summary: 'end lines with LF',
  group: 'convert',
  unit: 'bytes',
  example: { spec: 'lf | hex plain=true', input: 'a\r\nb\n', output: '610a620a\n' },
  notes:
    'Works like `dos2unix`: a lone CR stays. All other bytes pass unchanged. A CR at the end of a chunk is held ' +
    'until the next byte arrives.',
  create() {
    let held: Buffer = Buffer.alloc(0) // a CR, or nothing

    const write = byBlocks(bytes => {
      const block = Buffer.concat([held, bytes])
      const end = block.at(-1) === CR ? block.length - 1 : block.length
      held = Buffer.from(block.subarray(end)) // a view would retain the block
      return convert(block.subarray(0, end))
    })

    return { write, flush: () => held }
  },
})

const CR = 0x0d
const LF = 0x0a

/** Works in place: the block is our own copy. */
function convert(block: Buffer): Buffer {
  let length = 0
  let from = 0
  for (let cr = block.indexOf(CR); cr !== -1; cr = block.indexOf(CR, cr + 1)) {
    if (block[cr + 1] !== LF) continue
    length += block.copy(block, length, from, cr)
    from = cr + 1
  }
  length += block.copy(block, length, from)
  return block.subarray(0, length)
}
