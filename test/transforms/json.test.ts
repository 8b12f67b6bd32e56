import t from 'tap'
import { compose } from '../../lib/stages/compose.js'
import { json } from '../../transforms/json.js'
import { spec } from '../../transforms/spec.js'
import { needs, output } from '../laws/support.js'
import { cutEvery, errorOf, run, textOf } from '../lib/pipes.js'

t.test('each value on a line, compact', async t => {
  for (const [title, input, expected] of [
    ['an object', '{ "b" : [1, 2.50, -0 ],\n "a":null }', '{"b":[1,2.5,-0],"a":null}\n'],
    ['several on a line', '{"a":1}{"a":2} [3]4 5 null', '{"a":1}\n{"a":2}\n[3]\n4\n5\nnull\n'],
    ['a string stays one', '"a" "b\\n\\u0041"', '"a"\n"b\\nA"\n'],
    ['more than ASCII', '"\\u00fc€😀"', '"ü€😀"\n'],
    ['a lone surrogate stays escaped', '"\\ud800"', '"\\ud800"\n'],
    ['names that objects have', '{"__proto__":1,"constructor":2}', '{"__proto__":1,"constructor":2}\n'],
    ['nothing', ' \n ', ''],
  ] as const) {
    t.equal(await textOf([json()], input), expected, title)
    t.equal(await textOf([json()], cutEvery(1, Buffer.from(input))), expected, `${title}, byte by byte`)
  }
})

t.test('numbers that JavaScript cannot hold keep their text (G-11)', async t => {
  const value = '{"a":[1e400,-0,12345678901234567890,0.12345678901234567890,1e-400],"b":"1e400"}'
  for (const [text, expected] of [
    ['json', value],
    ['json | json', value],
    ['json | json pick=a', value.replace(',"b":"1e400"', '')],
    ['json pick=a.x', value.replace(',"b":"1e400"', '')],
    ['json pretty=true | json', value],
    ['json pretty=true | slice 1 | json', value],
  ] as const) {
    t.equal(await textOf([...spec(text)()], value), `${expected}\n`, text)
    t.equal(await textOf([...spec(text)()], cutEvery(1, Buffer.from(value))), `${expected}\n`, `${text}, byte by byte`)
  }
  const calculate = (value: { a: number[] }) => value.a.map(number => Number(number))
  t.equal(await textOf([json(), calculate], value), '[null,0,12345678901234567000,0.12345678901234568,0]\n')
})

t.test('a member that occurs twice is an error (G-11)', async t => {
  const error = { code: 'ERR_JSON', message: 'line 2: duplicate member "a"' }
  for (const chunks of [1, 100].map(size => cutEvery(size, Buffer.from('{"a":1}\n{"a":1,"a":2}\n'))))
    t.match(await run([json()], chunks), { error, text: '{"a":1}\n' })
})

t.test('pretty', async t => {
  t.equal(await textOf([json({ pretty: true })], '{"a":[1]} "b"'), '{\n  "a": [\n    1\n  ]\n}\n"b"\n')
})

t.test('parts of it', async t => {
  const input = '{"id":1,"user":{"name":"Ann","age":7},"tags":[{"k":1,"v":2},3],"__proto__":{"x":1}}'
  for (const [pick, expected] of [
    ['id', { id: 1 }],
    ['user', { user: { name: 'Ann', age: 7 } }],
    ['user.name', { user: { name: 'Ann' } }],
    ['user.name,user.age', { user: { name: 'Ann', age: 7 } }],
    ['user.name,user', { user: { name: 'Ann', age: 7 } }],
    ['user,user.name', { user: { name: 'Ann', age: 7 } }],
    ['tags.k', { tags: [{ k: 1 }, 3] }],
    ['id.deeper', { id: 1 }],
    ['user.nothing', { user: {} }],
    ['nothing,toString', {}],
    ['user,id', { user: { name: 'Ann', age: 7 }, id: 1 }],
  ] as const) {
    t.equal(await textOf(spec(`json pick=${pick}`)(), input), `${JSON.stringify(expected)}\n`, pick)
  }
  t.equal(await textOf([json({ pick: ['__proto__.x'] })], input), '{"__proto__":{"x":1}}\n')
  t.equal(await textOf([json({ pick: ['a'] })], '[{"a":1,"b":2}] 3 "x"'), '[{"a":1}]\n3\n"x"\n')
})

t.test('a function behind it receives the values', async t => {
  t.equal(await textOf([json(), (value: unknown) => typeof value], '"a" 1 {}'), 'string\nnumber\nobject\n')
  t.equal(
    await textOf([compose(json({ pick: ['a'] }), value => ({ ...value, b: 2 }))], '{"a":"x"}'),
    '{"a":"x","b":2}\n',
  )
  t.equal(await textOf(spec('json | grep \'"a"\' | json pretty=true')(), '"a" "b"'), '"a"\n')
})

t.test('what is no JSON', async t => {
  for (const [input, message] of [
    ['{"a":1}\n{"a" 1}\n', /^line 2: /],
    ['{"a":1}\n\n{"a":', /^line 3: Unexpected end/],
    ['[1,]', /^line 1: /],
    ['hello', /^line 1: /],
    ['{"a":1}}', /^line 1: /],
  ] as const) {
    t.match(await errorOf([json()], input), { code: 'ERR_JSON', message }, input)
  }
  t.match(await errorOf([json()], '['.repeat(100_000)), { code: 'ERR_JSON' }, '100,000 deep, no end')
  for (const depth of [513, 5000, 100_000]) {
    for (const options of [{}, { pick: ['a'] }, { pretty: true }]) {
      const deep = `{}\n${'['.repeat(depth)}${']'.repeat(depth)}`
      const error = { code: 'ERR_JSON', message: 'line 2: nested deeper than 512' }
      t.match(await errorOf([json(options)], deep), error, `${depth} deep`)
      t.match(await errorOf([json(options)], cutEvery(100, Buffer.from(deep))), error, `${depth} deep, cut`)
    }
  }
  t.equal(await textOf([json()], '['.repeat(512) + ']'.repeat(512)), `${'['.repeat(512)}${']'.repeat(512)}\n`)
  t.match(await errorOf([json()], `"${'x'.repeat(100)}"`, { maxRecord: 50 }), { code: 'ERR_RECORD_TOO_LONG' })
})

t.test('indentation that is much more than the value is an error', async t => {
  const bomb = `${'['.repeat(500)}${'1,'.repeat(400_000)}1${']'.repeat(500)}`
  const error = {
    code: 'ERR_RECORD_TOO_LONG',
    message: 'json: with pretty=true, the indentation of a value exceeds 16777216 bytes',
  }
  t.match(await errorOf([json({ pretty: true })], bomb), error)
  t.equal((await textOf([json()], bomb)).length, bomb.length + 1, 'compact it is no longer than before')
})

t.test('as text', async t => {
  for (const pick of ["''", 'a,,b', 'a.', '.'])
    t.throws(() => spec(`json pick=${pick}`), { code: 'ERR_SPEC', message: /json pick: .*paths separated by ','/ })
})

t.test('the same as jq', needs('jq'), async t => {
  const input = Buffer.from('{"a":[1,2,{"b":"ü😀\\u0000"}],"c":true}\n[] "x" 12 \n{"d":\n1.5}\n')
  t.equal(await textOf([json()], input), String(output('jq', ['-c', '.'], input)))
  t.equal(await textOf([json({ pretty: true })], input), String(output('jq', ['.'], input)))
})
