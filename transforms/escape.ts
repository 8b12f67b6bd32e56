import { defineTransform, flag, flushable } from '../lib/stages/define.js'
import { escapeLine, escapeText } from '../lib/text/escape.js'

/** Makes control characters visible, so that text cannot control a terminal. LF, TAB and joiners stay. */
// biome-ignore lint/suspicious/noShadowRestrictedNames: an export has its transform's name
export const escape = defineTransform({
  name: 'escape',
  summary: 'make control characters visible',
  group: 'convert',
  unit: 'bytes',
  makesLines: true,
  options: { all: flag('also escape LF, TAB and joiners') },
  example: { spec: 'escape', input: 'a\tb\x1b[2J\r\n', output: 'a\tb\\e[2J\\r\n' },
  notes:
    'ESC becomes `\\e`, CR `\\r`, with `all=true` LF `\\n` and TAB `\\t`; other C0 characters, DEL and C1 become ' +
    '`\\xNN`. Characters that change the text direction (UAX #9), line and paragraph separators, and all invisible ' +
    'characters become `\\uNNNN` or `\\u{NNNNN}`. The joiners (U+200C, U+200D) and emoji variation selectors (U+FE0E, ' +
    'U+FE0F) stay unless `all=true`. Invalid UTF-8 becomes U+FFFD. A backslash is not escaped, so the output cannot ' +
    'be reversed; use `hex` for that.',
  create({ all }) {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    const show = all ? escapeLine : escapeText
    return flushable(
      (chunk: Buffer) => show(decoder.decode(chunk, { stream: true })),
      () => show(decoder.decode()),
    )
  },
})
