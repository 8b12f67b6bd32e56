import t from 'tap'
import fc from '../fast-check.js'
import { page, utf8 } from './support.js'

const { Conversation, exchangesOf } = await page('turns')
const { labelOf, protocolIn } = await page('labels')
const { shown, noLimit } = await page('views')
const { exported } = await page('export')
const { needleOf, search } = await page('search')
const { ShownTurns } = await page('shown-turns')

type Way = 'in' | 'out'
type Entry = { way?: Way; text?: string | Uint8Array; mark?: string; offset?: number }

/** The answers of the API for entries. */
function answers(entries: readonly Entry[], start = { in: 0, out: 0 }): object {
  const offset = { ...start }
  const list = entries.map(({ way, text = '', mark, offset: at }, i) => {
    const common = { sequence: i + 1, time: 1000 + i * 10 }
    if (mark) return { ...common, mark, text, way, offset: at }
    const data = Buffer.from(typeof text === 'string' ? utf8(text) : text)
    const entry = { ...common, way, offset: offset[way as Way], data: data.toString('base64') }
    offset[way as Way] += data.length
    return entry
  })
  return { dropped: { ...start, marks: 0 }, next: entries.length, entries: list }
}

// biome-ignore lint/suspicious/noExplicitAny: the types of the page are checked by tsconfig.page.json
function conversationOf(entries: readonly Entry[], start?: { in: number; out: number }, limits?: object): any {
  const conversation = new Conversation('in', limits)
  conversation.add(answers(entries, start))
  return conversation
}

const request = '*2\r\n$3\r\nGET\r\n$1\r\na\r\n'

// biome-ignore lint/suspicious/noExplicitAny: see above
function all(conversation: any, view = 'messages'): string {
  return exported(conversation, conversation.items, view, protocolIn(conversation))
}

t.test('chunks become turns, and times are known', async t => {
  const { items } = conversationOf([
    { mark: 'opened', text: 'connected' },
    { way: 'in', text: 'ab' },
    { way: 'in', text: 'c\n' },
    { way: 'out', text: 'x' },
    { way: 'out', text: 'y\n' },
    { way: 'in', text: 'd\n' },
    { mark: 'closed', text: 'peer' },
  ])
  t.match(items, [
    { kind: 'mark', mark: { mark: 'opened' } },
    { kind: 'turn', way: 'in', start: 0, end: 4, time: 1010, lastTime: 1020, wait: undefined, missing: 0 },
    { way: 'out', start: 0, end: 3, time: 1030, wait: 10 },
    { way: 'in', start: 4, end: 6, wait: undefined },
    { mark: { mark: 'closed' } },
  ])
  t.match(exchangesOf(items, 'in'), [
    { mark: {} },
    { request: { id: 2 }, reply: { id: 3 } },
    { request: { id: 4 }, reply: undefined },
    { mark: {} },
  ])
  t.match(exchangesOf(items, 'out')[2], { request: { id: 3 }, reply: { id: 4 } })
})

t.test('however the bytes of a turn are cut, the same is shown', async t => {
  const talk: [Way, Buffer][] = [
    ['in', Buffer.from(request + request)],
    ['out', Buffer.from('$3\r\n\xff\x00é\r\n$-1\r\n', 'latin1')],
    ['in', Buffer.from('*1\r\n$4\r\nPING\r\n')],
    ['out', Buffer.from('+PONG\r\n')],
  ]
  const withoutTimes = (text: string) =>
    text.replace(/\d\d:\d\d:\d\d\.\d{3}|, after [\d.]+ ms|"(time|wait)":[^,]*,/g, '')
  const views = ['messages', 'text', 'hex', 'json']
  const shownAll = (entries: Entry[]) => views.map(view => withoutTimes(all(conversationOf(entries), view)))
  const expected = shownAll(talk.map(([way, text]) => ({ way, text })))
  t.match(expected[0], '>>  40 bytes, RESP GET 2 args and 1 more\nGET a\nGET a\n')
  t.match(expected[0], '"\\xff\\x00\\xe9"\n(nil)\n')
  fc.assert(
    fc.property(fc.array(fc.nat(40), { minLength: 4, maxLength: 4 }), places => {
      const entries = talk.flatMap(([way, text], i) => {
        const at = (places[i] as number) % text.length
        return [text.subarray(0, at), text.subarray(at)]
          .filter(part => part.length > 0)
          .map(part => ({ way, text: part }))
      })
      const found = shownAll(entries)
      for (const [i, each] of found.entries()) if (each !== expected[i]) t.equal(each, expected[i])
      return true
    }),
  )
})

t.test('an answer that comes twice changes nothing', async t => {
  const conversation = new Conversation('in')
  const answer = answers([{ way: 'in', text: 'a' }])
  t.same([...conversation.add(answer)], [1])
  t.same([...conversation.add(answer)], [])
  t.equal(conversation.items[0].end, 1)
  t.equal(conversation.next, 1)
})

t.test('marks stand at their byte, or where they were made', async t => {
  const conversation = conversationOf([
    { way: 'out', text: 'abcdef' },
    { mark: 'fault', text: 'corrupt', way: 'out', offset: 2 },
    { mark: 'held', text: 'at x', way: 'in', offset: 0 },
    { way: 'out', text: 'gh' },
  ])
  const { blocks } = shown(conversation, conversation.items[0], 'text', 'lines', noLimit)
  t.match(blocks, [
    { text: 'ab' },
    { mark: { mark: 'fault' } },
    { text: 'cdef' },
    { mark: { mark: 'held' } },
    { text: 'gh' },
  ])
  t.match(all(conversation, 'hex'), /61 62 .*\n-- .* fault fired: corrupt\n00000002 {2}63/)
  t.match(
    all(conversation, 'json'),
    '"marks":[{"at":2,"mark":"fault","text":"corrupt"},{"at":6,"mark":"held","text":"at x"}]',
  )
  t.match(all(conversation, 'messages'), 'fault fired: corrupt')
})

t.test('what was dropped is said at its place, also in the middle', async t => {
  const conversation = conversationOf([{ way: 'in', text: 'a' }], { in: 100, out: 7 })
  conversation.add({
    dropped: { in: 150, out: 7, marks: 0 },
    next: 9,
    entries: [
      { sequence: 5, time: 1, way: 'in', offset: 150, data: 'Yg==' },
      { sequence: 6, time: 2, way: 'out', offset: 7, data: 'Yw==' },
    ],
  })
  t.match(conversation.items, [
    { way: 'in', start: 100, missing: 100 },
    { way: 'in', start: 150, missing: 49 },
    { way: 'out', start: 7, missing: 7 },
  ])
  t.match(all(conversation), '-- 49 bytes before are not kept')
  t.equal(conversation.next, 9)
})

t.test('memory is bounded by bytes and by turns', async t => {
  const limits = { bytes: 1000, items: 10 }
  const conversation = new Conversation('in', limits)
  let model = ''
  for (let i = 0; i < 200; i++) {
    const text = `${i} ${'x'.repeat(i)}\n`
    model += text
    const way = i % 3 === 0 ? 'out' : 'in'
    const offset = conversation.turns.filter((turn: { way: Way }) => turn.way === way).at(-1)?.end ?? 0
    conversation.add({
      dropped: { in: 0, out: 0, marks: 0 },
      next: i + 1,
      entries: [{ sequence: i + 1, time: i, way, offset, data: Buffer.from(text).toString('base64') }],
    })
    const sizes = conversation.turns.map(({ start, end }: { start: number; end: number }) => end - start)
    t.ok(sizes.reduce((sum: number, size: number) => sum + size, 0) <= 1000 && conversation.items.length <= 10)
    all(conversation)
  }
  t.equal(conversation.forgotten + 1000 >= model.length, true)
  const last = conversation.turns.at(-1)
  t.match(Buffer.from(last.stretch.bytes(last.start, last.end)).toString(), '199 xxx')
})

t.test('one turn that is larger than the memory', async t => {
  const conversation = conversationOf([{ way: 'in', text: 'x'.repeat(1500) }], undefined, { bytes: 1000, items: 10 })
  t.match(conversation.items[0], { start: 500, end: 1500, missing: 500 })
  t.equal(shown(conversation, conversation.items[0], 'text', 'lines', noLimit).blocks[0].text.length, 1000)
})

t.test('HTTP: pipelined requests, bodies by length and chunked, a body that goes on after an answer', async t => {
  const conversation = conversationOf([
    { way: 'in', text: 'HEAD /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 10\r\n\r\nhello' },
    { way: 'out', text: 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n' },
    { way: 'in', text: 'world' },
    {
      way: 'out',
      text: 'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
    },
  ])
  const text = all(conversation)
  t.match(
    text,
    'HTTP HEAD /a and 1 more\nHEAD /a HTTP/1.1\nPOST /b HTTP/1.1\nContent-Length: 10\nbody: 10 bytes\nhelloworld\n',
  )
  t.match(text, 'HTTP 200 OK, after 10.0 ms\nHTTP/1.1 200 OK\nContent-Length: 99\n\n')
  t.match(text, 'HTTP continued\n5 bytes more of the message that began before\n')
  t.match(
    text,
    'HTTP 404 Not Found, after 10.0 ms\nHTTP/1.1 404 Not Found\nTransfer-Encoding: chunked\nbody: 5 bytes\nabcde\n',
  )
  const turn = conversation.turns[0]
  t.equal(labelOf(conversation, turn, 'http'), 'HTTP HEAD /a and 1 more')
  t.equal(labelOf(conversation, turn, 'binary'), 'binary')
  t.equal(labelOf(conversation, turn, 'resp'), 'other bytes')
  t.match(labelOf(conversation, turn, 'lines'), 'text, 6 lines')
})

t.test('what is incomplete, cut or foreign is shown, too', async t => {
  const conversation = conversationOf([
    { way: 'in', text: `${request}*2\r\n$3\r\nGE` },
    { way: 'out', text: '?what\r\n' },
  ])
  t.match(all(conversation), 'GET a\nincomplete message: 10 bytes so far\n*2\n$3\nGE\n')
  t.match(all(conversation), 'other bytes, after 10.0 ms\n?what\n')
  const tls = conversationOf([{ way: 'in', text: Uint8Array.of(22, 3, 1, 0, 5, 1, 0xff) }])
  t.match(all(tls), 'TLS\n00000000  16 03 01')
  const cut = conversationOf([{ way: 'in', text: `$1\r\nx\r\n${request}` }], { in: 50, out: 0 })
  t.match(all(cut), '"x"\nGET a')
})

t.test('hostile text stays one line, and JSON stays JSON', async t => {
  const evil = '\u202e<img src=x onerror=alert(1)>\x1b[2J\u2028'
  const conversation = conversationOf([
    { way: 'in', text: `GET /${evil.replaceAll(' ', '')} HTTP/1.1\r\n\r\n` },
    { mark: 'fault', text: evil },
  ])
  for (const view of ['messages', 'text', 'hex', 'json'])
    t.notMatch(all(conversation, view), /(?!\n)\p{Cc}|[\u202e\u2028]/u)
  const [line = ''] = all(conversation, 'json').split('\n')
  t.match(JSON.parse(line).text, '\u202e<img')
})

t.test('long turns are clipped, and more is shown on demand', async t => {
  const conversation = conversationOf([{ way: 'in', text: 'é\n'.repeat(100_000) }])
  const [turn] = conversation.turns
  for (const view of ['messages', 'text', 'hex', 'json']) {
    const { blocks, more } = shown(conversation, turn, view, 'lines')
    t.ok(more > 200_000 && JSON.stringify(blocks).length < 60_000, view)
  }
  const turns = new ShownTurns(conversation)
  turns.showMore(turn.id)
  t.equal(shown(conversation, turn, 'text', 'lines', turns.limitOf(turn.id)).more, 0)
  const binary = conversationOf([{ way: 'in', text: Buffer.alloc(100_000, 0xff) }])
  t.equal(shown(binary, binary.turns[0], 'json', 'binary').more > 90_000, true)
  const many = conversationOf([{ way: 'in', text: request.repeat(500) }])
  t.equal(shown(many, many.turns[0], 'messages', 'resp').blocks.length, 40)
})

t.test('search: text in any case, hex, and what is neither', async t => {
  const conversation = conversationOf([
    { way: 'in', text: 'aXbaxAX\r\n' },
    { way: 'out', text: 'Ax\r\n' },
  ])
  const places = (text: string) =>
    search(conversation.turns, needleOf(text)).map(({ at, turn }: never) => `${(turn as { way: Way }).way}${at}`)
  t.same(places('ax'), ['in0', 'in3', 'in5', 'out0'])
  t.same(places('hex:4178'), ['out0'])
  t.same(places('hex:0d 0a'), ['in7', 'out2'])
  t.same(places('é'), [])
  t.same(search(conversation.turns, needleOf('x'), 2).length, 2)
  t.equal(needleOf(''), undefined)
  t.equal(needleOf('hex:'), undefined)
  t.throws(() => needleOf('hex:0'), SyntaxError)
})

t.test('what is hidden or not marked is neither shown nor exported', async t => {
  const conversation = conversationOf(
    Array.from({ length: 1000 }, (_, i) => ({ way: i % 2 ? 'out' : 'in', text: `${i}\n` })),
  )
  const turns = new ShownTurns(conversation)
  t.match(turns.window(), { before: 300, after: 0, rows: { length: 200 } })
  turns.showEarlier()
  t.match(turns.window(), { before: 100, after: 0, rows: { length: 400 } })
  turns.moveTo(1)
  t.match(turns.window(), { before: 0, after: 300 })
  turns.showLater()
  t.match(turns.window(), { before: 200, after: 100 })
  turns.moveTo(601)
  t.match(turns.window(), { before: 200, after: 100 })
  turns.setFollow(true)
  t.match(turns.window(), { before: 300, after: 0 })
  turns.hidden.add(1)
  t.equal(turns.items().length, 999)
  turns.marked.add(1).add(2).add(3)
  turns.onlyMarked = true
  t.same(
    turns.items().map(({ id }: { id: number }) => id),
    [2, 3],
  )
  conversation.items.splice(0, 2)
  turns.tidy()
  t.same([[...turns.hidden], [...turns.marked]], [[], [3]])
})
