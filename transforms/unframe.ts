import { checkFraming, frameCutter, framingOptions, joinByDelimiter, reframe } from '../lib/formats/framing.js'
import { defineTransform, flag } from '../lib/stages/define.js'

/** Makes each frame a line. Reads the output of `frame` and the frames of many protocols. */
export const unframe = defineTransform({
  name: 'unframe',
  summary: 'make each frame a line',
  group: 'lines and records',
  unit: 'bytes',
  indivisible: true,
  options: {
    ...framingOptions,
    raw: flag('write only the bytes of the frames, without an LF after each'),
  },
  example: { spec: "unframe delimiter='||'", input: 'one||two||', output: 'one\ntwo\n' },
  notes:
    'The formats are those of `frame`; a `varint` may be padded to ten bytes, as Protocol Buffers allow. A frame is ' +
    'emitted when it is complete. An announced length allocates no memory before the bytes arrive. A length over ' +
    '`max` fails the connection at once. So does input that ends within a frame; the error names the offset and the ' +
    'missing bytes. The delimiter after the last frame is optional.\n\n' +
    'A frame that contains an LF would become two lines: it fails the connection, unless `raw=true`.',
  check: options => checkFraming(options),
  create({ raw, ...framing }) {
    return reframe(frameCutter(framing, 'unframe'), raw ? joinRaw : joinLines())
  },
})

function joinRaw(frames: readonly Buffer[]): Buffer[] {
  return [Buffer.concat(frames)]
}

function joinLines() {
  return joinByDelimiter(Buffer.from('\n'), 'unframe: frame', 'contains an LF; raw=true passes frames unchanged')
}
