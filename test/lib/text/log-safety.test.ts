import { pino } from 'pino'
import t from 'tap'
import { logMethod } from '../../../lib/text/log-safety.js'

t.test('logMethod: an object that would replace a field is put under one key, whole (C-12)', async t => {
  const lines: Record<string, unknown>[] = []
  const write = (line: string) => void lines.push(JSON.parse(line))
  const log = pino({ base: null, hooks: { logMethod } }, { write }).child({ connection: 'c1' })
  const error = new Error('as ever')
  log.info({ level: 60 }, 'one')
  log.info({ connection: 'c2', path: '/' }, 'two')
  log.info({ path: '/' }, 'three')
  log.info(error, 'four')
  log.info('five %d', 5)
  log.info(null, 'six')
  t.match(lines, [
    { level: 30, connection: 'c1', fields: { level: 60 }, msg: 'one' },
    { connection: 'c1', fields: { connection: 'c2', path: '/' }, msg: 'two' },
    { connection: 'c1', path: '/', msg: 'three' },
    { err: { message: 'as ever' }, msg: 'four' },
    { msg: 'five 5' },
    { msg: 'six' },
  ])
  t.notOk('fields' in (lines[2] as object))
})
