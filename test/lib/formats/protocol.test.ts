import t from 'tap'
import { recognize } from '../../../lib/formats/protocol.js'
import fc from '../../fast-check.js'

const label = (chunk: string | Buffer, isReply = false) => recognize(Buffer.from(chunk as string), isReply)?.label

t.test('HTTP/1', async t => {
  for (const [chunk, expected] of [
    ['GET /path?a=1 HTTP/1.1\r\nHost: x\r\n\r\n', 'HTTP GET /path?a=1'],
    ['POST * HTTP/1.0\n', 'HTTP POST *'],
    [`GET /${'a'.repeat(100)} HTTP/1.1\r\n`, `HTTP GET /${'a'.repeat(59)}...`],
    [`GET /${'a'.repeat(2000)} HTTP/1.1\r\n`, `HTTP GET /${'a'.repeat(59)}...`],
    ['HTTP/1.1 200 OK\r\n\r\n', 'HTTP 200 OK'],
    ['HTTP/1.1 404 \r\n', 'HTTP 404'],
    ['HTTP/1.0 204\r\n', 'HTTP 204'],
    ['GET /pa', undefined],
    ['GET something else\r\n', undefined],
    ['get / HTTP/1.1\r\n', undefined],
    ['GET /\x1b[2J HTTP/1.1\r\n', undefined],
    ['HTTP/1.1 200 \x1b[2J\r\n', undefined],
    ['HTTP/2 200\r\n', undefined],
    ['XGET / HTTP/1.1\r\n', undefined],
  ] as const)
    t.equal(label(chunk), expected, chunk.slice(0, 40))
})

t.test('RESP: commands', async t => {
  for (const [chunk, expected] of [
    ['*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n', 'RESP SET 3 args'],
    ['*1\r\n$4\r\nPING\r\n', 'RESP PING 1 arg'],
    ['*2\r\n$8\r\nJSON.GET\r\n', 'RESP JSON.GET 2 args'],
    ['*2\r\n$4\r\nSET\r\n', undefined],
    ['*3\r\n$3\r\nS\x1bT\r\n', undefined],
    ['*99999999999\r\n$3\r\nSET\r\n', undefined],
    ['PING\r\n', undefined],
  ] as const)
    t.equal(label(chunk), expected, chunk)
})

t.test('RESP: replies, only where the requests are RESP', async t => {
  for (const [chunk, expected] of [
    ['+OK\r\n', 'RESP OK'],
    ['-ERR unknown command\r\n', 'RESP -ERR unknown command'],
    [':42\r\n', 'RESP :42'],
    ['$5\r\nhello\r\n', 'RESP string of 5'],
    ['$-1\r\n', 'RESP null'],
    ['*-1\r\n', 'RESP null'],
    ['_\r\n', 'RESP null'],
    ['*2\r\n:1\r\n', 'RESP array of 2'],
    ['*2\r\n$5\r\nzdiff\r\n', 'RESP array of 2'],
    ['%2\r\n', 'RESP map of 2'],
    [`+${'a'.repeat(100)}\r\n`, `RESP ${'a'.repeat(60)}...`],
    ['+\x1b[2J\r\n', undefined],
    ['hello\r\n', undefined],
  ] as const) {
    t.equal(label(chunk, true), expected, chunk.slice(0, 40))
    t.notOk(label(chunk)?.includes(expected ?? 'RESP'), 'a command is no reply')
  }
})

const record = (type: number, body: Buffer | string, version = 3) => {
  const content = Buffer.from(body as string)
  return Buffer.concat([Buffer.of(type, 3, version, content.length >> 8, content.length & 255), content])
}

/** A message ClientHello with extensions. */
function hello(...extensions: Buffer[]): Buffer {
  const all = Buffer.concat(extensions)
  const before = Buffer.concat([Buffer.alloc(34, 3), Buffer.of(2, 9, 9), Buffer.of(0, 2, 0x13, 1), Buffer.of(1, 0)])
  return Buffer.concat([Buffer.of(1, 0, 0, 0), before, Buffer.of(all.length >> 8, all.length & 255), all])
}

function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0, type, 0, body.length), body])
}

const serverName = (name: string) =>
  extension(0, Buffer.concat([Buffer.of(0, name.length + 3, 0, 0, name.length), Buffer.from(name, 'latin1')]))

t.test('TLS records', async t => {
  for (const [title, chunk, expected] of [
    [
      'a name',
      record(22, hello(extension(16, Buffer.of(1, 2, 3)), serverName('example.org'))),
      'TLS ClientHello example.org',
    ],
    ['no name', record(22, hello(extension(16, Buffer.of(1, 2, 3)))), 'TLS ClientHello'],
    ['a hostile name', record(22, hello(serverName('a\x1b[2J'))), 'TLS ClientHello'],
    ['no extensions', record(22, hello()), 'TLS ClientHello'],
    ['a cut hello', record(22, hello(serverName('example.org'))).subarray(0, 60), 'TLS ClientHello'],
    ['a huge hello', record(22, Buffer.alloc(16_000, 1)), 'TLS ClientHello'],
    ['ServerHello', record(22, Buffer.of(2, 0)), 'TLS ServerHello'],
    ['another handshake', record(22, Buffer.of(99, 0)), 'TLS handshake'],
    ['alert', record(21, Buffer.of(2, 40)), 'TLS alert'],
    ['data', record(23, 'xyz'), 'TLS application data'],
    ['another type', record(25, 'xyz'), undefined],
    ['another version', record(22, 'xyz', 9), undefined],
    ['not TLS', Buffer.from('\x16hello, world'), undefined],
    ['empty', record(22, ''), undefined],
    ['too long', Buffer.of(23, 3, 3, 0xff, 0xff, 1), undefined],
  ] as const)
    t.equal(label(chunk), expected, title)
})

t.test('any bytes: no error, and a label is printable', async () => {
  const start = fc.constantFrom(
    '',
    'GET ',
    'HTTP/1.1 2',
    '*3\r\n$',
    '$',
    '+',
    '\x16\x03\x01\x01\x00\x01',
    '\x17\x03\x03',
  )
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 300 }), fc.boolean(), (prefix, bytes, isReply) => {
      const text = label(Buffer.concat([Buffer.from(prefix, 'latin1'), bytes]), isReply)
      return text === undefined || /^[ -~]{1,100}$/.test(text)
    }),
  )
})
