import { PassThrough } from 'node:stream'
import t from 'tap'
import type { ConnectionInfo } from '../../../lib/stages/context.js'
import { describePipeline } from '../../../lib/stages/describe.js'
import { eachJson, eachLine, type Stage } from '../../../lib/stages/stage.js'

const info: ConnectionInfo = { id: 'a', number: 1, remote: '127.0.0.1', port: 1, direction: 'forward' }

function stepsOf(...stages: Stage[]): string[][] {
  return describePipeline(() => stages, info).streams.map(({ steps }) =>
    steps.map(({ kind, name, unit }) => [kind, name, unit].filter(Boolean).join(' ')),
  )
}

const line = eachLine(function line(text) {
  return text
})
const json = eachJson(function json(value) {
  return value
})

t.test('the streams are those of a connection: fused functions with their codecs, and others', async t => {
  t.same(stepsOf(), [])
  t.same(stepsOf(line), [['decode line', 'stage line line', 'encode line']])
  t.same(stepsOf(line, line), [['decode line', 'stage line line', 'recode line', 'stage line line', 'encode line']])
  t.same(stepsOf(line, json), [
    ['decode line', 'stage line line', 'encode line', 'decode json', 'stage json json', 'encode json'],
  ])
  t.same(
    stepsOf(function own(chunk: unknown) {
      return chunk
    }),
    [['stage own bytes']],
  )
  t.same(stepsOf(line, new PassThrough(), json), [
    ['decode line', 'stage line line', 'encode line'],
    ['stage PassThrough'],
    ['decode json', 'stage json json', 'encode json'],
  ])
})

t.test('it says what is buffered, what a record may be, and whether lines come out', async t => {
  t.same(describePipeline(undefined, info), { streams: [], makesLines: false, maxRecord: undefined })
  const { streams, makesLines, maxRecord } = describePipeline(() => [line], info, 99)
  t.same([streams[0]?.buffers, makesLines, maxRecord], [{ input: 65536, output: 65536 }, true, 99])
  t.equal(describePipeline(() => [line], info).maxRecord, 2 ** 20)
})

t.test('it gets the connection, begins nothing and leaves no stream', async t => {
  const stream = new PassThrough()
  let begun = 0
  const own = { write: () => begun++, flush: () => begun++ }
  describePipeline(given => {
    t.equal(given, info)
    return [own, stream]
  }, info)
  t.ok(stream.destroyed)
  await new Promise(resolve => setImmediate(resolve))
  t.equal(begun, 0)
})
