import { defineTransform, flag, none, regexp } from '../lib/stages/define.js'

/** Keeps the lines that match a pattern. */
export const grep = defineTransform({
  name: 'grep',
  summary: 'keep the lines that match a pattern',
  group: 'lines and records',
  unit: 'line',
  options: {
    pattern: regexp('pattern that a line must contain', { positional: true, required: true }),
    invert: flag('keep the lines that do not match'),
  },
  example: { spec: 'grep ERROR', input: 'INFO up\nERROR down\n', output: 'ERROR down\n' },
  notes: "A pattern in slashes may have flags: `grep /error/i`. To match a path write `grep '\\/usr/'`.",
  create({ pattern, invert }) {
    // A global or sticky pattern remembers where it stopped, but each line is searched from its start.
    const search = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
    const keep = (line: string) => (search.test(line) === invert ? none : line)
    return Object.assign(keep, { literal: invert ? undefined : literalOf(search) })
  },
})

/**
 * Returns a text that every matching line contains: the longest run of plain characters, for a pattern that otherwise
 * contains only `.`, `^`, `$` and repeats.
 */
function literalOf({ source, flags }: RegExp): string | undefined {
  const pattern = source.replaceAll('\\/', '/')
  if (/[\\|()[\]]/.test(pattern) || /[iv]/.test(flags)) return undefined
  const runs = pattern.replace(/[^.^$](?:[*?]|\{[^}]*\})|[+?]|\{[^}]*\}/gu, '.').split(/[.^$*]/)
  const [longest = ''] = runs.sort((a, b) => b.length - a.length)
  return isText(longest) ? longest : undefined
}

/** True if UTF-8 can encode it unambiguously: in bytes, U+FFFD may be any invalid sequence. */
function isText(literal: string): boolean {
  return literal !== '' && !/[\p{Cs}\ufffd]/u.test(literal)
}
