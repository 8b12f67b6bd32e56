import t from 'tap'
import { type AddressInput, formatAddress, parseAddress, toAddress } from '../../../lib/endpoints/address.js'

t.test('parseAddress', async t => {
  for (const [text, address] of [
    ['example.org:80', { host: 'example.org', port: 80 }],
    [':80', { host: '127.0.0.1', port: 80 }],
    ['80', { host: '127.0.0.1', port: 80 }],
    ['0', { host: '127.0.0.1', port: 0 }],
    ['65535', { host: '127.0.0.1', port: 65535 }],
    ['0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['[::]:80', { host: '::', port: 80 }],
    ['tcp://example.org:80', { host: 'example.org', port: 80 }],
    ['tcp://:80', { host: '127.0.0.1', port: 80 }],
    ['tls://example.org:443', { host: 'example.org', port: 443, tls: true }],
    ['tls://443', { host: '127.0.0.1', port: 443, tls: true }],
    ['unix:/run/x.sock', { path: '/run/x.sock' }],
    ['unix:relative:with:colons', { path: 'relative:with:colons' }],
  ] as const) {
    t.strictSame(parseAddress(text), address, text)
  }
  for (const text of [
    '',
    ':',
    'localhost',
    'localhost:',
    '-1',
    ':-1',
    '70000',
    '65536',
    '80abc',
    '0x50',
    '1e3',
    '80.5',
    ' 80',
    'Infinity',
    '::1:80',
    '[::1]',
    '[]:80',
    '[::1:80',
    'a:b:80',
    'http://example.org:80',
    'tcp://',
    'tls://',
    'tls://tls://:443',
    'tls:443',
    '[[a]:80',
    'tls://unix:/run/x',
    'unix:',
    'unix:a\0b',
    `unix:${'x'.repeat(108)}`,
  ]) {
    t.throws(() => parseAddress(text), { code: 'ERR_ADDRESS', name: 'TcpPipeError' }, `'${text.slice(0, 20)}'`)
  }
  t.throws(() => parseAddress('unix:'), { message: /1 to 107 bytes, not 0/ })
  t.throws(() => parseAddress('70000'), { message: /^'70000': the port must be a whole number from 0 to 65535/ })
  t.equal((parseAddress(`unix:${'x'.repeat(107)}`) as { path: string }).path.length, 107, 'the longest path')
  t.throws(() => parseAddress(`unix:${'é'.repeat(54)}`), { code: 'ERR_ADDRESS' }, 'the limit is in bytes')
})

t.test('toAddress', async t => {
  t.strictSame(toAddress('80'), { host: '127.0.0.1', port: 80 }, 'text')
  t.strictSame(toAddress({ port: 80 }), { host: '127.0.0.1', port: 80 }, 'the host is loopback')
  t.strictSame(toAddress({ host: undefined, port: 80 }), { host: '127.0.0.1', port: 80 })
  t.strictSame(toAddress({ host: '', port: 80 }), { host: '127.0.0.1', port: 80 }, 'empty is not all interfaces')
  t.strictSame(toAddress({ host: '::1', port: 80 }), { host: '::1', port: 80 })
  t.strictSame(toAddress({ path: '/run/x' }), { path: '/run/x' })
  t.strictSame(toAddress({ port: 443, tls: true }), { host: '127.0.0.1', port: 443, tls: true })
  t.strictSame(toAddress({ port: 80, tls: false }), { host: '127.0.0.1', port: 80 })
  t.strictSame(toAddress({ path: '/run/x', tls: true }), { path: '/run/x', tls: true })
  for (const port of [-1, 65536, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '80' as unknown as number])
    t.throws(() => toAddress({ port }), { code: 'ERR_ADDRESS' }, String(port))
  t.throws(() => toAddress({ path: '' }), { code: 'ERR_ADDRESS' })
  t.throws(() => toAddress(80 as unknown as AddressInput), { code: 'ERR_ADDRESS' }, 'a number alone')
  t.throws(() => toAddress(null as unknown as AddressInput), { code: 'ERR_ADDRESS' }, 'null')
})

t.test('formatAddress is the inverse', async t => {
  for (const text of [
    '127.0.0.1:80',
    '[::1]:80',
    'unix:/run/x.sock',
    'example.org:0',
    'tls://[::1]:443',
    'tcp://unix:80',
    'tcp://tls:80',
    'tls://unix:80',
  ])
    t.equal(formatAddress(parseAddress(text)), text)
  t.equal(formatAddress({ path: '/run/x', tls: true }), 'tls://unix:/run/x')
})
