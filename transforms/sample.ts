import { defineTransform, integer, none } from '../lib/stages/define.js'

/** Keeps one line in so many: the first one, and then each that stands so many behind. */
export const sample = defineTransform({
  name: 'sample',
  summary: 'keep one line in so many',
  group: 'lines and records',
  unit: 'line',
  options: {
    every: integer('one in how many', { positional: true, required: true, min: 1 }),
  },
  example: { spec: 'sample 3', input: '1\n2\n3\n4\n5\n', output: '1\n4\n' },
  notes: 'It is not random: `sample 3` keeps the lines 1, 4, 7 and so on.',
  create({ every }) {
    let next = 0
    return line => {
      const kept = next === 0
      next = (next + 1) % every
      return kept ? line : none
    }
  },
})
