import { PassThrough } from 'node:stream'
import t from 'tap'
import type { LogRecord } from '../../../cli/log-words.js'
import { relayLines } from '../../../cli/workers/lines.js'

function relayed() {
  const output = new PassThrough()
  const records: LogRecord[] = []
  const texts: string[] = []
  relayLines(
    output,
    2,
    record => records.push(record),
    text => texts.push(text),
  )
  return { output, records, texts }
}

t.test('a line of the log gets the number of its worker, wherever it was cut', async t => {
  const { output, records, texts } = relayed()
  const line = `${JSON.stringify({ level: 30, time: 'now', msg: 'é' })}\n`
  const bytes = Buffer.from(line + line)
  for (const byte of bytes) output.write(Buffer.of(byte))
  output.end(line.slice(0, -1))
  await new Promise(resolve => output.once('end', resolve))
  t.same(records, Array(3).fill({ level: 30, time: 'now', worker: 2, msg: 'é' }))
  t.same(Object.keys(records[0] as object), ['level', 'time', 'worker', 'msg'])
  t.same(texts, [])
})

t.test('other lines come as they are, whole', async t => {
  const { output, records, texts } = relayed()
  output.write('a report\n  of two')
  await new Promise(setImmediate)
  t.same(texts, ['a report\n'])
  output.write(' lines\n{"level":30,half\n\nrest')
  output.end()
  await new Promise(resolve => output.once('end', resolve))
  t.same(texts, ['a report\n', '  of two lines\n', '{"level":30,half\n', '\n', 'rest\n'])
  t.same(records, [])
})

t.test('a line without an end does not fill the memory', async t => {
  const { output, texts } = relayed()
  const part = 'x'.repeat(700_000)
  output.write(part)
  output.end(part)
  await new Promise(resolve => output.once('end', resolve))
  t.equal(texts.join('').length, 1_400_000)
})
