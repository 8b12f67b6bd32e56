import { defineTransform, flag, none, regexp } from '../lib/stages/define.js'

/** Keeps the lines that match a pattern. */
export const grep = defineTransform({
  name: 'grep',
  summary: 'keep the lines that match a pattern',
  group: 'lines and records',
  unit: 'line',
  options: {
    pattern: regexp('what a line must contain', { positional: true, required: true }),
    invert: flag('keep the lines that do not match'),
  },
  example: { spec: 'grep ERROR', input: 'INFO up\nERROR down\n', output: 'ERROR down\n' },
  notes: "A pattern in slashes is one with flags: for a path write `grep '\\/usr/'`.",
  create({ pattern, invert }) {
    // A global or sticky pattern remembers where it stopped; every line is to be searched from its start.
    const search = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
    const keep = (line: string) => (search.test(line) === invert ? none : line)
    return Object.assign(keep, { literal: invert ? undefined : literalOf(search) })
  },
})

/**
 * A text that every matching line contains: the longest run of plain characters in a pattern that has nothing else but
 * `.`, `^`, `$` and repeats.
 */
function literalOf({ source, flags }: RegExp): string | undefined {
  const pattern = source.replaceAll('\\/', '/')
  if (/[\\|()[\]]/.test(pattern) || /[iv]/.test(flags)) return undefined
  const runs = pattern.replace(/[^.^$](?:[*?]|\{[^}]*\})|[+?]|\{[^}]*\}/gu, '.').split(/[.^$*]/)
  const [longest = ''] = runs.sort((a, b) => b.length - a.length)
  return isText(longest) ? longest : undefined
}

/** What UTF-8 can say: in bytes, U+FFFD may be anything that is no text. */
function isText(literal: string): boolean {
  return literal !== '' && !/[\p{Cs}\ufffd]/u.test(literal)
}
