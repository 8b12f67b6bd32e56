import { defineTransform, text } from '../lib/stages/define.js'
import { escapeLine } from '../lib/text/escape.js'
import { template } from '../lib/text/template.js'

/** Puts a text before each line. */
export const prefix = defineTransform({
  name: 'prefix',
  summary: 'put a text before each line',
  group: 'lines and records',
  unit: 'line',
  options: {
    text: text('text; may contain {id} {remote} {port} of the connection, {time} and {number} of the line', {
      positional: true,
      required: true,
    }),
  },
  example: { spec: "prefix '{number}: '", input: 'one\ntwo\n', output: '1: one\n2: two\n' },
  notes:
    '`{time}` is ISO 8601 in UTC with milliseconds. Outside a connection, `{id}`, `{remote}` and `{port}` become `none`. Other words ' +
    'in braces stay unchanged.',
  create({ text }, { connection }) {
    const { id = 'none', remote = 'none', port = 'none' } = connection ?? {}
    const time = () => new Date().toISOString()
    let lines = 0
    const before = template(text, {
      id,
      remote: escapeLine(remote),
      port: String(port),
      time,
      number: () => String(lines),
    })
    return line => {
      lines++
      return before() + line
    }
  },
})
