import t from 'tap'
import { toJson } from '../../../lib/formats/json-number.js'
import { parseJson } from '../../../lib/formats/json-value.js'
import fc from '../../fast-check.js'

t.test('no number changes', async t => {
  for (const text of [
    '1e400',
    '-0',
    '[-0,0,-1]',
    '{"a":12345678901234567890,"b":"12345678901234567890"}',
    '{"a\\"":[0.1,1e400],"1e400":"\\\\"}',
    '[1.0e-400,123456789012345678]',
  ])
    t.equal(toJson(parseJson(text)), text)
  t.strictSame(parseJson('[1.50,1E3,-0.5,9007199254740992]'), [1.5, 1000, -0.5, 9007199254740992])
  t.strictSame(parseJson('{"a":"1e400 -0: {"}'), { a: '1e400 -0: {' }, 'nor a string')
})

t.test('any value is read as JSON.parse reads it', async t => {
  const property = fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 2 }), (value, indent) => {
    const text = JSON.stringify(value, null, indent)
    return toJson(parseJson(text)) === JSON.stringify(JSON.parse(text))
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500, seed: 1 }))
})

t.test('two members of one name are an error', async t => {
  for (const [text, name] of [
    ['{"a":1,"a":1}', '"a"'],
    ['[{"b":1},{"b":{"c":[],"d":"a:","c" \n:2}}]', '"c"'],
    ['{"a":1,"\\u0061":{}}', '"\\u0061"'],
    ['{"__proto__":1,"__proto__":2}', '"__proto__"'],
    ['{"a":{"a":1},"b":["a","a"],"a":2}', '"a"'],
    [`{"${'n'.repeat(100)}":1,"${'n'.repeat(100)}":1}`, `"${'n'.repeat(63)}…`],
  ] as const)
    t.throws(() => parseJson(text), { name: 'SyntaxError', message: `duplicate member ${name}` }, text)
  for (const text of ['{"a":{"a":{"a":"a:"}}}', '[{"a":1},{"a":1}]', '{"a":"a","b":["a","a"]}', '{"":0,"\\"":1}'])
    t.equal(toJson(parseJson(text)), text)
})

t.test('what is no JSON', async t => {
  for (const text of ['', 'x', '{1e400:1}', '1e', '01', '{"a":1,}'])
    t.throws(() => parseJson(text), { name: 'SyntaxError' }, text)
})
