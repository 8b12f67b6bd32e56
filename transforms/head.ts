import { defineTransform, integer, many, stop } from '../lib/stages/define.js'

/** Passes the first lines, then ends. */
export const head = defineTransform({
  name: 'head',
  summary: 'pass the first lines, then end',
  group: 'lines and records',
  unit: 'line',
  options: {
    lines: integer('how many', { positional: true, min: 0, default: 10 }),
  },
  example: { spec: 'head 2', input: 'one\ntwo\nthree\n', output: 'one\ntwo\n' },
  notes:
    'It ends with the last of its lines, not with the one behind it, and that is success: the connection is closed once ' +
    'everything is delivered, and what the peer still sends is dropped. `head 0` ends with the first line.',
  create({ lines }) {
    let left = lines
    return (line: string) => {
      left--
      return left > 0 ? line : left === 0 ? many<string | symbol>([line, stop]) : stop
    }
  },
})
