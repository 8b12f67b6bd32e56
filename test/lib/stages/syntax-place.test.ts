import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { syntaxPlace } from '../../../lib/stages/syntax-place.js'

t.test('the line of a syntax error in a module (G-42)', async t => {
  const head = `#!/usr/bin/env node
import { readFile } from 'node:fs'
import {
  join,
} from 'node:path'
import 'node:os'
export { join as other }
export * from 'node:url'
const here = import.meta.url
export const later = await import('node:fs')
`
  for (const [title, source, line] of [
    ['an end that comes early', '\nexport default (', 2],
    ['an arrow', `${head}export default chunk => {\n  return chunk +\n}`, 13],
    ['a function', `${head}export default async function* (chunk) {\n  yield chunk chunk\n}`, 12],
    ['a class', 'export class Stage {\n  write(chunk { }\n}', 2],
    ['strict mode', 'export default chunk => {\n  with (chunk) {}\n}', 2],
    ['after await', 'await 1\nexport default chunk => ]', 2],
  ] as const) {
    const name = `${title.replaceAll(' ', '-')}.mjs`
    const path = join(t.testdir({ [name]: source }), name)
    const error = (await import(pathToFileURL(path).href).catch(error => error)) as Error
    t.type(error, SyntaxError, title)
    t.match(syntaxPlace(path, error.message), new RegExp(`${name}:${line}$`), `${title}: ${error.message}`)
  }
})

t.test('another error has another place', async t => {
  const path = join(
    t.testdir({ 'good.mjs': 'export default chunk => chunk', 'bad.mjs': 'export default (' }),
    'good.mjs',
  )
  t.equal(syntaxPlace(path, 'Unexpected end of input'), undefined)
  t.equal(syntaxPlace(path.replace('good', 'bad'), 'Another message'), undefined)
})
