import { defineTransform, flag, none, regexp } from '../lib/define.js'

/** Keeps the lines that match a pattern. */
export const grep = defineTransform({
  name: 'grep',
  summary: 'keep the lines that match a pattern',
  group: 'lines and records',
  unit: 'line',
  options: {
    pattern: regexp('regular expression', { positional: true, required: true }),
    invert: flag('keep the lines that do not match'),
  },
  example: { spec: 'grep ERROR', input: 'INFO up\nERROR down\n', output: 'ERROR down\n' },
  create({ pattern, invert }) {
    // A global or sticky pattern remembers where it stopped; every line is to be searched from its start.
    const search = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
    return line => (search.test(line) === invert ? none : line)
  },
})
