import fc from 'fast-check'
import t from 'tap'
import {
  maxProxyHeader,
  type ProxyEnds,
  parseProxyHeader,
  proxyVersions,
  writeProxyHeader,
} from '../../../../lib/endpoints/proxy-protocol/header.js'
import { crc32c } from '../../../../lib/formats/checksums.js'
import { errorCode } from '../../../../lib/text/errors.js'

const code = 'ERR_PROXY_PROTOCOL'
const start = Buffer.from('\r\n\r\n\0\r\nQUIT\n')
const text = (line: string) => Buffer.from(line, 'latin1')
const ends = (source: string, from: number | undefined, destination: string, to: number | undefined): ProxyEnds => ({
  source: { address: source, port: from },
  destination: { address: destination, port: to },
})

/** A header of version 2 with this command, family and transport, and body. */
function binary(command: number, protocol: number, body: Buffer, length = body.length): Buffer {
  return Buffer.concat([start, Buffer.from([command, protocol, length >> 8, length & 255]), body])
}

const inet = Buffer.from([192, 0, 2, 1, 198, 51, 100, 2, 4, 0, 1, 187])
const ofInet = ends('192.0.2.1', 1024, '198.51.100.2', 443)
const extension = (type: number, value: Buffer) =>
  Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), value])

/** The header with the checksum of its own, which is XORed with `wrong`. */
function summed(wrong = 0): Buffer {
  const parts = [inet, extension(4, Buffer.from('pad')), extension(3, Buffer.alloc(4)), extension(1, text('h2'))]
  const header = binary(0x21, 0x11, Buffer.concat(parts))
  header.writeUInt32BE((crc32c(header) ^ wrong) >>> 0, start.length + 4 + inet.length + 6 + 3)
  return header
}

const headers: readonly [header: Buffer, ends: ProxyEnds | undefined][] = [
  [text('PROXY TCP4 192.0.2.1 198.51.100.2 1024 443\r\n'), ofInet],
  [
    text('PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n'),
    ends('255.255.255.255', 65535, '255.255.255.255', 65535),
  ],
  [text('PROXY TCP6 2001:DB8:0::1 ::1 0 1\r\n'), ends('2001:db8::1', 0, '::1', 1)],
  [text('PROXY TCP6 ::ffff:10.0.0.1 ::1 5 1\r\n'), ends('10.0.0.1', 5, '::1', 1)],
  [
    text(`PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`),
    ends(`${'ffff:'.repeat(7)}ffff`, 65535, `${'ffff:'.repeat(7)}ffff`, 65535),
  ],
  [text('PROXY UNKNOWN\r\n'), undefined],
  [text('PROXY UNKNOWN whatever \xff follows\r\n'), undefined],
  [binary(0x21, 0x11, inet), ofInet],
  [summed(), ofInet],
  [
    binary(
      0x21,
      0x21,
      Buffer.concat([Buffer.alloc(15), Buffer.from([1]), Buffer.alloc(16, 0xfe), Buffer.from([0, 9, 1, 0])]),
    ),
    ends('::1', 9, `${'fefe:'.repeat(7)}fefe`, 256),
  ],
  [binary(0x21, 0x31, Buffer.alloc(216)), ends('unix', undefined, 'unix', undefined)],
  [binary(0x21, 0x12, inet), undefined],
  [binary(0x21, 0x00, Buffer.alloc(0)), undefined],
  [binary(0x21, 0x01, extension(4, Buffer.alloc(0))), undefined],
  [binary(0x20, 0x00, Buffer.alloc(0)), undefined],
  [binary(0x20, 0x11, Buffer.from('anything')), undefined],
]

t.test('a header says who has connected and where to, and where it ends', async t => {
  for (const [header, expected] of headers)
    for (const rest of ['', 'hello', 'PROXY TCP4 ', '\r\n'])
      t.same(parseProxyHeader(Buffer.concat([header, text(rest)])), { length: header.length, ends: expected })
})

t.test('a part of a header is no header yet, however it is cut', async t => {
  for (const [header] of headers)
    for (let length = 0; length < header.length; length++)
      if (parseProxyHeader(header.subarray(0, length))) t.fail(`${length} bytes of ${header}`)
})

t.test('what is no header is told as soon as it is known', async t => {
  for (const [bytes, message] of [
    [text('G'), /begins with 'G'/],
    [text('PROXX'), /begins with 'PROXX'/],
    [text('\r\n\r\n\0\r\nQUIX'), /begins with '\\r\\n\\r\\n\\x00\\r\\nQUIX'/],
    [text(`PROXY TCP4 ${'1'.repeat(maxProxyHeader.v1)}`), /longer than 107 bytes/],
    [text(`PROXY UNKNOWN ${'x'.repeat(93)}\r\n`), /longer than 107 bytes/],
    ...[
      'TCP4 1.2.3.4 1.2.3.4 1',
      'TCP4 1.2.3.4 1.2.3.4 1 65536',
      'TCP4 1.2.3.4 1.2.3.4 01 2',
      'TCP4 1.2.3.4 ::1 1 2',
      'TCP6 1.2.3.4 1.2.3.4 1 2',
      'TCP4 1.2.3.04 1.2.3.4 1 2',
      'TCP4 1.2.3.4  1.2.3.4 1 2',
      'TCP6 fe80::1%eth0 ::1 1 2',
      'TCP5 1.2.3.4 1.2.3.4 1 2',
      'TCP4 1.2.3.4 1.2.3.4 1 2 ',
      'UNKNOWNX',
      'tcp4 1.2.3.4 1.2.3.4 1 2',
      '',
    ].map(line => [text(`PROXY ${line}\r\n`), /'PROXY .*' names no client/]),
    [binary(0x11, 0x11, inet), /version 1 is unknown/],
    [binary(0x22, 0x11, inet), /command 2 is unknown/],
    [binary(0x21, 0x41, inet), /protocol 0x41 is unknown/],
    [binary(0x21, 0x13, inet), /protocol 0x13 is unknown/],
    [binary(0x21, 0x11, inet.subarray(1)), /its 27 bytes are too few/],
    [binary(0x21, 0x21, inet), /its 28 bytes are too few/],
    [binary(0x21, 0x11, inet, 4081), /it has 4097 bytes, more than 4096/],
    [binary(0x21, 0x11, Buffer.concat([inet, Buffer.from([4, 0])])), /an extension is longer than the header/],
    [binary(0x21, 0x11, Buffer.concat([inet, Buffer.from([4, 0, 2, 1])])), /an extension is longer than the header/],
    [binary(0x21, 0x11, Buffer.concat([inet, extension(3, Buffer.alloc(3))])), /its checksum has 3 bytes/],
    [summed(1), /its checksum is wrong/],
  ] as [Buffer, RegExp][])
    t.throws(() => parseProxyHeader(bytes), { code, message })
})

t.test('any bytes are a header, a part of one, or told as none', async t => {
  const prefixed = fc.tuple(
    fc.constantFrom(
      Buffer.alloc(0),
      text('PROXY '),
      text('PROXY TCP4 '),
      start,
      binary(0x21, 0x11, inet).subarray(0, 14),
    ),
    fc.uint8Array({ maxLength: 300 }),
  )
  fc.assert(
    fc.property(prefixed, ([prefix, bytes]) => {
      const all = Buffer.concat([prefix, bytes])
      try {
        const header = parseProxyHeader(all)
        return header === undefined || header.length <= all.length
      } catch (error) {
        return errorCode(error) === code
      }
    }),
    { seed: 17, numRuns: 2000 },
  )
  t.pass()
})

t.test('what is written is read as it is', async t => {
  const port = fc.nat(65535)
  const end = fc.record({ address: fc.oneof(fc.ipV4(), fc.ipV6()), port })
  fc.assert(
    fc.property(end, end, fc.constantFrom(...proxyVersions), (source, destination, version) => {
      const header = writeProxyHeader(version, { source, destination })
      const read = parseProxyHeader(Buffer.concat([header, text('rest')]))
      // what is written again is the same: the first may have had another form, as ::0:1 is ::1
      return read?.length === header.length && writeProxyHeader(version, read.ends).equals(header)
    }),
    { seed: 17, numRuns: 500 },
  )
  for (const version of proxyVersions) {
    t.same(parseProxyHeader(writeProxyHeader(version, ofInet))?.ends, ofInet)
    const mixed = ends('10.0.0.1', 1, '2001:db8::1', 2)
    t.same(parseProxyHeader(writeProxyHeader(version, mixed))?.ends, mixed, 'IPv4 is mapped to IPv6')
    for (const unknown of [
      undefined,
      ends('memory', undefined, 'memory', undefined),
      ends('10.0.0.1', 1, '10.0.0.1', undefined),
    ])
      t.same(parseProxyHeader(writeProxyHeader(version, unknown))?.ends, undefined)
  }
})

t.test('the bytes of what is written', async t => {
  t.equal(String(writeProxyHeader('v1', ofInet)), 'PROXY TCP4 192.0.2.1 198.51.100.2 1024 443\r\n')
  t.equal(
    String(writeProxyHeader('v1', ends('fe80::1%eth0', 1, '::ffff:10.0.0.1', 2))),
    'PROXY TCP6 fe80:0000:0000:0000:0000:0000:0000:0001 0000:0000:0000:0000:0000:ffff:0a00:0001 1 2\r\n',
  )
  t.equal(String(writeProxyHeader('v1', undefined)), 'PROXY UNKNOWN\r\n')
  const unix = ends('unix', undefined, 'unix', undefined)
  t.equal(String(writeProxyHeader('v1', unix)), 'PROXY UNKNOWN\r\n')
  t.same(writeProxyHeader('v2', ofInet), binary(0x21, 0x11, inet))
  t.same(writeProxyHeader('v2', undefined), binary(0x21, 0, Buffer.alloc(0)))
  t.same(writeProxyHeader('v2', unix), binary(0x21, 0x31, Buffer.alloc(216)))
})
