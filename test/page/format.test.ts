import t from 'tap'
import { page } from './support.js'

const format = await page('format')

t.test('sizes and rates', async t => {
  const sizes = [
    0,
    999,
    1023,
    1024,
    1536,
    10_240,
    102_400,
    1_048_575,
    1024 ** 2 * 64,
    1024 ** 6,
    null,
    undefined,
    Number.NaN,
  ]
  t.same(sizes.map(format.size), [
    '0 B',
    '999 B',
    '1,023 B',
    '1.00 KiB',
    '1.50 KiB',
    '10.0 KiB',
    '100 KiB',
    '1.00 MiB',
    '64.0 MiB',
    '1,024 PiB',
    '–',
    '–',
    '–',
  ])
  t.same([0, 2048, null].map(format.rate), ['0 B/s', '2.00 KiB/s', '–'])
})

t.test('times', async t => {
  const times = [0, 0.214, 12.34, 999.4, 999.6, 59_990, 60_000, 3_599_999, 3_600_000, 93_600_000, null]
  t.same(times.map(format.duration), [
    '0.00 ms',
    '0.21 ms',
    '12.3 ms',
    '999 ms',
    '1.00 s',
    '59.99 s',
    '1:00 min',
    '59:59 min',
    '1:00 h',
    '1 d 2 h',
    '–',
  ])
  t.same([0, 4400, 61_000].map(format.age), ['0 s', '4 s', '1:01 min'])
  t.match(format.clock(1_795_828_442_130), /^\d\d:\d\d:02\.130$/)
  t.match(format.clock(1_795_828_442_130, false), /^\d\d:\d\d:02$/)
  t.equal(format.clock(Number.NaN), '–')
})

t.test('counts and addresses', async t => {
  t.equal(format.counted(1, 'byte'), '1 byte')
  t.equal(format.counted(2000, 'match', 'matches'), '2,000 matches')
  t.equal(format.percent(0.945), '95 %')
  t.equal(format.address('127.0.0.1', 80), '127.0.0.1:80')
  t.equal(format.address('::1', 80), '[::1]:80')
  t.equal(format.address('unix', undefined), 'unix')
})
