import t, { type Test } from 'tap'
import { accessCheck } from '../../../lib/server/access.js'
import fc from '../../fast-check.js'

type Lists = Parameters<typeof accessCheck>[0]

function isAllowed(lists: Lists, address: string | undefined): boolean | undefined {
  return accessCheck(lists)?.(address)
}

function covers(t: Test, rule: string, within: readonly string[], without: readonly string[]): void {
  for (const address of within) t.ok(isAllowed({ allow: [rule] }, address), `${rule} has ${address}`)
  for (const address of without) t.notOk(isAllowed({ allow: [rule] }, address), `${rule} has not ${address}`)
}

t.test('without lists there is nothing to check', async t => {
  t.equal(accessCheck({}), undefined)
  t.equal(accessCheck({ allow: undefined, deny: undefined }), undefined)
})

t.test('what a rule stands for', async t => {
  for (const [rule, within, without] of [
    ['10.0.0.1', ['10.0.0.1', '::ffff:10.0.0.1', '::ffff:a00:1'], ['10.0.0.0', '10.0.0.2', '::10.0.0.1', '::a00:1']],
    ['10.0.0.0/8', ['10.0.0.0', '10.255.255.255', '::ffff:10.1.2.3'], ['9.255.255.255', '11.0.0.0', 'a00::']],
    ['10.0.0.0/32', ['10.0.0.0'], ['10.0.0.1', '9.255.255.255']],
    ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255', '::ffff:1.2.3.4'], ['::', '::1', '::1.2.3.4']],
    ['10.0.0.1-10.0.0.9', ['10.0.0.1', '10.0.0.5', '10.0.0.9', '::ffff:10.0.0.9'], ['10.0.0.0', '10.0.0.10']],
    ['10.0.0.1-10.0.0.1', ['10.0.0.1'], ['10.0.0.0', '10.0.0.2']],
    ['fd00::/8', ['fd00::', 'FD12::1', 'fdff:ffff::ffff'], ['fc00::', 'fe00::', '10.0.0.1']],
    ['::1', ['::1', '0:0:0:0:0:0:0:1'], ['::', '127.0.0.1']],
    ['::/0', ['::', '::1', 'ffff::'], ['0.0.0.0', '10.0.0.1', '::ffff:10.0.0.1']],
    ['::1-::f', ['::1', '::f'], ['::', '::10']],
    ['fe80::1-fe80::9', ['fe80::5%eth0'], ['fe80::a%eth0']],
  ] as const)
    covers(t, rule, within, without)
})

t.test('IPv4-mapped IPv6 is IPv4, in rules too', async t => {
  for (const [rule, within, without] of [
    ['::ffff:10.0.0.1', ['10.0.0.1', '::ffff:10.0.0.1'], ['10.0.0.2']],
    ['::ffff:10.0.0.0/104', ['10.0.0.0', '10.255.255.255', '::ffff:10.0.0.1'], ['11.0.0.0', 'fd00::']],
    ['::ffff:a00:1/128', ['10.0.0.1'], ['10.0.0.0']],
    ['::ffff:0:0/96', ['0.0.0.0', '255.255.255.255'], ['::', '::1']],
    ['::ffff:10.0.0.1-10.0.0.9', ['10.0.0.5'], ['10.0.0.10']],
    ['::ffff:10.0.0.1-::ffff:10.0.0.9', ['10.0.0.5'], ['10.0.0.10']],
    ['::ffff:0:0/80', ['::1', '::fffe:0:0'], ['0.0.0.0', '::ffff:10.0.0.1', '::1:0:0:0']],
    ['::ffff:0:0/95', ['::fffe:0:0'], ['::ffff:10.0.0.1', '::1']],
  ] as const)
    covers(t, rule, within, without)
})

t.test('zones are ignored', async t => {
  for (const rule of [
    'fe80::1%eth0',
    'fe80::1%br-lan',
    'fe80::%br-lan/64',
    'fe80::1%eth0-fe80::9',
    'fe80::1-fe80::9%eth0',
  ])
    for (const address of ['fe80::1', 'fe80::1%eth0', 'fe80::1%br-lan', 'fe80::1%eth_1'])
      t.ok(isAllowed({ allow: [rule] }, address), `${rule} has ${address}`)
})

t.test('bits behind the prefix are ignored', async t => {
  for (const [rule, address] of [
    ['10.1.2.3/8', '10.0.0.0'],
    ['fd00::1/8', 'fdff::'],
    ['::ffff:10.1.2.3/104', '10.0.0.0'],
  ] as const)
    t.ok(isAllowed({ allow: [rule] }, address), rule)
})

t.test('deny wins over allow', async t => {
  const lists = { allow: ['10.0.0.0/8'], deny: ['10.0.0.0/24'] }
  for (const [address, expected] of [
    ['10.0.1.1', true],
    ['10.0.0.1', false],
    ['11.0.0.1', false],
  ] as const)
    t.equal(isAllowed(lists, address), expected, address)
  t.equal(isAllowed({ allow: ['10.0.0.1'], deny: ['10.0.0.1'] }, '10.0.0.1'), false)
})

t.test('with a deny list alone others are allowed', async t => {
  for (const [deny, address, expected] of [
    [['10.0.0.0/8'], '10.0.0.1', false],
    [['10.0.0.0/8'], '::ffff:10.0.0.1', false],
    [['10.0.0.0/8'], '11.0.0.1', true],
    [['10.0.0.0/8'], '::1', true],
    [[], '::1', true],
  ] as const)
    t.equal(isAllowed({ deny }, address), expected, `${deny} ${address}`)
})

t.test('who is unknown is denied, whatever the lists', async t => {
  for (const address of [undefined, '', ' ', 'unix', 'junk', '10.0.0', '010.0.0.1', '10.0.0.1:80', '[::1]', '0/0'])
    for (const lists of [{ allow: ['0.0.0.0/0', '::/0'] }, { deny: [] }, { deny: ['10.0.0.1'] }])
      t.equal(isAllowed(lists, address), false, String(address))
})

t.test('junk is refused: the message names the option, the rule and what is allowed', async t => {
  const forms = "'10.0.0.1', '10.0.0.0/8', 'fd00::/8' or '10.0.0.1-10.0.0.9' (the lower end first)"
  for (const rule of [
    '',
    ' ',
    'localhost',
    '10.0.0',
    '010.0.0.1',
    '10.0.0.1 ',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
    '/8',
    '10/8',
    'fd00::/129',
    'fd00::/1000',
    'fd00::/64%eth0',
    '::ffff:10.0.0.0/129',
    '10.0.0.9-10.0.0.1',
    '::9-::1',
    '10.0.0.1-::9',
    '::1-10.0.0.9',
    'fe80::1%eth0-10.0.0.1',
    '10.0.0.1-9',
    '10.0.0.1-',
    '-10.0.0.1',
    '-',
    '10.0.0.1-10.0.0.2-10.0.0.3',
    '10.0.0.0/8-10.0.0.9',
    '10.0.0.1-10.0.0.9/8',
    '10.0.0.1,10.0.0.2',
  ]) {
    for (const option of ['allow', 'deny'])
      t.throws(
        () => accessCheck({ [option]: ['10.0.0.1', rule] }),
        { code: 'ERR_OPTION', message: `${option}: '${rule}' is not an address, a CIDR or a range, such as ${forms}` },
        `${option} ${JSON.stringify(rule)}`,
      )
  }
})

t.test('what is no text, and what is no list', async t => {
  for (const [lists, message] of [
    [{ allow: [1] }, /^allow: a number is not an address, a CIDR or a range, such as /],
    [{ deny: [undefined] }, /^deny: undefined is not an address/],
    [{ deny: [['10.0.0.1']] }, /^deny: an array is not an address/],
    [{ deny: ['x'.repeat(1e6)] }, `deny: '${'x'.repeat(128)}…' is not an address`],
    [{ allow: '10.0.0.1' }, 'allow: a string is not allowed; expected an array of rules'],
    [{ deny: null }, 'deny: null is not allowed; expected an array of rules'],
    [{ allow: [] }, 'allow: an empty list would deny everyone'],
    [{ allow: [], deny: [] }, 'allow: an empty list would deny everyone'],
  ] as const)
    t.throws(() => accessCheck(lists as never), { code: 'ERR_OPTION', message }, JSON.stringify(lists))
})

t.test('any lists, against a model that asks one rule after the other', async t => {
  // Few different bits, so that addresses meet rules: of IPv4 the first and the last octet, of IPv6 two groups.
  const ipv4 = fc
    .tuple(fc.nat(3), fc.nat(255))
    .map(([a, b]) => ({ text: `${a}.0.0.${b}`, bits: bitsOf([a, 0, 0, b], 8) }))
  const ipv6 = fc.tuple(fc.nat(3), fc.nat(0xffff)).map(([a, b]) => ({
    text: `${a.toString(16)}::${b.toString(16)}`,
    bits: bitsOf([a, 0, 0, 0, 0, 0, 0, b], 16),
  }))
  const mapped = ipv4.map(({ text, bits }) => ({ text: `::ffff:${text}`, bits }))
  const address = fc.oneof(ipv4, ipv6, mapped)
  const single = address.map(({ text, bits }) => ({ text, has: (other: string) => other === bits }))
  const cidr = fc.tuple(address, fc.nat(128)).map(([{ text, bits }, asked]) => {
    const length = asked % (bits.length + 1)
    const written = text.startsWith('::ffff:') ? length + 96 : length
    const has = (other: string) => other.length === bits.length && other.startsWith(bits.slice(0, length))
    return { text: `${text}/${written}`, has }
  })
  const range = fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, ipv6), fc.tuple(ipv4, mapped)).map(pair => {
    const [from, to] = pair[0].bits <= pair[1].bits ? pair : [pair[1], pair[0]]
    const has = (other: string) => other.length === from.bits.length && from.bits <= other && other <= to.bits
    return { text: `${from.text}-${to.text}`, has }
  })
  const list = fc.array(fc.oneof(single, cidr, range), { maxLength: 12 })
  const property = fc.property(
    fc.option(
      list.filter(rules => rules.length > 0),
      { nil: undefined },
    ),
    list,
    fc.array(address, { minLength: 1, maxLength: 20 }),
    (allow, deny, addresses) => {
      const check = accessCheck({ allow: allow?.map(({ text }) => text), deny: deny.map(({ text }) => text) })
      return addresses.every(({ text, bits }) => {
        const expected = !deny.some(({ has }) => has(bits)) && (allow?.some(({ has }) => has(bits)) ?? true)
        return check?.(text) === expected
      })
    },
  )
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

/** `[10, 0]` of 8 bits each → `0000101000000000`: equal lengths compare as numbers do. */
function bitsOf(parts: number[], size: number): string {
  return parts.map(part => part.toString(2).padStart(size, '0')).join('')
}
