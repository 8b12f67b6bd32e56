import { defineTransform, integer, none } from '../lib/stages/define.js'

/** Drops the first lines. */
export const skip = defineTransform({
  name: 'skip',
  summary: 'drop the first lines',
  group: 'lines and records',
  unit: 'line',
  options: {
    lines: integer('number of lines', { positional: true, required: true, min: 0 }),
  },
  example: { spec: 'skip 1', input: 'name,size\na,1\nb,2\n', output: 'a,1\nb,2\n' },
  create({ lines }) {
    let left = lines
    return line => (left > 0 && left-- > 0 ? none : line)
  },
})
