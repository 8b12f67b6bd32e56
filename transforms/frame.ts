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

/** Makes each line a frame, with its length before it or a delimiter behind it; or each block of so many bytes. */
export const frame = defineTransform({
  name: 'frame',
  summary: 'make each line a frame, with its length before it',
  group: 'lines and records',
  unit: 'bytes',
  indivisible: true,
  options: {
    ...framingOptions,
    size: frameSize('make frames of so many bytes instead of lines; the last one may be shorter'),
  },
  example: {
    spec: 'frame u32be | hex',
    input: 'Hi\n',
    output: '00000000  00 00 00 02 48 69                                 |....Hi|\n00000006\n',
  },
  notes:
    'The lengths are unsigned: `u8`, `u16` and `u32` with the most significant byte first (`be`) or last (`le`), or ' +
    '`varint`, LEB128 as in [Protocol Buffers](https://protobuf.dev/programming-guides/encoding/#varints), seven bits in ' +
    'each byte, the least significant first. They count the bytes of the frame without its length.\n\n' +
    'A line is framed without its LF; a CR stays, and a last line without an LF is a frame, too. A frame leaves when its ' +
    'end has come. A line that is longer than `max`, or that contains the delimiter, ends the connection. In a spec the ' +
    "escapes stand in quotes: `frame delimiter='\\r\\n'`.",
  check: options => checkFraming(options, options.size),
  create({ size, ...framing }) {
    const cutter = size === undefined ? cutByDelimiter(LF, frameLimit(framing), 'frame: line') : cutBySize(size)
    return reframe(cutter, frameJoiner(framing, `frame: ${size === undefined ? 'line' : 'block'}`))
  },
})

const LF = Buffer.from('\n')
