import fs, { readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Logger, type LogOptions, openLog } from '../../cli/log.js'
import type { Stage } from '../../lib/stages/stage.js'
import { errorMessage } from '../../lib/text/errors.js'
import { dump } from '../../transforms/dump.js'
import { escape as escapeControls } from '../../transforms/escape.js'
import { hex } from '../../transforms/hex.js'
import { logger } from '../../transforms/logger.js'
import { memoryLog } from '../laws/support.js'
import { run } from '../lib/pipes.js'

process.setMaxListeners(0) // each log has something to do at the exit

/** What a peer may send: a title, a cleared screen, C1, backspaces, another direction, hidden text, and a line of a log. */
const nasty =
  '\x1b]0;title\x07\x1b[2J\u009b31m\x9d\b\b\r\u202e\u2066\u2028\u200b\ufeff\u{e0041}\ud800\n{"level":60,"msg":"fake"}\n'

/** Nothing of that may come to a terminal as it is, but for what ends each line. */
const raw = /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u

/** What a stage can log of its peer: the text anywhere, and objects that it has chosen. */
const attacks: [string, (log: Logger) => void][] = [
  ['a value', log => log.info({ preview: nasty }, 'chunk')],
  ['a message', log => log.info(nasty)],
  ['an error', log => log.info({ error: errorMessage(new Error(nasty)) }, 'failed')],
  ['an Error', log => log.info(new Error(nasty), 'failed')],
  ['a value within a value', log => log.info({ sink: { file: [nasty] } }, 'closed')],
  ['a key', log => log.info({ [nasty]: 1 }, 'chunk')],
  ['a key within a value', log => log.info({ value: { [nasty]: nasty } }, 'chunk')],
  ['a child', log => log.child({ [nasty]: nasty }).info('chunk')],
  ['the keys of a line', log => log.info({ level: 60, time: 0, msg: 'fake' }, 'chunk')],
  ['no message but its own', log => log.info({ level: 60, msg: 'fake' })],
  ['the keys of a connection', log => log.info({ connection: 'c2', remote: '192.0.2.1:1', level: 60 }, 'chunk')],
  ['what JSON.parse makes', log => log.info(JSON.parse('{"__proto__":{"level":60},"level":60,"toJSON":1}'), 'chunk')],
]

for (const [title, attack] of attacks) {
  const logged = (t: Test, logFormat: 'text' | 'json') =>
    written(t, { logFormat }, log => attack(log.child({ connection: 'c1', remote: '10.0.0.1:1' })))

  t.test(`json, ${title}: one plain line, its keys are ours (C-11, C-12)`, async t => {
    const [line = '', ...more] = logged(t, 'json')
    t.same(more, [])
    t.match(line, /^\{.*\}\n$/)
    t.notMatch(line, raw)
    const record = JSON.parse(line)
    t.match(record, { level: 30, connection: 'c1', remote: '10.0.0.1:1' })
    t.match(record.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    t.ok(Math.abs(Date.now() - Date.parse(record.time)) < 60_000, 'the time')
    t.not(record.msg, 'fake')
  })

  t.test(`text, ${title}: one plain line, its fields are ours (C-11, C-12)`, async t => {
    const [line = '', ...more] = logged(t, 'text')
    t.same(more, [])
    t.match(line, /^\d\d:\d\d:\d\d [●*] 10\.0\.0\.1:1 .*\n$/)
    t.notMatch(line, raw)
    t.notMatch(line, /✗| (level|connection|remote|msg)=/)
  })
}

t.test('json: what was logged is what is read (C-11)', async t => {
  const [line] = written(t, { logFormat: 'json' }, log => log.info({ preview: nasty, [nasty]: 1 }, nasty))
  t.match(JSON.parse(line as string), { preview: nasty, [nasty]: 1, msg: nasty })
})

t.test('an object with keys of the line is put under one key, whole (C-12)', async t => {
  const fields = { level: 60, msg: 'fake', path: '/' }
  const [line] = written(t, { logFormat: 'json' }, log => log.info(fields, 'request'))
  t.match(JSON.parse(line as string), { level: 30, fields, msg: 'request' })
})

t.test('the other views of what a peer sends are plain, too (C-11)', async t => {
  const { log, lines } = memoryLog()
  const shown = async (stage: Stage) => (await run([stage], Buffer.from(nasty), { log })).text
  await shown(logger({ preview: 1000 }))
  t.notMatch(lines[0]?.preview, /[^\P{C}]|[\p{Zl}\p{Zp}]/u)
  t.notMatch(await shown(escapeControls()), raw)
  t.notMatch(await shown(hex()), raw)
  t.notMatch(errorMessage(new Error(nasty)), /[^\P{C}]/u)
  t.notMatch(errorMessage(nasty), /[^\P{C}]/u)
  t.notMatch(errorMessage(new AggregateError([new Error(nasty)])), /[^\P{C}]/u)

  const file = join(t.testdir({}), 'dump')
  const connection = { id: 'c1', number: 1, remote: nasty, port: undefined, direction: 'forward' } as const
  await run([dump({ file })], Buffer.from(nasty), { connection })
  t.notMatch(readFileSync(file, 'utf8'), raw)
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

t.test('after mute nothing is written', async t => {
  const lines = written(t, { logFormat: 'text' }, (log, mute) => {
    log.info('one')
    mute()
    log.error('two')
  })
  t.equal(lines.length, 1)
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
  t: Test,
  options: LogOptions,
  work: (log: ReturnType<typeof openLog>['log'], mute: () => void) => void,
): string[] {
  const { writeSync } = fs
  const lines: string[] = []
  const restore = () => {
    fs.writeSync = writeSync
    syncBuiltinESMExports()
  }
  t.teardown(restore)
  const capture = (descriptor: number, bytes: Buffer) => {
    t.equal(descriptor, 2)
    lines.push(String(bytes))
    return bytes.length
  }
  fs.writeSync = capture as typeof writeSync
  syncBuiltinESMExports()
  const { log, mute } = openLog(options)
  work(log, mute)
  restore()
  return lines
}

t.test('the observer: a line for people at once, for programs only with -v', async t => {
  const connection = { id: 'c1', number: 1, remote: '::1', port: 7, stats: () => ({}) as never }
  const shown = (options: LogOptions) => {
    const lines: string[] = []
    const { writeSync } = fs
    fs.writeSync = ((_fd: number, bytes: Buffer) => lines.push(String(bytes)) && bytes.length) as typeof writeSync
    syncBuiltinESMExports()
    openLog(options).observer.opened?.(connection)
    fs.writeSync = writeSync
    syncBuiltinESMExports()
    return lines
  }
  t.match(shown({ logFormat: 'text' }), [/^\d\d:\d\d:\d\d . \[::1\]:7 connected\n$/])
  t.same(shown({ logFormat: 'text', quiet: true }), [])
  t.same(shown({ logFormat: 'json' }), [])
  const [line = ''] = shown({ logFormat: 'json', verbose: true })
  t.match(JSON.parse(line), { level: 20, connection: 'c1', remote: '[::1]:7', msg: 'connection opened' })
})
