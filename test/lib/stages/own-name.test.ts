import t from 'tap'
import { hookOwnName, resolve } from '../../../lib/stages/own-name.js'

const here = new URL('../../../lib/stages/own-name.js', import.meta.url).href

t.test('the name of this package is this copy, and other names are what they were (G-42)', async t => {
  for (const [specifier, parentURL, expected] of [
    ['tcp-pipe', 'file:///tmp/stage.mjs', here],
    ['tcp-pipe/transforms', 'file:///tmp/stage.mjs', here],
    ['tcp-pipe', undefined, here],
    ['tcp-pipes', 'file:///tmp/stage.mjs', 'file:///tmp/stage.mjs'],
    ['./tcp-pipe', 'file:///tmp/stage.mjs', 'file:///tmp/stage.mjs'],
    ['tcp-pipe', 'file:///app/node_modules/other/index.js', 'file:///app/node_modules/other/index.js'],
  ] as const) {
    const found = resolve(specifier, { parentURL }, (name, context) => [name, context.parentURL])
    t.same(found, [specifier, expected], `${specifier} in ${parentURL}`)
  }
})

t.test('the hook is installed as this Node.js can', async t => {
  const calls: unknown[] = []
  const registerHooks = (hooks: object) => void calls.push(hooks)
  const register = (url: string) => void calls.push(url)
  hookOwnName({ registerHooks, register })
  hookOwnName({ register })
  hookOwnName({})
  t.same(calls, [{ resolve }, here])
  t.doesNotThrow(() => hookOwnName())
})
