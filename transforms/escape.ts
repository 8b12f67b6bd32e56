import { defineTransform, flag, flushable } from '../lib/stages/define.js'
import { escapeLine, escapeText } from '../lib/text/escape.js'

/** Makes control characters visible, so that text cannot drive a terminal; LF, TAB and joiners stay. */
// biome-ignore lint/suspicious/noShadowRestrictedNames: an export has its transform's name
export const escape = defineTransform({
  name: 'escape',
  summary: 'make control characters visible',
  group: 'convert',
  unit: 'bytes',
  makesLines: true,
  options: { all: flag('LF, TAB and joiners, too') },
  example: { spec: 'escape', input: 'a\tb\x1b[2J\r\n', output: 'a\tb\\e[2J\\r\n' },
  notes:
    'ESC becomes `\\e`, CR `\\r`, with `all=true` LF `\\n` and TAB `\\t`, any other of C0, DEL and C1 `\\x07`; characters that ' +
    'turn the direction of text (UAX #9), the separators of lines and paragraphs and all that is invisible become ' +
    '`\\u202e` or `\\u{e0041}`, but for the joiners (U+200C, U+200D) and the forms of emoji (U+FE0E, U+FE0F), which stay ' +
    'unless `all=true`. Bytes that are no UTF-8 become U+FFFD. A backslash stays one, so that there is no way back: `hex` ' +
    'has one.',
  create({ all }) {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    const show = all ? escapeLine : escapeText
    return flushable(
      (chunk: Buffer) => show(decoder.decode(chunk, { stream: true })),
      () => show(decoder.decode()),
    )
  },
})
