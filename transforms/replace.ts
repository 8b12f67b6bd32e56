import { defineTransform, flag, regexp, text } from '../lib/stages/define.js'

/** Replaces what matches a pattern in each line. */
export const replace = defineTransform({
  name: 'replace',
  summary: 'replace what matches a pattern in each line',
  group: 'lines and records',
  unit: 'line',
  options: {
    pattern: regexp('what is replaced', { positional: true, required: true }),
    text: text('what stands there instead; $1 is the first group, $<name> a named one, $& the match, $$ a $', {
      positional: true,
      empty: true,
      required: true,
    }),
    first: flag('only the first match of a line'),
  },
  example: { spec: "replace '(\\w+)@\\w+' '$1@…'", input: 'to ann@example\n', output: 'to ann@…\n' },
  notes:
    "Every match is replaced, `''` deletes it. The pattern and the text are those of JavaScript's `String.replace`, but " +
    "for ``$` `` and `$'`, which stand for themselves: what is before each match of a long line would be very much.",
  create({ pattern, text, first }) {
    const replacement = text.replace(/\$[$`']/g, mark => (mark === '$$' ? mark : `$${mark}`))
    const flags = pattern.flags.replace(/[gy]/g, '')
    const search = new RegExp(pattern.source, first ? flags : `${flags}g`)
    return line => line.replace(search, replacement)
  },
})
