import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { PassThrough } from 'node:stream'
import { pino } from 'pino'
import t from 'tap'
import { openContext } from '../../../lib/stages/context.js'
import { memoryLog } from '../../laws/support.js'

t.test('log and connection are the ones given', async t => {
  const log = pino(new PassThrough())
  const connection = { id: '1', number: 1, remote: '::1', port: 2, direction: 'forward' } as const
  const { context } = openContext({ log, connection })
  t.equal(context.log, log)
  t.equal(context.connection, connection)
})

t.test('outside a connection the log is one that writes to stderr at once', async t => {
  const { context } = openContext()
  t.equal(context.connection, undefined)
  t.match(context.log.bindings(), { name: 'tcp-pipe' })
  const { writeSync } = fs
  const written: unknown[][] = []
  fs.writeSync = ((fd: number, bytes: Buffer) => {
    written.push([fd, String(bytes)])
    return bytes.length
  }) as typeof fs.writeSync
  syncBuiltinESMExports()
  context.log.info({ level: 60, text: '\u009b31m\u202e' }, 'told')
  fs.writeSync = writeSync
  syncBuiltinESMExports()
  t.equal(written.length, 1)
  t.match(written, [[2, /"fields":\{"level":60,"text":"\\u009b31m\\u202e"\},"msg":"told"\}\n$/]])
  t.equal(openContext().context.log, context.log, 'and all contexts share it')
})

t.test('in a connection without a log it is silent', async t => {
  const connection = { id: '1', number: 1, remote: '::1', port: 2, direction: 'forward' } as const
  const { log } = openContext({ connection }).context
  t.notOk(log.isLevelEnabled('fatal'))
  t.equal(openContext({ connection }).context.log, log, 'and all contexts share it')
})

t.test('the signal is aborted when the context is closed', async t => {
  const { context, close } = openContext()
  const { signal } = context
  t.notOk(signal.aborted)
  t.equal(context.signal, signal, 'one signal')
  close()
  t.ok(signal.aborted)
  close()
})

t.test('a signal that is first asked for after the end is aborted', async t => {
  const { context, close } = openContext()
  close()
  t.ok(context.signal.aborted)
})

t.test('replaced is aborted when other stages are to take the place', async t => {
  const { context, replace } = openContext()
  t.notOk(context.replaced.aborted)
  replace()
  t.ok(context.replaced.aborted)
  t.notOk(context.signal.aborted, 'what it holds back is still to go on')
})

t.test('a warning goes to the connection, or else into the log', async t => {
  const warnings: string[] = []
  openContext({ warn: message => warnings.push(message) }).context.warn('never fired')
  t.same(warnings, ['never fired'])
  const { log, lines } = memoryLog()
  openContext({ log }).context.warn('never fired')
  t.same(lines, [{ level: 40, msg: 'never fired' }])
})

t.test('a fault goes to the connection, or else into the log', async t => {
  const fault = { fault: 'cut', offset: 7, direction: undefined }
  const faults: unknown[] = []
  openContext({ noteFault: each => faults.push(each) }).context.noteFault(fault)
  t.same(faults, [fault])
  const { log, lines } = memoryLog()
  openContext({ log }).context.noteFault(fault)
  t.match(lines, [{ level: 20, msg: 'fault', fault: 'cut', offset: 7 }])
})

t.test('many stages may listen to a signal', async t => {
  const { context } = openContext()
  const warned = (warning: Error) => t.fail(warning.message)
  process.on('warning', warned)
  for (let i = 0; i < 20; i++) context.replaced.addEventListener('abort', () => {})
  await new Promise(resolve => setImmediate(resolve))
  process.off('warning', warned)
})
