import { defineTransform, flag, regexp, text } from '../lib/stages/define.js'

/** Replaces the matches of a pattern in each line. */
export const replace = defineTransform({
  name: 'replace',
  summary: 'replace the matches of a pattern in each line',
  group: 'lines and records',
  unit: 'line',
  options: {
    pattern: regexp('what to replace', { positional: true, required: true }),
    text: text('replacement; $1 is the first group, $<name> a named group, $& the match, $$ a $', {
      positional: true,
      empty: true,
      required: true,
    }),
    first: flag('replace only the first match of a line'),
  },
  example: { spec: "replace '(\\w+)@\\w+' '$1@…'", input: 'to ann@example\n', output: 'to ann@…\n' },
  notes:
    "It replaces every match; `''` deletes it. The pattern and the text work as in JavaScript's `String.replace`, " +
    "except that ``$` `` and `$'` are literal: the text around each match of a long line could be huge.",
  create({ pattern, text, first }) {
    const replacement = text.replace(/\$[$`']/g, mark => (mark === '$$' ? mark : `$${mark}`))
    const flags = pattern.flags.replace(/[gy]/g, '')
    const search = new RegExp(pattern.source, first ? flags : `${flags}g`)
    return line => line.replace(search, replacement)
  },
})
