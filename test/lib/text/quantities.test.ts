import t from 'tap'
import {
  between,
  checkTime,
  exactBytes,
  exactDuration,
  formatBytes,
  formatDuration,
  inRange,
  longestTime,
  parseBytes,
  parseDuration,
  plainNumber,
  toHundredths,
} from '../../../lib/text/quantities.js'

t.test('parseBytes', async t => {
  for (const [text, bytes] of [
    ['0', 0],
    ['65536', 65536],
    ['64k', 65536],
    ['1MiB', 1048576],
    ['1MB', 1e6],
    ['1.5g', 1610612736],
    ['2TiB', 2 ** 41],
  ] as const) {
    t.equal(parseBytes(text), bytes, text)
  }
  for (const text of ['', '-1', '1x', 'k', '0x50', '1e3', '1 k', 'NaN', '9'.repeat(400)])
    t.throws(() => parseBytes(text), { code: 'ERR_OPTION' }, `'${text}'`)
})

t.test('parseDuration', async t => {
  for (const [text, ms] of [
    ['250ms', 250],
    ['10', 10_000],
    ['10s', 10_000],
    ['2m', 120_000],
    ['1h', 3_600_000],
  ] as const) {
    t.equal(parseDuration(text), ms, text)
  }
  for (const text of ['', '1d', '-1s', 's']) t.throws(() => parseDuration(text), { code: 'ERR_OPTION' }, `'${text}'`)
})

t.test('formatBytes', async t => {
  for (const [bytes, text] of [
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.50 KiB'],
    [2 ** 31, '2.00 GiB'],
    [2 ** 55, '32768.00 TiB'],
  ] as const) {
    t.equal(formatBytes(bytes), text)
  }
})

t.test('formatDuration', async t => {
  for (const [ms, text] of [
    [0, '0ms'],
    [250, '250ms'],
    [1500, '1.5s'],
    [90_500, '1m30.5s'],
    [3_660_000, '1h1m'],
  ] as const) {
    t.equal(formatDuration(ms), text)
  }
})

t.test('ranges, in numbers and in words', async t => {
  for (const [range, words, inside, outside] of [
    [undefined, 'a number', [0, 5], [-1]],
    [{ min: 1 }, 'a number, at least 1', [1, 9], [0]],
    [{ max: 3 }, 'a number, at most 3', [0, 3], [4]],
    [{ min: 1, max: 3 }, 'a number, from 1 to 3', [1, 3], [0, 4]],
  ] as const) {
    t.equal(between('a number', range, String), words)
    for (const value of inside) t.ok(inRange(value, range), `${words}: ${value}`)
    for (const value of outside) t.notOk(inRange(value, range), `${words}: ${value}`)
  }
})

t.test('numbers as they are typed: exact, in the largest unit that divides them, without an exponent', async t => {
  for (const [value, bytes, time] of [
    [0, '0', '0ms'],
    [1000, '1000', '1s'],
    [1024, '1k', '1024ms'],
    [90_000, '90000', '90s'],
    [3 * 1024 ** 3, '3g', '3221225472ms'],
    [7_200_000, '7200000', '2h'],
  ] as const) {
    t.equal(exactBytes(value), bytes)
    t.equal(exactDuration(value), time)
  }
  t.equal(plainNumber(1e-7), '0.0000001')
  t.equal(plainNumber(1.5e-7), '0.00000015')
  t.equal(plainNumber('1e-7'), '1e-7', 'a text stays as it is')
})

t.test('checkTime', async t => {
  for (const time of [undefined, 0, 1.5, longestTime]) t.doesNotThrow(() => checkTime('idleTimeout', time), `${time}`)
  for (const time of [-1, longestTime + 1, Number.NaN, Number.POSITIVE_INFINITY, '5s' as unknown as number])
    t.throws(() => checkTime('idleTimeout', time), {
      code: 'ERR_OPTION',
      message: `idleTimeout: ${time} is not allowed; expected milliseconds from 0 to 2147483647`,
    })
})

t.test('toHundredths', async t => {
  const figures = { busy: 1.23456, stages: [{ name: 'a', busy: 2.999, recordsIn: 3 }], over: true }
  const expected = { busy: 1.23, stages: [{ name: 'a', busy: 3, recordsIn: 3 }], over: true }
  t.same(JSON.parse(JSON.stringify(figures, toHundredths)), expected)
})
