import { SocketAddress } from 'node:net'
import t from 'tap'
import { canonicalIp, parseIp } from '../../../lib/endpoints/ip.js'
import fc from '../../fast-check.js'

t.test('canonicalIp: one text for each address', async t => {
  for (const [text, expected] of [
    ['10.0.0.1', '10.0.0.1'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['FE80::A', 'fe80::a'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:a00:1', '10.0.0.1'],
    ['0:0:0:0:0:ffff:10.0.0.1', '10.0.0.1'],
    ['::10.0.0.1', '::10.0.0.1'],
    ['::ffff:0:10.0.0.1', '::ffff:0:a00:1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['fe80::1%br_lan.100-a@b', 'fe80::1'],
    ['::ffff:10.0.0.1%lo', '10.0.0.1'],
  ] as const)
    t.equal(canonicalIp(text), expected, text)
})

const junk = [
  '',
  ' ',
  'x',
  'unix',
  'localhost',
  '10.0.0',
  '10.0.0.256',
  '010.0.0.1',
  '0x0a.0.0.1',
  '167772161',
  ' 10.0.0.1',
  '10.0.0.1\n',
  '10.0.0.1:80',
  '10.0.0.1%eth0',
  '10.0.0.0/8',
  '1:2:3',
  '::1::2',
  ':::',
  '[::1]',
  'fe80::1%',
  'fe80::1%a b',
  'fe80::1%a%b',
  'fe80::1%a/64',
  'fe80::1%a-fe80::2',
  '%eth0',
  '١.٢.٣.٤',
]

t.test('what is no address', async t => {
  for (const text of junk) t.same([canonicalIp(text), parseIp(text)], [undefined, undefined], JSON.stringify(text))
})

t.test('parseIp: the number that an address is', async t => {
  for (const [text, family, value] of [
    ['0.0.0.0', 4, 0n],
    ['255.255.255.255', 4, 0xffffffffn],
    ['10.1.2.3', 4, 0x0a010203n],
    ['::ffff:10.1.2.3', 4, 0x0a010203n],
    ['::', 6, 0n],
    ['::1', 6, 1n],
    ['1::', 6, 1n << 112n],
    ['fe80::1%eth0', 6, (0xfe80n << 112n) + 1n],
    ['1:2:3:4:5:6:7:8', 6, 0x00010002000300040005000600070008n],
    ['1:2:3:4:5:6:7::', 6, 0x00010002000300040005000600070000n],
    ['::1.2.3.4', 6, 0x01020304n],
    ['::ffff:0:1.2.3.4', 6, 0xffff000001020304n],
    ['64:ff9b::1.2.3.4', 6, (0x64ff9bn << 96n) + 0x01020304n],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 6, 2n ** 128n - 1n],
  ] as const)
    t.same(parseIp(text), { family, value }, text)
})

t.test('every IPv6 address, however it is written', async t => {
  const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  const isMapped = (words: number[]) => words.slice(0, 5).every(word => word === 0) && words[5] === 0xffff
  const property = fc.property(groups, words => {
    const long = words.map(word => word.toString(16).padStart(4, '0')).join(':')
    const short = new SocketAddress({ address: long, family: 'ipv6' }).address
    const value = words.reduce((sum, word) => sum * 65536n + BigInt(word), 0n)
    for (const text of [long, long.toUpperCase(), short, `${short}%eth0`]) {
      const ip = parseIp(text)
      if (!isMapped(words) && (ip?.family !== 6 || ip.value !== value)) return false
      if (canonicalIp(text) !== canonicalIp(long)) return false
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(property))
})
