import { Duplex, PassThrough, Readable, Writable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { flushable, none } from 'stream-chain/defs.js'
import t from 'tap'
import { eachJson, eachLine, functionStage, isDuplex, isStageObject, unitOf } from '../../../lib/stages/stage.js'

t.test('what is a Duplex, what an object with write, and what is neither', async t => {
  const foreign = { pipe() {}, write() {}, read() {} }
  for (const [title, value, duplex, object] of [
    ['a Duplex', new Duplex(), true, false],
    ['zlib', createGzip(), true, false],
    ['a Duplex of another library', foreign, true, false],
    ['a Writable', new Writable(), false, false],
    ['a Readable', new Readable(), false, false],
    ['write', { write() {} }, false, true],
    ['write, flush and destroy', { write() {}, flush() {}, destroy() {} }, false, true],
    [
      'an instance',
      new (class {
        write() {}
      })(),
      false,
      true,
    ],
    ['write that is no function', { write: true }, false, false],
    ['a function', () => {}, false, false],
    ['null', null, false, false],
    ['undefined', undefined, false, false],
    ['a text', 'write', false, false],
    ['a web stream', new TransformStream(), false, false],
  ] as const) {
    t.equal(isDuplex(value), duplex, `${title}: Duplex`)
    t.equal(isStageObject(value), object, `${title}: object`)
  }
})

t.test('eachLine and eachJson give a function its unit and leave the original alone', async t => {
  const upper = (line: string) => line.toUpperCase()
  const stage = eachLine(upper)
  t.equal(unitOf(stage), 'line')
  t.equal(unitOf(eachJson(upper)), 'json')
  t.equal(unitOf(upper), undefined)
  t.equal(stage('a'), 'A')
  t.equal(stage.name, 'upper', 'the name is kept for messages')
  t.equal(unitOf(eachJson(eachLine(upper))), 'json', 'the outer one counts')
})

t.test('a flushable stays one', async t => {
  const counter = flushable(
    (line: unknown) => line,
    () => 'end',
    () => 'aborted',
  )
  const stage = functionStage(eachLine(counter as never) as never, 'counter', 'line')
  t.equal(stage.write('a'), 'a')
  t.equal(stage.flush?.(), 'end')
  t.equal(stage.abort?.(), 'aborted')
  t.equal(unitOf(eachJson(counter as never)), 'json', 'twice')
})

t.test('eachLine and eachJson refuse what is no function', async t => {
  const message = 'expected a function, not an object (PassThrough)'
  t.throws(() => eachLine(new PassThrough() as never), { code: 'ERR_STAGE', message })
  t.throws(() => eachJson({ write() {} } as never), { message: 'expected a function, not an object (Object)' })
  t.throws(() => eachLine(undefined as never), { code: 'ERR_STAGE', message: 'expected a function, not undefined' })
})

t.test('a function is a stage without an end', async t => {
  const write = (line: unknown) => line
  t.strictSame(functionStage(write, 'name', 'line'), {
    name: 'name',
    unit: 'line',
    encode: undefined,
    literal: undefined,
    copies: undefined,
    memory: undefined,
    write,
  })
})

t.test('a flushable is a stage with an end, and with abort if it has one', async t => {
  const { flush, abort } = functionStage(
    flushable(
      (record: unknown) => record,
      () => 'end',
    ) as never,
    'name',
    undefined,
  )
  t.equal(flush?.(), 'end')
  t.equal(abort, undefined)
})

t.test('the methods of an object are called on it', async t => {
  class Counter {
    count = 0
    destroyed = 0
    write(record: unknown) {
      this.count++
      return record
    }
    flush() {
      return this.count
    }
    destroy() {
      this.destroyed++
    }
  }
  const counter = new Counter()
  const { write, flush, abort } = functionStage(counter, 'counter', 'line')
  t.equal(write('a'), 'a')
  const end = flush?.() as AsyncGenerator
  t.strictSame(await end.next(), { value: 1, done: false })
  t.equal(counter.destroyed, 0, 'not before what the flush gave has been taken')
  t.match(await end.next(), { done: true })
  t.equal(counter.destroyed, 1)
  abort?.()
  t.equal(counter.destroyed, 1, 'once')
})

t.test('an object may lack flush, destroy or both', async t => {
  const write = () => none
  t.equal(functionStage({ write }, 'x', 'line').flush, undefined)
  t.equal(functionStage({ write }, 'x', 'line').abort, undefined)
  const flushed = functionStage({ write, flush: () => 'end' }, 'x', 'line')
  t.equal(flushed.flush?.(), 'end')
  t.equal(flushed.abort, undefined)
  const calls: string[] = []
  const destroyed = functionStage({ write, destroy: () => calls.push('destroy') }, 'x', 'line')
  for await (const value of (destroyed.flush as () => AsyncGenerator)()) t.equal(value, undefined)
  t.strictSame(calls, ['destroy'])
})

t.test('what a function or an object tells of its records', async t => {
  const traits = { encode: String, literal: 'x', copies: true, memory: 'passes' as const }
  t.match(
    functionStage(
      Object.assign((line: unknown) => line, traits),
      'f',
      'line',
    ),
    traits,
  )
  t.match(functionStage({ write: (line: unknown) => line, ...traits }, 'o', 'line'), traits)
  t.match(
    functionStage((line: unknown) => line, 'f', 'line'),
    { encode: undefined, literal: undefined, copies: undefined, memory: undefined },
  )
})
