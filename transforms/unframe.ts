import { checkFraming, frameCutter, framingOptions, joinByDelimiter, reframe } from '../lib/formats/framing.js'
import { defineTransform, flag } from '../lib/stages/define.js'

/** Makes each frame a line: what `frame` writes, and the frames of many protocols. */
export const unframe = defineTransform({
  name: 'unframe',
  summary: 'make each frame a line',
  group: 'lines and records',
  unit: 'bytes',
  indivisible: true,
  options: {
    ...framingOptions,
    raw: flag('the bytes of the frames alone, without an LF behind each'),
  },
  example: { spec: "unframe delimiter='||'", input: 'one||two||', output: 'one\ntwo\n' },
  notes:
    'The formats are those of `frame`; a `varint` may be padded to ten bytes, as Protocol Buffers allow. A frame leaves ' +
    'when all of it has come, and what it announces takes no memory before it comes. A length over `max` ends the ' +
    'connection at once, and so does input that ends within a frame, with the offset and the bytes that are missing. ' +
    'Behind a last frame the delimiter may be missing.\n\n' +
    'A frame that contains an LF would become two lines: it ends the connection, unless `raw=true`.',
  check: options => checkFraming(options),
  create({ raw, ...framing }) {
    return reframe(frameCutter(framing, 'unframe'), raw ? Buffer.concat : joinLines())
  },
})

function joinLines() {
  return joinByDelimiter(Buffer.from('\n'), 'unframe: frame', 'contains an LF; with raw=true frames pass as they are')
}
