import t from 'tap'
import type { Context } from '../../lib/stages/context.js'
import { prefix } from '../../transforms/prefix.js'
import { spec } from '../../transforms/spec.js'
import { connection } from '../laws/support.js'
import { cutEvery, textOf } from '../lib/pipes.js'

const context: Partial<Context> = { connection }

t.test('what stands before each line', async t => {
  for (const [text, input, expected] of [
    ['> ', 'a\n\nb', '> a\n> \n> b'],
    ['{number}: ', 'a\nb\n', '1: a\n2: b\n'],
    ['{number}{number} ', 'a\nb', '11 a\n22 b'],
    ['{id} {remote} {port} ', 'a\n', 'c1 ::1 4711 a\n'],
    ['{other}{', 'a\n', '{other}{a\n'],
    ['x', '', ''],
  ] as const) {
    t.equal(await textOf([prefix({ text }, context)], input), expected, text)
    t.equal(await textOf([prefix({ text }, context)], cutEvery(1, Buffer.from(input))), expected)
  }
})

t.test('the time is that of the line', async t => {
  const before = Date.now()
  const [time, line] = (await textOf([prefix({ text: '{time} ' })], 'a')).split(' ') as [string, string]
  t.equal(line, 'a')
  t.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  t.ok(Date.parse(time) >= before && Date.parse(time) <= Date.now())
})

t.test('outside a connection', async t => {
  t.equal(await textOf([prefix({ text: '{id} {remote} {port}|' })], 'a'), 'none none none|a')
  t.equal(
    await textOf([prefix({ text: '{port}|' }, { connection: { ...connection, port: undefined } })], 'a'),
    'none|a',
  )
})

t.test('the name of a peer cannot forge a line (C-12)', async t => {
  const remote = 'x\n\u202e'
  t.equal(
    await textOf([prefix({ text: '{remote} ' }, { connection: { ...connection, remote } })], 'a'),
    'x\\n\\u202e a',
  )
})

t.test('as text', async t => {
  t.equal(
    await textOf(spec("grep b | prefix '{number} '")(), 'a\nb\nb\n'),
    '1 b\n2 b\n',
    'lines are those that come in',
  )
})
