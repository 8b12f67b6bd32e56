import { readdirSync } from 'node:fs'
import t from 'tap'
import { groups } from '../../lib/stages/define.js'
import * as exported from '../../transforms/index.js'
import { registry } from '../../transforms/spec.js'

/** The export of `buffer-to-string` is `bufferToString`. */
function camelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

const files = readdirSync(new URL('../../transforms', import.meta.url)).filter(file => file.endsWith('.js'))
const names = files.map(file => file.replace('.js', '')).filter(name => !['index', 'registry', 'spec'].includes(name))

t.test('each file is a transform: its name, and its export in camelCase', async t => {
  for (const name of names) t.equal(registry[camelCase(name)]?.definition.name, name)
  t.same(Object.keys(registry).sort(), names.map(camelCase).sort())
  t.same(Object.keys(exported).sort(), ['loadSpec', 'spec', ...names.map(camelCase)].sort())
})

t.test('each is listed under a heading and shows an example', async t => {
  for (const { definition } of Object.values(registry)) {
    t.ok(definition.group && groups.includes(definition.group), `${definition.name} group`)
    t.ok(definition.example, `${definition.name} example`)
  }
})

t.test('each says what it does, in a line', async t => {
  for (const { definition } of Object.values(registry)) {
    t.match(definition.summary, /^[a-z].{5,70}[^.]$/, definition.name)
    for (const [name, option] of Object.entries(definition.options ?? {}))
      t.match(option.summary, /^.{5,}[^.]$/, `${definition.name} ${name}`)
  }
})
