import { once } from 'node:events'
import { type Duplex, PassThrough, Readable, Writable } from 'node:stream'
import { createGzip } from 'node:zlib'
import t from 'tap'
import { compose, records } from '../../../lib/stages/compose.js'
import { defineTransform } from '../../../lib/stages/define.js'
import { partsOf, recipe, toParts } from '../../../lib/stages/parts.js'
import { plan } from '../../../lib/stages/plan.js'
import { eachLine, type Stage } from '../../../lib/stages/stage.js'
import { planned, textOf } from '../pipes.js'

/** For stages that the compiler does not know one by one. */
const composeAny = compose as (...stages: readonly Stage[]) => Duplex
const same = () => eachLine(line => line)
const upper = defineTransform({ name: 'upper', summary: 's', unit: 'line', create: () => line => line.toUpperCase() })

t.test('a fresh stream is taken, and refuses in words to be used itself', async t => {
  const message = 'this stream was composed into another one; write to that one, and read from it'
  for (const [title, use] of [
    ['write', (stream: Duplex) => stream.write('x')],
    ['end', (stream: Duplex) => stream.end()],
    ['read', (stream: Duplex) => stream.resume()],
    ['pipe', (stream: Duplex) => stream.pipe(new PassThrough())],
  ] as const) {
    for (const make of [upper, () => compose(upper(), createGzip()), () => compose()]) {
      const inner = make()
      const outer = compose(inner)
      use(inner)
      t.match((await once(inner, 'error'))[0], { code: 'ERR_STAGE', message }, title)
      t.notOk(outer.destroyed, 'the other one can be used')
    }
  }
})

t.test('a stream that is used already stays a stream of its own', async t => {
  for (const [title, use] of [
    ['with a listener', stream => stream.on('data', () => {})],
    ['with a listener for its end', stream => stream.on('close', () => {})],
    ['piped into', stream => new PassThrough().pipe(stream)],
    ['piped', stream => stream.pipe(new PassThrough())],
    ['written', stream => stream.write('a\n')],
    ['ended', stream => stream.end()],
    ['read', stream => stream.read()],
  ] as [string, (stream: Duplex) => void][]) {
    const stream = upper()
    use(stream)
    t.ok(planned([same(), stream]).streams.includes(stream), title)
    stream.destroy()
  }
  const stream = upper()
  stream.write('first ')
  t.equal(await textOf([same(), stream], 'second'), 'FIRST SECOND')
})

t.test('what is no stage is refused, with its place', async t => {
  for (const [value, what] of [
    [upper, 'a transform that is not called'],
    [undefined, 'undefined'],
    [null, 'null'],
    ['hex', 'a string'],
    [Symbol('x'), 'a symbol'],
    [[upper()], 'an array'],
    [{}, 'an object (Object)'],
    [Object.create(null), 'an object (no class)'],
    [new Readable(), 'an object (Readable)'],
    [new Writable(), 'an object (Writable)'],
    [new WritableStream(), 'an object (WritableStream)'],
    [Promise.resolve(), 'an object (Promise)'],
  ] as const) {
    const message = `stage 2 is ${what}; expected a Duplex, a TransformStream, a function or { write, flush, destroy }`
    t.throws(() => composeAny(same(), value as unknown as Stage), { code: 'ERR_STAGE', message })
  }
})

t.test('a stream can be used once', async t => {
  const message = 'stage 2 is already part of a pipeline: a stream can be used once'
  for (const make of [() => new PassThrough(), upper, () => compose(upper()), () => upper().on('data', () => {})]) {
    const stream: Duplex = make()
    compose(stream)
    t.throws(() => compose(same(), stream), { code: 'ERR_STAGE', message }, 'in another pipeline')
    const twice: Duplex = make()
    t.throws(() => compose(twice, twice), { code: 'ERR_STAGE', message }, 'in the same')
    const destroyed: Duplex = make()
    destroyed.destroy()
    t.throws(() => compose(destroyed), { code: 'ERR_STAGE', message: 'stage 1 is destroyed' })
  }
  const shared = new PassThrough()
  const reuse = recipe('reuse', undefined, () => shared)
  plan([reuse])
  t.throws(() => plan([reuse]), { code: 'ERR_STAGE', message: /a stream can be used once/ }, 'from a recipe')
})

t.test('toParts gives recipes for functions and the stream for a Duplex', async t => {
  const stream = new PassThrough()
  t.strictSame(toParts(stream, 0), [stream])
  t.match(toParts(same(), 3), [{ name: 'stage 4', unit: 'line' }])
  t.match(
    toParts(function shout() {}, 0),
    [{ name: 'shout', unit: undefined }],
  )
})

t.test('records are asked for once, in time, and of a stream of ours', async t => {
  const refusal = (message: RegExp) => ({ code: 'ERR_STAGE', message })
  t.throws(() => records(createGzip() as never), refusal(/what compose\(\) or a transform made/))
  const taken = compose(same())
  compose(taken)
  t.throws(() => records(taken), refusal(/composed into another/))
  const begun = compose(same())
  begun.write('a')
  t.throws(() => records(begun), refusal(/too late/))
  const read = compose(same())
  records(read)
  t.throws(() => records(read), refusal(/used once/))
  t.throws(() => compose(read), refusal(/used once/))
  for (const stream of [begun, read]) stream.destroy()
})

t.test('partsOf takes one stage or several', async t => {
  const stream = new PassThrough()
  t.strictSame(partsOf(stream), [stream])
  t.match(partsOf([same(), same()]), [{ name: 'stage 1' }, { name: 'stage 2' }])
})

t.test('a pair of Web streams becomes a Duplex, once', async t => {
  const pair = new CompressionStream('gzip')
  const [stream] = partsOf(pair)
  t.ok((stream as Duplex).writable)
  t.throws(() => toParts(pair, 1), { code: 'ERR_STAGE', message: /^stage 2 is already part of a pipeline/ })
  ;(stream as Duplex).destroy()
})
