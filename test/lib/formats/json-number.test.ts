import t from 'tap'
import { isChanged, parseWritten, toJson, WrittenNumber } from '../../../lib/formats/json-number.js'

t.test('before there is any, values are written as by JSON.stringify', async t => {
  t.equal(toJson({ a: [1] }), '{"a":[1]}')
  t.equal(toJson([1], 1), '[\n 1\n]')
  t.equal(toJson(undefined), undefined)
})

t.test('a number keeps its text, and calculates as the nearest one', async t => {
  const big = new WrittenNumber('12345678901234567890')
  t.equal(String(big), '12345678901234567890')
  t.equal(Number(big) + 0, 12345678901234567000)
  t.equal(toJson({ a: [big, new WrittenNumber('-0')], b: 1 }), '{"a":[12345678901234567890,-0],"b":1}')
  t.equal(toJson(new WrittenNumber('1e400')), '1e400')
  t.equal(toJson([big], 2), '[\n  12345678901234567890\n]')
  t.equal(toJson(undefined), undefined)
  t.equal(toJson(1), '1')
  t.equal(JSON.stringify([big]), '[12345678901234567000]', 'others write the nearest one')
})

t.test('the numbers at the places are kept', async t => {
  const text = '{"1e400":[1e400,-0,"1e400"]}'
  const value = parseWritten(text, [10, 15, 16, 18])
  t.equal(toJson(value), text)
  t.match(value, { '1e400': [WrittenNumber, WrittenNumber, '1e400'] })
})

t.test('what a double would change', async t => {
  for (const text of [
    '0',
    '1',
    '-1',
    '0.1',
    '1.50',
    '100',
    '1e3',
    '1E+3',
    '1.5e-7',
    '0e5',
    '0.0',
    '9007199254740992',
    '1e23',
    '0.00001',
    '1e-7',
    '123456789012345.6',
  ])
    t.notOk(isChanged(text), text)
  for (const text of [
    '-0',
    '-0.0',
    '-0e3',
    '1e400',
    '-1e400',
    '1e-400',
    '9007199254740993',
    '12345678901234567890',
    '0.12345678901234567890',
    '1e99999999999999999999',
  ])
    t.ok(isChanged(text), text)
})

t.test('a long number takes no longer than its length', { timeout: 5000 }, async t => {
  t.ok(isChanged(`1${'0'.repeat(1e6)}1`))
  t.ok(isChanged(`0.${'0'.repeat(1e6)}1`))
})
