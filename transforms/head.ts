import { defineTransform, integer, many, stop } from '../lib/stages/define.js'

/** Passes the first lines, then ends the stream. */
export const head = defineTransform({
  name: 'head',
  summary: 'pass the first lines, then end',
  group: 'lines and records',
  unit: 'line',
  options: {
    lines: integer('number of lines', { positional: true, min: 0, default: 10 }),
  },
  example: { spec: 'head 2', input: 'one\ntwo\nthree\n', output: 'one\ntwo\n' },
  notes:
    'It ends the stream with the last of these lines, without waiting for the next one, and that is success: the ' +
    'connection is closed once everything is delivered, and further input is dropped. `head 0` ends at the first ' +
    'line.',
  create({ lines }) {
    let left = lines
    return (line: string) => {
      left--
      return left > 0 ? line : left === 0 ? many<string | symbol>([line, stop]) : stop
    }
  },
})
