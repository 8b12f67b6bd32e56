import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import t from 'tap'
import { formatRecord, type LogOptions, openLog } from '../../cli/log.js'

t.test('formatRecord: time, level, message, fields, on one line', async t => {
  for (const [record, line] of [
    [{ level: 30, msg: 'listening', port: 1 }, 'info  listening port=1'],
    [{ level: 50, msg: 'failed', error: 'a b' }, 'error failed error="a b"'],
    [{ level: 30, msg: 'chunk', preview: 'x closedBy=peer' }, 'info  chunk preview="x closedBy=peer"'],
    [{ level: 40, msg: 'x', sink: { file: 'a', bytes: 1 } }, 'warn  x sink={"file":"a","bytes":1}'],
    [{ level: 35, msg: 'x' }, '35    x'],
    [{ level: 30, msg: 'two\nlines\x1b[2J\u202e\u009b' }, 'info  two\\nlines\\e[2J\\u202e\\x9b'],
  ] as const) {
    const text = formatRecord({ time: 0, ...record })
    t.equal(text.slice(9), `${line}\n`)
    t.match(text, /^\d\d:\d\d:\d\d /)
  }
})

t.test('json: one line for each event, what a peer sent cannot forge one', async t => {
  const [line, ...more] = written(t, { logFormat: 'json' }, log =>
    log.info({ error: '\n{"level":60,"msg":"fake"}\x1b\u009b\u202e\u2028' }, 'told'),
  )
  t.same(more, [])
  t.match(line, /^\{.*\}\n$/)
  for (const control of ['\x1b', '\u009b', '\u202e', '\u2028']) t.notOk(line?.includes(control))
  t.match(JSON.parse(line as string), {
    level: 30,
    msg: 'told',
    error: '\n{"level":60,"msg":"fake"}\x1b\u009b\u202e\u2028',
  })
})

t.test('which levels are written', async t => {
  for (const [options, expected] of [
    [{}, [30, 50]],
    [{ quiet: true }, [50]],
    [{ verbose: true }, [20, 30, 50]],
    [{ logLevel: 'silent' }, []],
    [{ logLevel: 'info', quiet: true }, [30, 50]],
  ] as [LogOptions, number[]][]) {
    const lines = written(t, { ...options, logFormat: 'json' }, log => {
      log.debug('a')
      log.info('b')
      log.error('c')
    })
    t.same(
      lines.map(line => JSON.parse(line).level),
      expected,
      JSON.stringify(options),
    )
  }
})

t.test('after mute nothing is written; before each line the caller is told', async t => {
  let told = 0
  const lines = written(
    t,
    { logFormat: 'text' },
    (log, mute) => {
      log.info('one')
      mute()
      log.error('two')
    },
    () => told++,
  )
  t.equal(lines.length, 1)
  t.equal(told, 1)
})

t.test('a stderr that is gone is no failure', async t => {
  const { writeSync } = fs
  fs.writeSync = () => {
    throw new Error('EPIPE')
  }
  syncBuiltinESMExports()
  t.doesNotThrow(() => openLog({ logFormat: 'json' }).log.info('x'))
  fs.writeSync = writeSync
  syncBuiltinESMExports()
})

/** What is written to stderr while `work` logs. */
function written(
  t: import('tap').Test,
  options: LogOptions,
  work: (log: ReturnType<typeof openLog>['log'], mute: () => void) => void,
  before?: () => void,
): string[] {
  const { writeSync } = fs
  const lines: string[] = []
  const restore = () => {
    fs.writeSync = writeSync
    syncBuiltinESMExports()
  }
  t.teardown(restore)
  const capture = (descriptor: number, text: string) => {
    t.equal(descriptor, 2)
    return lines.push(text)
  }
  fs.writeSync = capture as typeof writeSync
  syncBuiltinESMExports()
  const { log, mute } = openLog(options, before)
  work(log, mute)
  restore()
  return lines
}
