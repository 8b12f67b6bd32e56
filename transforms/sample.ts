import { defineTransform, integer, none } from '../lib/stages/define.js'

/** Keeps every n-th line, starting with the first. */
export const sample = defineTransform({
  name: 'sample',
  summary: 'keep every n-th line, starting with the first',
  group: 'lines and records',
  unit: 'line',
  options: {
    every: integer('keep one of this many lines', { positional: true, required: true, min: 1 }),
  },
  example: { spec: 'sample 3', input: '1\n2\n3\n4\n5\n', output: '1\n4\n' },
  notes: 'It is not random: `sample 3` keeps lines 1, 4, 7 and so on.',
  create({ every }) {
    let next = 0
    return line => {
      const kept = next === 0
      next = (next + 1) % every
      return kept ? line : none
    }
  },
})
