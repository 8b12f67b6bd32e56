import t from 'tap'
import { logger } from '../../transforms/logger.js'
import { connection, memoryLog } from '../laws/support.js'
import { run } from '../lib/pipes.js'

async function logged(options: Parameters<typeof logger>[0], chunks: (string | Buffer)[]) {
  const { log, lines } = memoryLog()
  const { chunks: passed } = await run([logger(options)], chunks, { log })
  const input = chunks.map(chunk => Buffer.from(chunk as string))
  t.same(Buffer.concat(passed), Buffer.concat(input), 'the bytes are unchanged')
  return lines
}

async function preview(input: string | Buffer, length?: number): Promise<unknown> {
  const [line] = await logged({ preview: length }, [input])
  return line?.preview
}

t.test('one line for each chunk', async t => {
  t.same(await logged({}, ['Hello', ' world\n']), [
    { level: 30, offset: 0, size: 5, preview: 'Hello', msg: 'chunk' },
    { level: 30, offset: 5, size: 7, preview: ' world\\n', msg: 'chunk' },
  ])
  t.same(await logged({}, []), [])
})

t.test('the level', async t => {
  for (const [level, number] of [
    ['trace', 10],
    ['debug', 20],
    ['info', 30],
    ['warn', 40],
  ] as const)
    t.match(await logged({ level }, ['x']), [{ level: number }], level)
  t.throws(() => logger({ level: 'loud' as never }), { code: 'ERR_OPTION', message: /trace, debug, info or warn/ })
})

t.test('a level that the log leaves out', async t => {
  const { log, lines } = memoryLog()
  log.level = 'info'
  await run([logger({ level: 'debug' })], 'x', { log })
  t.same(lines, [])
})

t.test('the direction, inside a connection', async t => {
  const { log, lines } = memoryLog()
  await run([logger()], 'x', { log, connection })
  t.match(lines, [{ direction: 'reply' }])
})

t.test('the preview (C-11)', async t => {
  for (const [title, input, length, expected] of [
    ['64 bytes', 'x'.repeat(100), undefined, 'x'.repeat(64)],
    ['as many as are asked for', 'abcdef', 3, 'abc'],
    ['more than there are', 'abc', 100, 'abc'],
    ['none', 'abc', 0, undefined],
    ['a character at its end', 'aé', 3, 'aé'],
    ['no part of a character, of 2 bytes', 'aé', 2, 'a'],
    ['no part of a character, of 4 bytes', 'a😀', 4, 'a'],
    ['no room for the first character', '😀', 1, ''],
    ['bytes that are no UTF-8', Buffer.from('61ffc3280080c3a9', 'hex'), 64, 'a\\xff\\xc3(\\x00\\x80é'],
    ['a character that the chunk cuts', Buffer.from('61f09f98', 'hex'), 64, 'a\\xf0\\x9f\\x98'],
    ['surrogates and overlong forms', Buffer.from('eda080c080', 'hex'), 64, '\\xed\\xa0\\x80\\xc0\\x80'],
    ['what would forge a line', 'x\r\n{"level":60}\x1b[2J\x07', 64, 'x\\r\\n{"level":60}\\e[2J\\x07'],
    ['C1 and bidi', '\u009b\u202e', 64, '\\x9b\\u202e'],
    ['U+FFFD itself', '\ufffd', 64, '\ufffd'],
  ] as const) {
    t.equal(await preview(input, length), expected, title)
  }
})
