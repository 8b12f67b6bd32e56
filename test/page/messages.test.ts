import t from 'tap'
import fc from '../fast-check.js'
import { cuts, page, utf8 } from './support.js'

const { Reader, protocolOf } = await page('messages')
const resp = await page('resp-text')

type Found = { start: number; end: number; kind: string; isWhole: boolean }

/** The messages in bytes that come in parts. */
function read(protocol: string, parts: readonly Uint8Array[], methods: string[] = []): string[] {
  const reader = new Reader(protocol, 0, methods)
  let all: Uint8Array = new Uint8Array()
  for (const part of parts) {
    all = Buffer.concat([all, part])
    reader.read(all, 0)
  }
  return reader.between(0, all.length).map(({ start, end, kind, isWhole }: Found) => {
    return `${kind} ${start}-${end}${isWhole ? '' : ' …'}`
  })
}

/** The same for each way to cut the bytes. */
function always(
  t: { same(found: unknown, wanted: unknown, title: string): void },
  protocol: string,
  text: string,
  expected: string[],
  methods: string[] = [],
): void {
  const bytes = Buffer.from(text, 'latin1')
  const found = new Set([...cuts(bytes)].map(parts => read(protocol, parts, methods).join(', ')))
  t.same([...found], [expected.join(', ')], text.slice(0, 60))
}

t.test('RESP: nested values, pipelines, and what is not RESP', async t => {
  always(t, 'resp', '*2\r\n$3\r\nGET\r\n$3\r\na\r\n\r\n', ['resp 0-22'])
  always(t, 'resp', '+OK\r\n:1\r\n$-1\r\n*-1\r\n*0\r\n_\r\n#t\r\n,1.5\r\n(12\r\n', [
    'resp 0-5',
    'resp 5-9',
    'resp 9-14',
    'resp 14-19',
    'resp 19-23',
    'resp 23-26',
    'resp 26-30',
    'resp 30-36',
    'resp 36-41',
  ])
  always(t, 'resp', '%1\r\n+a\r\n*2\r\n:1\r\n~1\r\n=7\r\ntxt:abc\r\n>1\r\n+x\r\n', ['resp 0-33', 'resp 33-41'])
  always(t, 'resp', '|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n+next\r\n', ['resp 0-21', 'resp 21-28'])
  always(t, 'resp', 'junk\r\n+OK\r\n$5\r\nabcdefg\r\n', ['raw 0-6', 'resp 6-11', 'raw 11-15', 'raw 15-24'])
  always(t, 'resp', '*3\r\n$3\r\nSET\r\n$1\r\nk', ['resp 0-18 …'])
  always(t, 'resp', '$99999999999999999\r\n$-2\r\n*x\r\n', ['raw 0-20', 'raw 20-25', 'raw 25-29'])
})

t.test('HTTP/1: pipelining, chunks, lengths, and replies without a body', async t => {
  const get = 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n'
  const post = 'POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello'
  always(t, 'http', get + post + get, ['http 0-28', 'http 28-72', 'http 72-100'])
  const chunked =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nWiki\r\nA\r\n0123456789\r\n0\r\nTrailer: a\r\n\r\n'
  const { length } = chunked
  always(t, 'http', `${chunked}HTTP/1.1 204 No Content\r\n\r\n`, [`http 0-${length}`, `http ${length}-${length + 27}`])
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'
  always(t, 'http', head + head, ['http 0-41', 'http 41-82'], ['HEAD', 'HEAD'])
  always(t, 'http', `HTTP/1.1 100 Continue\r\n\r\n${head}abc`, ['http 0-25', 'http 25-69 …'], ['POST'])
  always(t, 'http', 'HTTP/1.0 200 OK\r\n\r\nuntil the end\r\n\r\n', ['http 0-36 …'])
  always(t, 'http', 'HTTP/1.1 101 Switching\r\n\r\n\x81\x05GET / HTTP/1.1\r\n\r\n', ['http 0-46 …'])
  always(t, 'http', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', ['http 0-51 …'])
  always(t, 'http', `junk\n\x00\n${get}`, ['raw 0-5', 'raw 5-7', 'http 7-35'])
  always(t, 'http', 'GET /a HTTP/1.1\r\nHo', ['http 0-19 …'])
})

t.test('lines', async t => {
  always(t, 'lines', 'a\r\n\nlast', ['line 0-3', 'line 3-4', 'line 4-8 …'])
})

t.test('the methods of requests', async t => {
  const reader = new Reader('http', 0)
  reader.read(utf8('HEAD / HTTP/1.1\r\n\r\nPUT / HTTP/1.1\r\nContent-Length: 1\r\n\r\nxGET'), 0)
  t.same(reader.methods, ['HEAD', 'PUT'])
})

t.test('hostile bytes end, give every byte once, and do not depend on the cut', async t => {
  const words = [
    '*',
    '$',
    '%',
    '|',
    '-1',
    '0',
    '1',
    '3',
    '\r\n',
    '\r',
    '\n',
    'GET',
    '+OK',
    '\xff',
    'HTTP/1.1 200 OK\r\n',
    '\r\n\r\n',
    'GET / HTTP/1.1\r\n',
  ]
  const text = fc.array(fc.constantFrom(...words, 'Transfer-Encoding: chunked\r\n', 'Content-Length: 3\r\n'), {
    maxLength: 40,
  })
  fc.assert(
    fc.property(text, fc.constantFrom('resp', 'http', 'lines'), fc.nat(), (parts, protocol, seed) => {
      const bytes = Buffer.from(parts.join(''), 'latin1')
      const whole = read(protocol, [bytes])
      const at = seed % (bytes.length + 1)
      t.same(read(protocol, [bytes.subarray(0, at), bytes.subarray(at)]), whole)
      t.same(
        read(
          protocol,
          Array.from(bytes, byte => Buffer.of(byte)),
        ),
        whole,
      )
      let end = 0
      for (const [, from, to] of whole.map(each => /(\d+)-(\d+)/.exec(each) ?? [])) {
        t.equal(Number(from), end)
        end = Number(to)
      }
      t.equal(end, bytes.length)
    }),
    { numRuns: 300 },
  )
})

t.test('deep nesting and huge lines take no time and no stack', async t => {
  const deep = utf8(`${'*1\r\n'.repeat(200_000)}:1\r\n`)
  t.same(read('resp', [deep]), [`resp 0-${deep.length}`])
  t.match(resp.value(deep, 0), '… array of 1')
  t.match(resp.command(deep, 0) ?? 'none', 'none')
  const line = Buffer.alloc(1 << 20, 'x')
  t.same(read('lines', [line]).length, 16)
  t.same(read('http', [line]).length, 16)
  const lines = Buffer.from('\n'.repeat(1 << 18))
  t.equal(read('http', [lines]).length, 1 << 18)
})

t.test('hostile bytes that look like messages for long take no time', async t => {
  for (const [protocol, text] of [
    ['resp', '*9\r\n'.repeat(1 << 19)],
    ['resp', `${'*9\r\n'.repeat(1 << 19)}x`],
    ['resp', '*2\r\nx'.repeat(1 << 17)],
    ['http', 'GET / HTTP/1.1\n'.repeat(1 << 17)],
    ['http', `POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${'1\nx\n'.repeat(1 << 19)}`],
  ] as const) {
    const bytes = Buffer.from(text)
    const reader = new Reader(protocol, 0)
    for (let end = 1000; end < bytes.length; end += 16_384) reader.read(bytes.subarray(0, end), 0)
    reader.read(bytes, 0)
    t.equal((reader.tail ?? reader.messages.at(-1)).end, bytes.length)
  }
})

t.test('a large message that comes in small parts', async t => {
  const bytes = Buffer.from(`*100000\r\n${':1\r\n'.repeat(100_000)}`)
  const reader = new Reader('resp', 0)
  for (let end = 1000; end < bytes.length; end += 1000) reader.read(bytes.subarray(0, end), 0)
  reader.read(bytes, 0)
  t.same([reader.messages.length, reader.tail], [1, undefined])
})

t.test('messages in a part of the way, and those that are forgotten', async t => {
  const reader = new Reader('lines', 10)
  const bytes = utf8('aa\nbb\ncc\ndd')
  reader.read(bytes, 10)
  const starts = (from: number, to: number) => reader.between(from, to).map(({ start }: Found) => start)
  t.same(starts(10, 21), [10, 13, 16, 19])
  t.same(starts(13, 16), [13])
  t.same(starts(14, 17), [13, 16])
  t.same(starts(19, 21), [19])
  reader.forget(16)
  t.same(starts(10, 21), [16, 19])
  reader.read(utf8('cc\ndd\n'), 16)
  t.same(starts(10, 22), [16, 19])
  reader.forget(30)
  t.same(starts(10, 22), [])
})

t.test('what is forgotten before it was read is left out', async t => {
  const reader = new Reader('lines', 0)
  reader.read(utf8('abc'), 0)
  reader.read(utf8('x\ny\n'), 5)
  t.same(
    reader.messages.map(({ start }: Found) => start),
    [5, 7],
  )
})

t.test('the protocol', async t => {
  const of = (request: string, reply = '', isCut = false) =>
    protocolOf(Buffer.from(request, 'latin1'), Buffer.from(reply, 'latin1'), isCut)
  t.equal(of(''), undefined)
  t.equal(of('*1\r\n$4\r\nPING\r\n'), 'resp')
  t.equal(of('', '$3\r\nabc\r\n'), 'resp')
  t.equal(of('', '+OK POP3 ready\r\n'), 'lines')
  t.equal(of('CK\r\n*1\r\n$4\r\nPING\r\n', '', true), 'resp')
  t.equal(of('GET / HTTP/1.1\r\n'), 'http')
  t.equal(of('GET /'), 'http')
  t.equal(of('', 'HTTP/1.0 200 OK\r\n'), 'http')
  t.equal(of('HELO x\r\n', '220 ready\r\n'), 'lines')
  t.equal(of('HELO x\r\n', '\xff\xfe\x00'), 'binary')
  t.equal(of('\x16\x03\x01\x02\x00\x01'), 'binary')
  t.equal(of(`${'é'.repeat(511)}aé`), 'binary', 'latin1 is not UTF-8')
  t.equal(
    protocolOf(utf8('a'.concat('é'.repeat(600))), new Uint8Array()),
    'lines',
    'a character at the end of the sample',
  )
})

t.test('commands as they would be typed', async t => {
  const command = (...words: string[]) =>
    utf8(`*${words.length}\r\n${words.map(each => `$${utf8(each).length}\r\n${each}\r\n`).join('')}`)
  t.equal(resp.command(command('SET', 'a b', '{"x":1}', ''), 0), `SET "a b" '{"x":1}' ""`)
  t.equal(resp.command(command('SET', `'"`, 'a\r\n\u202e'), 0), `SET "'\\"" "a\\n\\u{202e}"`)
  t.match(resp.command(command('SET', 'x'.repeat(600)), 0), /^SET x{512}… \(600 bytes\)$/)
  t.match(resp.command(command(...Array.from({ length: 120 }, () => 'x')), 0), /… 20 more$/)
  t.equal(resp.command(utf8(':1\r\n'), 0), undefined)
  t.equal(resp.command(utf8('*1\r\n:1\r\n'), 0), undefined)
  t.equal(resp.commandLabel(command('PING'), 0), 'PING 1 arg')
  t.equal(resp.commandLabel(command('SET', 'a', 'b'), 0), 'SET 3 args')
})

t.test('values as redis-cli shows them', async t => {
  for (const [given, value, label] of [
    ['+OK\r\n', 'OK', 'OK'],
    ['-ERR no\r\n', '(error) ERR no', '(error) ERR no'],
    [':12\r\n', '(integer) 12', '(integer) 12'],
    [':-1\r\n', '(integer) -1', '-1'],
    ['$-1\r\n', '(nil)', 'nil'],
    ['_\r\n', '(nil)', 'nil'],
    ['*-1\r\n', '(nil)', 'nil'],
    ['$5\r\na"b\xc3\xa9\r\n', `'a"bé'`, 'string of 5'],
    ['=7\r\ntxt:abc\r\n', '(txt) "abc"', 'string of 7'],
    ['!5\r\nERR x\r\n', '(error) ERR x', 'error of 5'],
    ['#t\r\n', '(true)', '(true)'],
    ['#f\r\n', '(false)', '(false)'],
    [',1.5\r\n', '(double) 1.5', '(double) 1.5'],
    ['(99\r\n', '(big number) 99', '(big number) 99'],
    ['*0\r\n', '(empty array)', 'array of 0'],
    ['*2\r\n*2\r\n:1\r\n:2\r\n+x\r\n', '1) 1) (integer) 1\n   2) (integer) 2\n2) x', 'array of 2'],
    ['~1\r\n+x\r\n', '- x', 'set of 1'],
    ['>1\r\n+x\r\n', '> x', 'push of 1'],
    ['%1\r\n+a\r\n:1\r\n', '1) a\n   => (integer) 1', 'map of 1'],
    ['|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n', '@ ttl\n  => (integer) 3\n"x"', 'attribute of 1'],
  ] as const) {
    const bytes = Buffer.from(given, 'latin1')
    t.equal(resp.value(bytes, 0), value)
    t.equal(resp.valueLabel(bytes, 0), label)
  }
  t.match(resp.value(utf8(`*300\r\n${':1\r\n'.repeat(300)}`), 0), /\n {0,2}… 200 more$/)
})

t.test('HTTP: many small messages take as long as a large one', async t => {
  const bytes = Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(100_000))
  const reader = new Reader('http', 0)
  const start = performance.now()
  reader.read(bytes, 0)
  t.equal(reader.messages.length, 100_000)
  t.ok(performance.now() - start < 15_000)
})

t.test('HTTP: an empty line ends the head, whatever ends the other lines', async t => {
  always(t, 'http', 'GET / HTTP/1.1\nA: b\r\n\nGET / HTTP/1.1\r\nA: \rb\n\r\n', ['http 0-22', 'http 22-46'])
})
