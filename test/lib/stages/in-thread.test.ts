import t from 'tap'
import { defineTransform } from '../../../lib/stages/define.js'
import { inThread } from '../../../lib/stages/in-thread.js'
import { specOf } from '../../../lib/stages/spec.js'

const upper = defineTransform({
  ...{ name: 'upper', summary: '', unit: 'line' },
  create: () => (line: string) => line.toUpperCase(),
})
const noted = defineTransform({
  ...{ name: 'noted', summary: '', unit: 'bytes' },
  create:
    (_options, { log }) =>
    chunk => {
      log.info('x')
      return chunk
    },
})

t.test('a thread finds a transform by its module and its name, and a module by its path', async t => {
  const recipe = upper.recipe()
  const found = { transform: upper, options: {}, word: 'upper', home: 'file:///x.js' }
  t.match(inThread(recipe, found), {
    name: 'upper',
    indivisible: true,
    thread: { source: { module: 'file:///x.js', name: 'upper' }, options: {} },
  })
  t.match(inThread(recipe, { ...found, word: './x.js', home: undefined }), { thread: { source: { path: './x.js' } } })
  const bytes = defineTransform({ name: 'bytes', summary: '', unit: 'bytes', create: () => (chunk: Buffer) => chunk })
  t.equal(inThread(bytes.recipe(), { ...found, transform: bytes }).indivisible, false)
})

t.test('what cannot run in a thread, and why', async t => {
  const { spec } = specOf({ upper, noted })
  t.throws(() => spec('upper worker=true'), /upper cannot run in a thread: specOf\(\) needs the URL of the module/)
  const other = specOf({ noted }, '', 'file:///x.js')
  t.throws(() => other.spec('noted worker=true'), /noted cannot run in a thread: it uses the log or the signals/)
})
