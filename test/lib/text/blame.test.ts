import { fileURLToPath } from 'node:url'
import t from 'tap'
import { blame, originOf, placeOf, stackLines } from '../../../lib/text/blame.js'
import { TcpPipeError } from '../../../lib/text/errors.js'

const library = fileURLToPath(new URL('../../../lib/text/x.js', import.meta.url))

/** An error with a stack of the test's own. */
function withStack(message: string, ...frames: string[]): Error {
  return Object.assign(new Error(message), {
    stack: [`Error: ${message}`, ...frames.map(each => `    ${each}`)].join('\n'),
  })
}

t.test('the stage that an error comes from is the first that is blamed (G-42)', async t => {
  const error = new Error('x')
  t.equal(originOf(error), undefined)
  blame(error, undefined)
  t.equal(originOf(error), undefined)
  blame(error, 'first')
  blame(error, 'second')
  t.match(originOf(error), { stage: 'first', at: /blame\.test\.[jt]s:\d+$/ })
  for (const value of ['text', 5, null, undefined]) {
    blame(value, 'stage')
    t.equal(originOf(value), undefined, String(value))
  }
})

t.test('an error without a line of the user has none', async t => {
  const error = withStack('x', `at write (${library}:1:2)`, 'at node:internal/streams:1:2', 'at <anonymous>')
  blame(error, 'stage')
  t.same(originOf(error), { stage: 'stage' })
  for (const value of [{}, { stack: 5 }, null, undefined]) t.equal(placeOf(value), undefined)
})

t.test('the line is the first one outside of packages', async t => {
  for (const [frame, place] of [
    ['at write (/tmp/stage.js:3:9)', '/tmp/stage.js:3'],
    ['at write (file:///tmp/a%20b/stage.js:3:9)', '/tmp/a b/stage.js:3'],
    ['at file:///tmp/stage.js:3:9', '/tmp/stage.js:3'],
    ['at async file:///tmp/stage.js:3:9', '/tmp/stage.js:3'],
    ['at async Promise.all (index 0)', undefined],
    ['at new Stage (file:///tmp/%zz.js:3:9)', 'file:///tmp/%zz.js:3'],
    [`at write (${library}:1:2)`, undefined],
    ['at chain (/app/node_modules/stream-chain/src/exec.js:1:2)', undefined],
  ] as const)
    t.equal(placeOf(withStack('x', 'at JSON.parse (<anonymous>)', frame)), place, frame)
  for (const caller of [`at call (${library}:1:2)`, 'at async onImport (node:internal/modules/esm/loader:1:2)']) {
    t.equal(placeOf(withStack('x', caller, 'at async main (/app/main.js:1:1)')), undefined, 'a caller is no stage')
    t.equal(placeOf(withStack('x', 'at write (/app/stage.js:2:2)', caller, 'at main (/m.js:1:1)')), '/app/stage.js:2')
  }
  const user = 'at write (/app/stage.js:2:2)'
  const other = 'at parse (/app/node_modules/yaml/index.js:1:2)'
  t.equal(placeOf(withStack('x', other, user)), '/app/stage.js:2')
  t.equal(placeOf(withStack('x', other)), '/app/node_modules/yaml/index.js:1', 'or of a package')
})

t.test('a message is no frame', async t => {
  t.equal(placeOf(withStack('a\n    at forged (/etc/x:1:1)', 'at write (/tmp/s.js:2:2)')), '/tmp/s.js:2')
})

t.test('the line of a syntax error stands before its message', async t => {
  for (const place of ['file:///tmp/x.mjs', '/tmp/x.mjs']) {
    const stack = `${place}:2\nexport default (\n\nSyntaxError: Unexpected end of input\n    at compile (node:internal/x:1:2)`
    t.equal(placeOf(Object.assign(new SyntaxError('Unexpected end of input'), { stack })), '/tmp/x.mjs:2')
  }
})

t.test('a stack has the lines of the user, and those of the causes', async t => {
  const cause = withStack('below', 'at read (/tmp/s.js:7:1)', 'at node:internal/x:1:2')
  const error = withStack('above', `at write (${library}:1:2)`, 'at write (file:///tmp/s.js:3:9)')
  t.same(stackLines(Object.assign(error, { cause })), [
    'Error: above',
    'at write (/tmp/s.js:3:9)',
    'caused by Error: below',
    'at read (/tmp/s.js:7:1)',
  ])
  t.same(stackLines(withStack('all ours', `at write (${library}:1:2)`)), [
    'Error: all ours',
    `at write (${library}:1:2)`,
  ])
  t.equal(stackLines(new TcpPipeError('ERR_STAGE', 'x'))[0], 'TcpPipeError: x')
  t.same(stackLines('a text'), [])
  const endless = new Error('x')
  t.ok(stackLines(Object.assign(endless, { cause: endless })).filter(line => line.startsWith('caused by')).length < 5)
})
