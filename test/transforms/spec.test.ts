import t from 'tap'
import { compose } from '../../lib/stages/compose.js'
import { loadSpec, registry, spec } from '../../transforms/spec.js'
import { textOf } from '../lib/pipes.js'

t.test('a pipeline from its text, as often as it is called', async t => {
  const stages = spec("grep 'a b' | hex plain=true")
  for (const input of ['a b\nc\n', 'x\na b\n']) t.equal(await textOf(stages(), input), '6120620a\n')
})

t.test('several texts are joined', async t => {
  t.equal(await textOf(spec('hex plain=true', 'unhex | grep a', 'hex plain=true')(), 'a\nb\n'), '610a\n')
})

t.test('what it gives stands among other stages, and in compose', async t => {
  t.equal(await textOf([compose(...spec('grep a')(), (line: string) => line.toUpperCase())], 'a\nb\n'), 'A\n')
})

t.test('a text that is wrong is refused at once', async t => {
  t.throws(() => spec('hex | nope'), {
    code: 'ERR_SPEC',
    message: /column 7: unknown transform 'nope'; 'tcp-pipe transforms' lists them$/,
  })
  t.throws(() => spec('hexx'), { code: 'ERR_SPEC', message: /did you mean 'hex'/ })
})

t.test('the registry holds the transforms alone', async t => {
  t.ok(Object.values(registry).every(({ definition, recipe }) => definition.name && recipe))
  t.notOk('spec' in registry)
})

t.test('loadSpec imports the modules among the stages', async t => {
  const path = `${t.testdir({ 'stage.mjs': "export default line => line + '!'" })}/stage.mjs`
  const stages = await loadSpec(`grep a | ${path} | ${path}`, 'grep a')
  for (const input of ['a\nb\n', 'ab']) t.match(await textOf(stages(), input), /^ab?!!\n?$/)
  t.throws(() => spec(`grep a | ${path}`), { code: 'ERR_SPEC', message: /column 10: '.*' is a module; loadSpec/ })
  await t.rejects(loadSpec(`${path} width=3`), { code: 'ERR_SPEC', message: /cannot take 'width=3'.* has no options/ })
  await t.rejects(loadSpec('./no-such-file.js'), { code: 'ERR_MODULE' })
  await t.rejects(loadSpec('hex | nope'), { code: 'ERR_SPEC' })
})
