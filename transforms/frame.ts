import {
  checkFraming,
  cutByDelimiter,
  cutBySize,
  frameJoiner,
  frameLimit,
  frameSize,
  framingOptions,
  reframe,
} from '../lib/formats/framing.js'
import { defineTransform } from '../lib/stages/define.js'

/** Makes each line, or each block of `size` bytes, a frame: with a length prefix or a delimiter after it. */
export const frame = defineTransform({
  name: 'frame',
  summary: 'make each line a frame with a length prefix or delimiter',
  group: 'lines and records',
  unit: 'bytes',
  indivisible: true,
  options: {
    ...framingOptions,
    size: frameSize('make frames of this many bytes instead of lines; the last one may be shorter'),
  },
  example: {
    spec: 'frame u32be | hex',
    input: 'Hi\n',
    output: '00000000  00 00 00 02 48 69                                 |....Hi|\n00000006\n',
  },
  notes:
    'Lengths are unsigned: `u8`, `u16` and `u32` with the most significant byte first (`be`) or last (`le`), or ' +
    '`varint`, LEB128 as in [Protocol Buffers](https://protobuf.dev/programming-guides/encoding/#varints): seven ' +
    'bits per byte, the least significant first. A length counts the bytes of the frame without the length itself.\n\n' +
    'A line is framed without its LF. A CR stays, and a last line without an LF is also a frame. A frame is emitted ' +
    'when its end has arrived. A line that is longer than `max` or contains the delimiter fails the connection. Put ' +
    "escape sequences in quotes: `frame delimiter='\\r\\n'`.",
  check: options => checkFraming(options, options.size),
  create({ size, ...framing }) {
    const cutter = size === undefined ? cutByDelimiter(LF, frameLimit(framing), 'frame: line') : cutBySize(size)
    return reframe(cutter, frameJoiner(framing, `frame: ${size === undefined ? 'line' : 'block'}`))
  },
})

const LF = Buffer.from('\n')
