import t from 'tap'
import { cuts, page, utf8 } from './support.js'

const { eventParser } = await page('events')

t.test('events are the same however the stream is cut', async t => {
  const stream = utf8(
    ': a comment\n\nevent: stats\ndata: {"name":"zażółć"}\n\ndata:two\r\ndata: lines\r\n\r\nevent: end\ndata: {}\n\nid: 3\nretry\ndata\n\nevent: none\n\ndata: unfinished\n',
  )
  for (const parts of cuts(stream)) {
    const heard: string[][] = []
    const parse = eventParser((...event: string[]) => heard.push(event))
    for (const part of parts) parse(part)
    t.same(heard, [
      ['stats', '{"name":"zażółć"}'],
      ['message', 'two\nlines'],
      ['end', '{}'],
      ['message', ''],
    ])
  }
})

t.test('a long event in small parts takes no time', async t => {
  const heard: number[] = []
  const parse = eventParser((_name: string, data: string) => heard.push(data.length))
  const part = utf8('x'.repeat(1000))
  parse(utf8('data: '))
  for (let i = 0; i < 4000; i++) parse(part)
  parse(utf8('\n\n'))
  t.same(heard, [4_000_000])
})
