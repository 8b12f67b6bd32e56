import t from 'tap'
import { jsonScanner, maxDepth } from '../../../lib/formats/json.js'
import fc from '../../fast-check.js'
import { memoryInUse } from '../pipes.js'

/** All values of a text that comes in parts. */
function scan(parts: Iterable<string>, maxRecord = 2 ** 20): unknown[] {
  const scanner = jsonScanner(maxRecord)
  return [...[...parts].flatMap(part => [...scanner.write(part)]), ...scanner.end()]
}

function cut(text: string, ...positions: number[]): string[] {
  const ends = positions.map(position => position % (text.length + 1)).sort((a, b) => a - b)
  return [...ends, text.length].map((end, i) => text.slice(ends[i - 1] ?? 0, end))
}

t.test('concatenated values, in one part, in single characters, and cut anywhere', async t => {
  for (const [title, text, values] of [
    ['nothing', '', []],
    ['white space', ' \t\r\n', []],
    ['one on each line', '{"a":1}\n[2]\n"3"\n4\n', [{ a: 1 }, [2], '3', 4]],
    ['the last without its end of line', '1\n2', [1, 2]],
    ['lines that end with CR LF', '1\r\n{}\r\n', [1, {}]],
    ['nothing between', '{}[]"a"{}"b"1{}2[]', [{}, [], 'a', {}, 'b', 1, {}, 2, []]],
    ['words and numbers', 'true false null 12 -0.5e+3', [true, false, null, 12, -500]],
    ['a number ends at a quote', '1"a"2', [1, 'a', 2]],
    ['several on a line', '1 2 3\n4 5\n', [1, 2, 3, 4, 5]],
    ['pretty-printed', '{\n  "a": [\n    1,\n    {}\n  ]\n}\n{\n}\n', [{ a: [1, {}] }, {}]],
    ['braces, brackets and LF in strings', '{"}":"]["}\n"{\\n["', [{ '}': '][' }, '{\n[']],
    ['escapes', '["\\"","\\\\","\\u00e9\\ud83d\\ude00","\\\\\\""]"\\\\"', [['"', '\\', 'é😀', '\\"'], '\\']],
    ['lone surrogates', '"\\ud800" "\ud800"', ['\ud800', '\ud800']],
    ['__proto__ is a name as any other', '{"__proto__":1}', [JSON.parse('{"__proto__":1}')]],
  ] as const) {
    t.strictSame(scan([text]), values, title)
    t.strictSame(scan(text), values, `${title}, character by character`)
    for (let i = 1; i < text.length; i++) {
      const parts = cut(text, i, i * 7)
      if (JSON.stringify(scan(parts)) !== JSON.stringify(values)) t.fail(`${title}, as ${JSON.stringify(parts)}`)
    }
  }
})

t.test('a value is given as soon as it is complete', async t => {
  const scanner = jsonScanner(100)
  for (const [part, values] of [
    ['{"a":', []],
    ['1}', [{ a: 1 }]],
    ['12', []],
    ['3 ', [123]],
    ['"x', []],
    ['"', ['x']],
    ['tru', []],
    ['e[', [true]],
    [']', [[]]],
  ] as const) {
    t.strictSame([...scanner.write(part)], values, part)
  }
  t.strictSame([...scanner.end()], [])
})

t.test('any values, in any notation and chunking, are read back (A-10)', async t => {
  const between = fc.constantFrom('\n', ' ', '\r\n', '\n\n\t')
  const documents = fc.array(fc.tuple(fc.jsonValue(), fc.constantFrom(0, 1, 2), between))
  const isSame = (values: [unknown, number, string][], positions: number[]) => {
    const text = values.map(([value, indent, space]) => JSON.stringify(value, null, indent) + space).join('')
    const expected = values.map(([value]) => JSON.stringify(value))
    return (
      scan(cut(text, ...positions))
        .map(value => JSON.stringify(value))
        .join() === expected.join()
    )
  }
  t.doesNotThrow(() => fc.assert(fc.property(documents, fc.array(fc.nat()), isSame), { numRuns: 300 }))
})

t.test('what is wrong is told with its line', async t => {
  for (const [title, text, message] of [
    ['no JSON', 'nope\n', /^line 1: Unexpected token/],
    ['behind good lines', '1\n{"a":1}\n\n{"a" 1}\n2\n', /^line 4: /],
    ['several on a line', '1 2\n3 x 4', /^line 2: /],
    ['a comma between values', '1\n1,2', /^line 2: /],
    ['a closing bracket alone', '[]\n]\n', /^line 2: /],
    ['brackets that do not match', '\n[1}', /^line 2: /],
    ['within a pretty-printed document', '1\n{\n  "a": 1,\n  b\n}\n', /^lines 2 to 5: /],
    ['NUL is no white space', '1\n\0\n', /^line 2: /],
    ['nor is a no-break space', '1\n\u00a02', /^line 2: /],
    ['nor is one behind a value', '1\n{}\u00a0\n', /^line 2: /],
    ['NaN', 'NaN', /^line 1: /],
    ['a word without its end', '1\ntru', /^line 2: /],
    ['an object without its end', '1\n{"a":', /^line 2: Unexpected end of JSON input$/],
    ['a string without its end', '"a', /^line 1: Unexpected end of JSON input$/],
    ['a document without its end', '1\n[\n1,\n', /^lines 2 to 4: Unexpected end of JSON input$/],
  ] as const) {
    t.throws(() => scan([text]), { code: 'ERR_JSON', message }, title)
    t.throws(() => scan(text), { code: 'ERR_JSON', message }, `${title}, character by character`)
  }
})

t.test('what the parser says of places within the value is not repeated', async t => {
  const { parse } = JSON
  t.teardown(() => Object.assign(JSON, { parse }))
  Object.assign(JSON, {
    parse: () => {
      throw new SyntaxError('Unexpected x in JSON at position 2 (line 1 column 3)')
    },
  })
  t.throws(() => scan(['\n[x]']), { message: 'line 2: Unexpected x in JSON at position 2' })
})

t.test('a value of maxRecord bytes is the longest', async t => {
  const value = (length: number) => `"${'a'.repeat(length - 2)}"`
  for (const [title, frame] of [
    ['on a line', (text: string) => `${text}\n`],
    ['at the end', (text: string) => text],
    ['behind another', (text: string) => `1 ${text} 2`],
    ['with much white space behind', (text: string) => `${text}${' '.repeat(500)}\n`],
  ] as const) {
    for (const maxRecord of [10, 100]) {
      for (const size of [1, 3, 1000]) {
        const parts = (length: number) => frame(value(length)).match(new RegExp(`[^]{1,${size}}`, 'g')) as string[]
        const name = `${maxRecord} bytes ${title}, in parts of ${size}`
        t.doesNotThrow(() => scan(parts(maxRecord), maxRecord), name)
        const error = {
          code: 'ERR_RECORD_TOO_LONG',
          message: `a JSON value is longer than maxRecord, ${maxRecord} bytes`,
        }
        t.throws(() => scan(parts(maxRecord + 1), maxRecord), error, `one more: ${name}`)
      }
    }
  }
  t.strictSame(scan(['"日"\n"日"'], 5), ['日', '日'], 'bytes, not characters')
  t.throws(() => scan(['"日"\n'], 4), { code: 'ERR_RECORD_TOO_LONG' })
  t.throws(() => scan(['"日"'], 4), { code: 'ERR_RECORD_TOO_LONG' })
  t.throws(() => scan(['"a', 'a'.repeat(50)], 50), { code: 'ERR_RECORD_TOO_LONG' }, 'before its end has come')
})

t.test('nesting is limited (E-04)', async t => {
  const nested = (depth: number) => `${'[{"a":'.repeat(depth / 2)}"]"${'}]'.repeat(depth / 2)}`
  for (const [depth, fits] of [
    [2, true],
    [maxDepth, true],
    [maxDepth + 2, false],
    [100_000, false],
  ] as const) {
    const text = nested(depth)
    for (const parts of [[`1\n${text}`], [`1\n${text}\n`], ['1\n', ...(text.match(/.{1,100}/g) as string[])]]) {
      if (fits) t.equal(scan(parts).length, 2)
      else t.throws(() => scan(parts), { code: 'ERR_JSON', message: 'line 2: nested deeper than 512' }, `${depth}`)
    }
  }
})

t.test('time grows with the length alone', { timeout: 20_000 }, async t => {
  const million = '1'.repeat(1e6)
  t.strictSame(scan(`"${million}"`), [million], 'one value in single characters')
  t.equal(scan(million).length, 1, 'a number in single characters')
  t.equal(scan(['1 '.repeat(5e5)]).length, 5e5, 'many values in one part without LF')
  t.equal(scan([`${'1 '.repeat(5e5)}\n`]).length, 5e5, 'many values on one line')
  t.equal(scan([`{}${'\n'.repeat(1e6)}{}`]).length, 2, 'empty lines')
})

t.test('the values before an error are given, and the error is the same, however the text is cut (G-10)', async t => {
  for (const [title, text, maxRecord, values] of [
    ['no JSON', '{"a":1}\nx\n', 100, [{ a: 1 }]],
    ['among others on a line', '1 2 {"a" 1} 3', 100, [1, 2]],
    ['a long value', '1\n"aaaaaaaaaaaa" 2', 10, [1]],
    ['a long value without its end', '1\n"aaaaaaaaaaaa', 10, [1]],
    ['too deep, and too long before', `1 ${'['.repeat(600)}`, 100, [1]],
    ['too deep', `1 ${'['.repeat(600)}`, 1000, [1]],
    ['as long as deep', `1 ${'['.repeat(600)}`, maxDepth, [1]],
    ['a member twice', '1 {"a":1,"a":2}', 100, [1]],
    ['no end', '1 2 [', 100, [1, 2]],
  ] as const) {
    const outcome = (parts: Iterable<string>) => {
      const found: unknown[] = []
      const scanner = jsonScanner(maxRecord)
      try {
        for (const part of parts) scanner.write(part, found)
        scanner.end(found)
      } catch (error) {
        return { found, error: String(error) }
      }
      return { found }
    }
    const expected = outcome([text])
    t.strictSame(expected.found, values, title)
    t.type(expected.error, 'string')
    for (let at = 0; at <= text.length; at++) t.strictSame(outcome(cut(text, at)), expected, `${title}, cut at ${at}`)
    t.strictSame(outcome(text), expected, `${title}, character by character`)
  }
})

t.test('two members of one name are an error with its line (G-11)', async t => {
  for (const text of ['1\n{"a":1,"a":2}\n', '1\n{"a":1, "b":{"a":1}, "a":2}', '{}\n{"a":1,"a":2}{}\n'])
    t.throws(() => scan([text]), { code: 'ERR_JSON', message: 'line 2: duplicate member "a"' }, text)
  t.throws(() => scan(['1\n{"a":1,\n"a":2}\n']), { message: 'lines 2 to 3: duplicate member "a"' })
})

t.test('a value in single characters takes a few times its length (G-12)', async t => {
  const scanner = jsonScanner(2 ** 20)
  const before = memoryInUse()
  scanner.write('"')
  for (let i = 0; i < 250_000; i++) scanner.write('a')
  const taken = memoryInUse() - before
  t.ok(taken < 2 ** 20, `${taken} bytes`)
  for (let i = 0; i < 750_000; i++) scanner.write('a')
  t.ok(memoryInUse() - before < 8 * 2 ** 20)
  t.equal((scanner.write('"')[0] as string).length, 1_000_000)
})

t.test(
  'lines that are not one value seldom cost an exception, which takes as long as a hundred bytes (G-13)',
  async t => {
    const { parse } = JSON
    let thrown = 0
    t.teardown(() => Object.assign(JSON, { parse }))
    Object.assign(JSON, {
      parse(text: string) {
        try {
          return parse(text)
        } catch (error) {
          thrown++
          throw error
        }
      },
    })
    t.equal(scan(['{}{}\n'.repeat(1000)]).length, 2000)
    t.ok(thrown < 150, `${thrown} exceptions`)
    t.equal(scan([`${'{}{}\n'.repeat(100)}${'{"a":1}\n'.repeat(100)}`]).length, 300)
  },
)

t.test('whether it is between values, and lines that were read elsewhere', async t => {
  const scanner = jsonScanner(100)
  for (const [part, isBetween] of [
    ['{"a":', false],
    ['1}', true],
    ['\n', true],
    ['12', false],
    [' ', true],
  ] as const) {
    scanner.write(part)
    t.equal(scanner.isBetween(), isBetween, part)
  }
  scanner.skip(3)
  t.throws(() => scanner.write('} '), { message: /^line 5: / })
})
