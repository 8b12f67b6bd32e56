import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t, { type Test } from 'tap'
import { compose } from '../../../lib/stages/compose.js'
import { blockSize, gather } from '../../../lib/stages/worker-stage.js'
import { busy } from '../../../lib/stats/meter.js'
import { loadSpec, spec } from '../../../transforms/spec.js'
import fc from '../../fast-check.js'
import { closed, until } from '../network.js'
import { cutAt, cuts, planned, run, settled, textOf } from '../pipes.js'

/** A module of the test's own, as a stage in a thread. */
async function own(t: Test, code: string) {
  const path = join(t.testdir(), 'own.mjs')
  writeFileSync(path, code)
  return loadSpec(`${path} worker=true`)
}

t.test('gather joins chunks to blocks of their own memory', async t => {
  const check = (sizes: number[]) => {
    const chunks = sizes.map((size, i) => Buffer.alloc(size, i + 1))
    const blocks = gather(chunks)
    return (
      Buffer.concat(blocks).equals(Buffer.concat(chunks)) &&
      blocks.every(block => block.buffer.byteLength === block.length && block.length > 0) &&
      blocks.slice(0, -1).every(({ length }) => length === blockSize)
    )
  }
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 2 * blockSize }), { maxLength: 5 }), check), { numRuns: 50 })
  t.same(gather([]), [])
})

t.test('it does what the same stage does, however the input is cut', async t => {
  const text = Buffer.from('one\ntwo 漢字\nthree\n'.repeat(50))
  for (const words of ['hex', 'grep o', 'base64', 'json', 'head lines=3', 'gzip | gunzip worker=true', 'crlf']) {
    const input = words === 'json' ? Buffer.from('{"a":1} [2]\n3') : text
    const expected = await textOf(spec(words)(), input)
    await fc.assert(
      fc.asyncProperty(cuts, async positions => {
        const [first = '', ...rest] = words.split(' | ')
        const made = spec([`${first} worker=true`, ...rest].join(' | '))()
        return (await textOf(made, cutAt(positions, input))) === expected
      }),
      { numRuns: 8 },
    )
  }
  t.pass()
})

t.test('what precedes an error is delivered, and the error is the same', async t => {
  const there = await run(spec('unhex worker=true')(), '6162zz')
  const here = await run(spec('unhex')(), '6162zz')
  t.equal(there.text, here.text)
  t.match(there.error, { name: 'TcpPipeError', code: 'ERR_INPUT', message: (here.error as Error).message })
  const other = await run((await own(t, 'export default () => { throw new RangeError("boom") }'))(), 'a')
  t.match(other.error, { name: 'RangeError', message: 'boom', stack: /own\.mjs/ })
})

t.test('the cap of records goes with it, and its output consists of lines', async t => {
  const { error } = await run(spec('grep worker=true a')(), 'a'.repeat(100), { maxRecord: 10 })
  t.match(error, { code: 'ERR_RECORD_TOO_LONG' })
  t.equal(planned(spec('grep worker=true a')()).makesLines, true)
  t.equal(planned(spec('gzip worker=true')()).makesLines, false)
  t.same(planned(spec('grep worker=true a')()).indivisible, ['grep'])
})

t.test('a thread that dies fails its stages, and another one takes its place', async t => {
  const dying = await own(t, 'export default () => process.exit(7)')
  t.match((await run(dying(), 'a')).error, {
    code: 'ERR_STAGE',
    message: /: its thread has ended: it has exited with 7$/,
  })
  const thrower = await own(t, 'export default () => { setImmediate(() => { throw new Error("late") }); return "" }')
  const [stage] = planned(thrower()).streams
  stage?.write('a')
  const error = await new Promise(resolve => stage?.once('error', resolve))
  t.match(error, { code: 'ERR_STAGE', message: /has ended: late$/ })
  t.equal(await textOf(spec('hex plain=true worker=true')(), 'a'), '61\n')
})

t.test('a module that the thread cannot import', async t => {
  const path = join(t.testdir(), 'own.mjs')
  writeFileSync(
    path,
    'import { isMainThread } from "node:worker_threads"\nif (!isMainThread) throw new Error("not here")\nexport default line => line\n',
  )
  const make = await loadSpec(`${path} worker=true`)
  t.match((await run(make(), 'a')).error, { code: 'ERR_MODULE', message: /not here/ })
})

t.test('it takes no more than a bound, while nobody reads', async t => {
  const [stage] = planned(spec('crlf worker=true')()).streams
  const block = Buffer.alloc(64 * 1024, 'a')
  let given = 0
  const source = new Readable({
    read() {
      given += block.length
      this.push(block)
    },
  })
  source.on('error', () => {})
  if (stage) source.pipe(stage)
  await until(() => (stage?.readableLength ?? 0) > 0) // the thread has begun
  let last = -1
  while (last !== given) {
    last = given
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  t.ok((await settled(() => given)) < 3 * 1024 * 1024, `${given} bytes`)
  stage?.resume()
  while (given < 8 * 1024 * 1024) await new Promise(resolve => setTimeout(resolve, 2))
  stage?.destroy()
  source.destroy()
  if (stage) await closed(stage)
})

t.test('while the thread works, the stage is busy', async t => {
  const make = await own(
    t,
    'export default chunk => { const end = performance.now() + 50; while (performance.now() < end); return chunk }',
  )
  const { meters } = await run(make(), ['a', 'b'])
  t.ok((meters[0]?.clock[busy] ?? 0) >= 40, JSON.stringify(meters[0]?.clock))
})

t.test('one that is destroyed before its first byte starts no thread', async t => {
  const [stage] = planned(spec('hex worker=true')()).streams
  stage?.destroy()
  if (stage) await closed(stage)
  t.ok(stage?.destroyed)
})

t.test('a stream alone', async t => {
  const chunks: Buffer[] = []
  await pipeline(Readable.from([Buffer.from('a')]), compose(...spec('hex plain=true worker=true')()), async output => {
    for await (const chunk of output) chunks.push(chunk as Buffer)
  })
  t.equal(String(Buffer.concat(chunks)), '61\n')
})

t.test('an option that cannot be sent to a thread', async t => {
  const path = join(t.testdir(), 'own.mjs')
  writeFileSync(path, 'export default line => line\n')
  const make = await loadSpec(`${path} worker=true`)
  const [stage] = planned(make()).streams
  Object.assign((stage as unknown as { stage: { options: object } }).stage, { options: { call: () => {} } })
  stage?.on('error', () => {}).write('a')
  const error = await new Promise(resolve => stage?.once('error', resolve))
  t.match(error, { code: 'ERR_STAGE', message: /cannot run in a thread: DataCloneError/ })
})

t.test('a stage that ends early drops what still comes', async t => {
  const [stage] = planned(spec('head worker=true lines=1')()).streams
  if (!stage) return
  stage.write('a\nb\n')
  const chunks: Buffer[] = []
  stage.on('data', chunk => chunks.push(chunk))
  await once(stage, 'end')
  await new Promise(resolve => stage.write('c', resolve))
  await new Promise<void>(resolve => stage.end(resolve))
  t.equal(String(Buffer.concat(chunks)), 'a\n')
})
