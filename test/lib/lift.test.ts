import { once } from 'node:events'
import { finalValue, flushable, many, none, stop } from 'stream-chain/defs.js'
import t from 'tap'
import { eachJson, eachLine, type Stage } from '../../lib/stage.js'
import { errorOf, fused, run, settled, textOf } from './pipes.js'

const error = new Error('the very error')
const tick = () => new Promise(resolve => setImmediate(resolve))
const never = new Promise<never>(() => {})
const same = () => eachLine(line => line)

t.test('every kind of function makes the same of the same lines', async t => {
  for (const [title, stage] of [
    ['many', eachLine(line => many([`<${line}>`, line]))],
    ['a promise', eachLine(async line => many([`<${line}>`, line]))],
    ['a promise of later', eachLine(line => tick().then(() => many([`<${line}>`, line])))],
    ['a generator', eachLine(generator)],
    ['an async generator', eachLine(asyncGenerator)],
    ['a generator of promises', eachLine(promises)],
    ['a generator of generators', eachLine(function* (line) { yield generator(line) })],
    ['a promise of a generator', eachLine(async line => generator(line))],
    ['many in many', eachLine(line => many([many([generator(line), many([])]), none, undefined]))],
    ['an iterator without return', eachLine(line => iterator([`<${line}>`, line]))],
    ['an async iterator without return', eachLine(line => asyncIterator([`<${line}>`, line]))],
    ['now a value, now a promise', eachLine(changing())],
    ['an object', { write: (line: string) => many([`<${line}>`, line]), flush: () => none, destroy() {} }],
    ['a flushable', eachLine(flushable((line: never) => many([`<${line}>`, line])))],
  ] as const) {
    t.equal(await textOf([same(), stage], 'a\nb\nc'), '<a>\na\n<b>\nb\n<c>\nc', title)
  }
})

function* generator(line: string) {
  yield `<${line}>`
  yield line
}

async function* asyncGenerator(line: string) {
  yield `<${line}>`
  await tick()
  yield line
}

function* promises(line: string) {
  yield tick().then(() => `<${line}>`)
  yield tick().then(() => none)
  yield line
}

function iterator(values: string[]) {
  return { next: () => ({ done: values.length === 0, value: values.shift() }) }
}

function asyncIterator(values: string[]) {
  const { next } = iterator(values)
  return { next: async () => next() }
}

function changing() {
  let count = 0
  return (line: string) => (count++ % 2 === 0 ? many([`<${line}>`, line]) : Promise.resolve(generator(line)))
}

t.test('what a function gives back', async t => {
  const json = (value: unknown) => eachJson(() => value)
  for (const [title, stage, output] of [
    ['none drops', json(none), ''],
    ['undefined drops', json(undefined), ''],
    ['a promise of none drops', json(Promise.resolve(none)), ''],
    ['a promise of undefined drops', json(Promise.resolve()), ''],
    ['null is a value', json(null), 'null\nnull\n'],
    ['so is null of a promise', json(Promise.resolve(null)), 'null\nnull\n'],
    ['and null in many', json(many([null])), 'null\nnull\n'],
    ['a number behind a line', eachLine(line => line.length), '3\n'],
    ['an array is a value', json([1, [2]]), '[1,[2]]\n[1,[2]]\n'],
    ['an object with then that is no function', json({ then: 1, next: 2 }), '{"then":1,"next":2}\n{"then":1,"next":2}\n'],
    ['an empty text is an empty line', eachLine(() => ''), '\n'],
    ['bytes among lines', eachLine(line => many([line, Buffer.from('bytes'), line])), '1 2\nbytes1 2\n'],
    ['bytes of a stage of bytes', (chunk: Buffer) => new Uint8Array(chunk), '1 2\n'],
    ['a text of a stage of bytes', (chunk: Buffer) => chunk.toString('hex'), '3120320a'],
  ] as const) {
    t.equal(await textOf([stage as Stage], '1 2\n'), output, title)
  }
})

t.test('what a function must not give back is refused in words, with its name', async t => {
  const bytes = (value: unknown) => ({ name: 'mine', write: () => value })
  const only = '; a stage of bytes gives a Buffer, a Uint8Array or a string'
  const final = 'finalValue, which is not supported: return the value itself'
  for (const [stage, message] of [
    [bytes(1), `mine gave back a number${only}`],
    [bytes(null), `mine gave back null${only}`],
    [bytes(new Date()), `mine gave back an object (Date)${only}`],
    [bytes(Object.create(null)), `mine gave back an object (no class)${only}`],
    [bytes(Promise.resolve(true)), `mine gave back a boolean${only}`],
    [bytes(many([1])), `mine gave back a number${only}`],
    [bytes(finalValue(1)), `mine gave back ${final}${only}`],
    [() => 1, `stage 1 gave back a number${only}`],
    [eachLine(function cut() { return finalValue('a') }), `cut gave back ${final}`],
    [eachLine(async () => many([finalValue('a')])), `stage 1 gave back ${final}`],
  ] as const) {
    t.match(await errorOf([stage as Stage], 'a'), { code: 'ERR_STAGE_RESULT', message })
  }
})

t.test('stop: everything before it arrives, nothing behind it', async t => {
  const stopAt = (last: string) => (line: string) => (line === last ? many([line, stop, 'never']) : line)
  for (const [title, stage] of [
    ['of a function', (line: string) => (line === 'd' ? stop : line)],
    ['of a promise', async (line: string) => (line === 'd' ? stop : line)],
    ['of a promise of later', (line: string) => tick().then(() => (line === 'd' ? stop : line))],
    ['in many', stopAt('c')],
    ['in a generator', function* (line: string) { yield stopAt('c')(line) }],
    ['in an async generator', async function* (line: string) { yield stopAt('c')(line) }],
  ] as const) {
    const seen: string[] = []
    const before = eachLine(line => line)
    const behind = eachLine(line => { seen.push(line); return line })
    t.equal(await textOf([before, eachLine(stage), behind], 'a\nb\nc\nd\ne'), 'a\nb\nc\n', title)
    t.strictSame(seen, ['a', 'b', 'c'])
  }
  t.equal(await textOf([eachLine(() => stop)], 'a\nb'), '', 'at once')
  t.equal(await textOf([eachLine(line => (line === 'b' ? many([line, stop]) : line))], 'a\nb'), 'a\nb', 'at the last line')
})

t.test('stop ends the output while the input goes on', async t => {
  const stream = fused([eachLine(line => (line === 'b' ? stop : line))])
  stream.write('a\nb\nc\n')
  t.equal(String(await read(stream)), 'a\n')
  await new Promise(resolve => stream.write('more\n', resolve))
  t.notOk(stream.destroyed)
  stream.destroy()
})

async function read(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream_: for await (const chunk of { [Symbol.asyncIterator]: () => (stream as unknown as { iterator(options: object): AsyncIterator<Buffer> }).iterator({ destroyOnReturn: false }) }) { chunks.push(chunk); continue stream_ }
  return Buffer.concat(chunks)
}
