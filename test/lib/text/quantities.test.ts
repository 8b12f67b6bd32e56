import t from 'tap'
import { formatBytes, formatDuration, parseBytes, parseDuration } from '../../../lib/text/quantities.js'

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
