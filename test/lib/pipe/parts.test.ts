import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import type { Source } from '../../../lib/endpoints/endpoint.js'
import { type PartOf, Parts, type PartsOptions } from '../../../lib/pipe/parts.js'
import fc from '../../fast-check.js'
import { collect } from '../network.js'
import { cutAt, cuts } from '../pipes.js'

const longestLine = 100

/** All parts of a source, as texts. */
async function partsOf(source: Source, options: Omit<PartsOptions, 'longestLine'>): Promise<string[]> {
  const parts = new Parts(source, { longestLine, ...options })
  const all: string[] = []
  for (let part = await parts.next(); part; part = await parts.next()) {
    t.equal(part.start, Buffer.byteLength(all.join('')))
    all.push(String(await collect(part.source)))
  }
  return all
}

const lines = (...texts: string[]) =>
  Readable.from(
    texts.map(text => Buffer.from(text)),
    { objectMode: false },
  )

/** A source that stores its records: each chunk is one. */
function storing(source: Readable): Source {
  return Object.assign(source, { acks: { kept() {}, settled: async () => {}, onFull() {} } })
}

t.test('a part ends after the line in which it is full', async t => {
  t.same(await partsOf(lines('aa\nbb\ncc\ndd\n'), { size: 4 }), ['aa\nbb\n', 'cc\ndd\n'])
  t.same(await partsOf(lines('aa\n', 'bb', 'b\nc', 'c\n'), { size: 3 }), ['aa\n', 'bbb\n', 'cc\n'])
  t.same(await partsOf(lines('all'), { size: 1000 }), ['all'])
  t.same(await partsOf(lines(), { size: 1000 }), [])
  const long = 'x'.repeat(150)
  const most = 'x'.repeat(110)
  t.same(
    await partsOf(lines(long, long, '\n'), { size: 10 }),
    [most, most, `${'x'.repeat(80)}\n`],
    'no line is waited for without end',
  )
})

t.test('one that is stopped before it is read has what is there, and is the last one', async t => {
  const source = lines('one', 'two')
  const parts = new Parts(source, { longestLine, size: 1000 })
  const part = await parts.next()
  parts.stop()
  t.equal(String(await collect((part as PartOf).source)), 'onetwo')
  t.equal(await parts.next(), undefined)
})

t.test('a warning of the source is one of the part that is read', async t => {
  const source = lines('one')
  const parts = new Parts(source, { longestLine })
  source.emit('warning', {}, 'before any part')
  const part = await parts.next()
  const warnings: unknown[] = []
  part?.source.on('warning', (...warning) => warnings.push(warning))
  source.emit('warning', { file: 'x' }, 'text')
  t.same(warnings, [[{ file: 'x' }, 'text']])
})

t.test('the parts are the source, cut after lines, however it comes', async t => {
  const texts = fc.array(fc.constantFrom('a', 'bc', '\n', 'def\n', '\n\n')).map(each => each.join(''))
  await fc.assert(
    fc.asyncProperty(texts, cuts, fc.integer({ min: 1, max: 20 }), async (text, at, size) => {
      const chunks = cutAt(at, Buffer.from(text)).filter(chunk => chunk.length > 0)
      const parts = await partsOf(Readable.from(chunks, { objectMode: false }), { size })
      t.equal(parts.join(''), text)
      for (const part of parts.slice(0, -1)) t.ok(part.endsWith('\n') && part.length >= size, JSON.stringify(part))
      t.notOk(parts.includes(''))
    }),
    { numRuns: 200 },
  )
})

t.test('of a source that stores records, a part ends after a record', async t => {
  const source = storing(new PassThrough())
  const parts = new Parts(source, { size: 3, longestLine })
  ;(source as PassThrough).write('abcdef')
  const first = await parts.next()
  t.equal(String(await collect(first?.source as Source)), 'abcdef')
  ;(source as PassThrough).end('gh')
  const last = await parts.next()
  t.equal(last?.start, 6)
  t.equal(String(await collect(last?.source as Source)), 'gh')
  t.equal(await parts.next(), undefined)
})

t.test('a part ends after its time, between two lines at once', async t => {
  const source = new PassThrough()
  const parts = new Parts(source, { time: 20, longestLine })
  source.write('one\n')
  t.equal(String(await collect((await parts.next())?.source as Source)), 'one\n')
  source.write('half of ')
  const second = (await parts.next())?.source as Source
  const whole = collect(second)
  setTimeout(() => source.write('a line\nnext\n'), 60)
  t.equal(String(await whole), 'half of a line\n')
  source.end()
  t.equal(String(await collect((await parts.next())?.source as Source)), 'next\n')
  t.equal(await parts.next(), undefined)
})

t.test('a part is finished, and all are stopped', async t => {
  const source = new PassThrough()
  const parts = new Parts(source, { longestLine })
  parts.finish() // there is none
  source.write('one\n')
  const first = (await parts.next())?.source as Source
  parts.finish() // it has given nothing yet: it gives a record first
  t.equal(String(await collect(first)), 'one\n')
  source.write('half')
  const second = (await parts.next())?.source as Source
  const text = collect(second)
  await new Promise(resolve => second.once('readable', resolve))
  parts.stop()
  parts.stop()
  t.equal(String(await text), 'half')
  source.write('more')
  t.equal(await parts.next(), undefined)

  const silent = new Parts(new PassThrough(), { longestLine })
  const next = silent.next()
  silent.stop()
  t.equal(await next, undefined)
})

t.test('a source that fails fails its part, or the wait for the next one', async t => {
  const error = new Error('broken')
  const source = new PassThrough()
  const parts = new Parts(source, { longestLine })
  source.write('x')
  const part = (await parts.next())?.source as Source
  const failed = t.rejects(collect(part), error)
  source.destroy(error)
  await failed
  await t.rejects(parts.next(), error)

  const waiting = new PassThrough()
  const next = new Parts(waiting, { longestLine }).next()
  waiting.destroy(error)
  await t.rejects(next, error)
  const undestroyed = new Readable({ autoDestroy: false, construct: done => done(error), read() {} })
  await t.rejects(new Parts(undestroyed, { longestLine }).next(), error, 'it is not destroyed by its error')
  const closed = new PassThrough()
  const none = new Parts(closed, { longestLine }).next()
  closed.destroy()
  t.equal(await none, undefined)
  t.equal(await new Parts(closed, { longestLine }).next(), undefined)
})

t.test('a part that is destroyed leaves the source to the next one', async t => {
  const source = new PassThrough()
  const parts = new Parts(source, { longestLine })
  source.write('one\n')
  const part = (await parts.next())?.source as Source
  part.destroy()
  parts.finish()
  source.end('two\n')
  t.equal(String(await collect((await parts.next())?.source as Source)), 'one\ntwo\n')
})

t.test('a part has the warnings of the source that are new', async t => {
  const source = Object.assign(new PassThrough(), { warnings: ['first'] })
  const parts = new Parts(source, { longestLine, size: 2 })
  const texts = []
  source.write('a\nb\n')
  for (let i = 0; i < 2; i++) {
    const part = (await parts.next())?.source as Source
    await collect(part)
    texts.push(part.warnings)
    source.warnings.push('second')
  }
  t.same(texts, [['first'], ['second']])
})

t.test('a source that fails and is not destroyed is over', async t => {
  const source = new Readable({
    autoDestroy: false,
    construct: callback => setImmediate(callback, new Error('not opened')),
    read() {},
  })
  await t.rejects(new Parts(source, { longestLine }).next(), { message: 'not opened' })
})
