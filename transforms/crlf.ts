import { byBlocks } from '../lib/formats/by-blocks.js'
import { defineTransform } from '../lib/stages/define.js'

/** Ends lines with CR LF: inserts a CR before each LF that has none. */
export const crlf = defineTransform({
  name: 'crlf',
  summary: 'end lines with CR LF',
  group: 'convert',
  unit: 'bytes',
  example: { spec: 'crlf | hex plain=true', input: 'a\nb\r\n', output: '610d0a620d0a\n' },
  notes: 'Works like `unix2dos`: a CR LF and a lone CR stay as they are. All other bytes pass unchanged.',
  create() {
    let before: number | undefined // last byte of the previous block

    const write = byBlocks(block => {
      const converted = convert(block, before)
      before = block.at(-1) ?? before
      return converted
    })

    return { write }
  },
})

const CR = 0x0d
const LF = 0x0a

function convert(block: Buffer, before: number | undefined): Buffer {
  const out = Buffer.allocUnsafe(2 * block.length)
  let length = 0
  let from = 0
  for (let lf = block.indexOf(LF); lf !== -1; lf = block.indexOf(LF, lf + 1)) {
    if ((lf === 0 ? before : block[lf - 1]) === CR) continue
    length += block.copy(out, length, from, lf)
    out[length++] = CR
    from = lf
  }
  length += block.copy(out, length, from)
  return out.subarray(0, length)
}
