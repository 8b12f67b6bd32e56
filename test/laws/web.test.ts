/** The streams that compose() and transforms give, where Node turns them into those of the Web, and in `for await`. */
import { randomBytes } from 'node:crypto'
import { Duplex, Readable } from 'node:stream'
import t from 'tap'
import { compose } from '../../lib/stages/compose.js'
import { eachLine } from '../../lib/stages/stage.js'
import { grep, gunzip, gzip, hex } from '../../transforms/registry.js'
import { closed, endless, failOnWarning } from '../lib/network.js'
import { settled } from '../lib/pipes.js'

const line = 'an x in a line\n'
const makers: [name: string, make: () => Duplex, output: string][] = [
  ['a transform of bytes', () => hex({ plain: true }), `${Buffer.from(line).toString('hex')}\n`],
  ['a transform of lines', () => grep({ pattern: /e/ }), line],
  ['compose of functions', () => compose(eachLine(text => text.toUpperCase())), line.toUpperCase()],
  ['compose of streams', () => compose(gzip(), gunzip()), line],
  ['compose of nothing', () => compose(), line],
  ['compose of Web streams', () => compose(new CompressionStream('gzip'), new DecompressionStream('gzip')), line],
]

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return String(Buffer.concat(all))
}

const failing = () =>
  compose(() => {
    throw new Error('boom')
  })
const piped = (stream: Duplex) => Readable.from([line]).pipe(stream)
const webOf = (stream: Readable) => Readable.toWeb(stream) as ReadableStream<Uint8Array>

t.test('the output', async t => {
  failOnWarning(t)
  for (const [name, make, output] of makers) {
    t.equal(await textOf(webOf(piped(make()))), output, `Readable.toWeb: ${name}`)
    t.equal(await textOf(new Blob([line]).stream().pipeThrough(Duplex.toWeb(make()))), output, `Duplex.toWeb: ${name}`)
    t.equal(await textOf(piped(make())), output, `for await: ${name}`)
    t.equal(await new Response(webOf(piped(make())) as never).text(), output, `the body of a Response: ${name}`)
  }
})

t.test('leaving it before its end destroys it', async t => {
  failOnWarning(t)
  for (const [name, make] of makers.slice(1)) {
    const looped = endless().pipe(make())
    for await (const _ of looped) break
    t.ok(looped.destroyed, `for await: ${name}`)
    const cancelled = endless().pipe(make())
    const over = closed(cancelled)
    await webOf(cancelled).cancel(new Error('enough'))
    await over
    t.match(cancelled.errored, { message: 'enough' }, `cancel: ${name}`)
    const aborted = make()
    const gone = closed(aborted)
    const { readable, writable } = Duplex.toWeb(aborted)
    await writable.abort(new Error('no more'))
    await gone
    await t.rejects(readable.getReader().read(), { message: 'no more' }, `abort: ${name}`)
  }
})

t.test('a failure arrives', async t => {
  failOnWarning(t)
  const boom = { message: 'boom' }
  await t.rejects(textOf(webOf(piped(failing()))), boom)
  await t.rejects(textOf(piped(failing())), boom)
  await t.rejects(textOf(new Blob([line]).stream().pipeThrough(Duplex.toWeb(failing()))), boom)
})

t.test('backpressure holds', async t => {
  const noise = randomBytes(65_536) // would pass a compressor by the hundred if it were text
  for (const [name, make] of makers) {
    let given = 0
    const source = new Readable({
      read() {
        given++
        this.push(noise)
      },
    }).on('error', () => {})
    const stream = source.pipe(make()).on('error', () => {})
    const strategy = new ByteLengthQueuingStrategy({ highWaterMark: 65_536 }) // the first releases of Node 20 count chunks
    const reader = Readable.toWeb(stream, { strategy }).getReader()
    await settled(() => given)
    t.ok(given < 50, `${name}: ${given} blocks`)
    await reader.cancel()
    source.destroy()
  }
})
