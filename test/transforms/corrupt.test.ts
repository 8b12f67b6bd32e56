import t from 'tap'
import { compose } from '../../lib/stages/compose.js'
import { corrupt } from '../../transforms/corrupt.js'
import { spec } from '../../transforms/spec.js'
import { noise } from '../laws/support.js'
import { checkCuts, checkSeeds, faulty, throughEcho } from '../lib/faults.js'
import { cutEvery } from '../lib/pipes.js'

const session = Buffer.from('BEGIN;INSERT;COMMIT;BEGIN;COMMIT;')

/** Where bytes have changed, and how many bits of each. */
function changes(before: Buffer, after: Buffer): { offsets: number[]; bits: number[] } {
  const masks = [...before].map((byte, i) => byte ^ (after[i] as number))
  const offsets = [...masks.keys()].filter(i => masks[i] !== 0)
  return { offsets, bits: offsets.map(i => (masks[i] as number).toString(2).replaceAll('0', '').length) }
}

t.test('which bytes', async t => {
  for (const [options, offsets] of [
    ['', [0]],
    ['after=5', [5]],
    ['after=32', [32]],
    ['on=COMMIT', [19, 32]],
    ['on=COMMIT nth=2', [32]],
    ["on='\\x3b' after=13", [20, 26]],
    ['connection=1', [0]],
    ['connection=2', []],
    ['at=0', [0]],
    ['probability=1 block=1 after=31', [31, 32]],
    ['probability=1 on=COMMIT', [19, 32]],
    ['probability=0', []],
  ] as const) {
    for (const size of [1, 7, 100]) {
      const { data, error, warnings, ...ran } = await faulty(`corrupt ${options}`, cutEvery(size, session))
      t.equal(data.length, session.length)
      t.same(changes(session, data), { offsets, bits: offsets.map(() => 1) }, options)
      t.same({ error, warnings, offsets: ran.offsets }, { error: undefined, warnings: [], offsets })
    }
  }
})

t.test('how many bits, and which', async t => {
  const bytes = noise(2000)
  for (const bits of [1, 2, 5, 8]) {
    const masks = new Set<number>()
    const { data } = await faulty(`corrupt bits=${bits} probability=1 block=1 seed=4`, bytes)
    const changed = changes(bytes, data)
    t.equal(changed.offsets.length, 2000)
    t.ok(changed.bits.every(each => each === bits))
    for (const [i, byte] of bytes.entries()) masks.add(byte ^ (data[i] as number))
    const possible = { 1: 8, 2: 28, 5: 56, 8: 1 }[bits]
    t.equal(masks.size, possible, 'every choice comes')
  }
})

t.test('by chance one byte of a block, wherever in it', async t => {
  const bytes = noise(1000)
  const { data, offsets } = await faulty('corrupt probability=0.5 block=10 seed=2', cutEvery(7, bytes))
  t.same(changes(bytes, data).offsets, offsets)
  t.ok(offsets.length > 30 && offsets.length < 70, `${offsets.length} of 100 blocks`)
  t.equal(new Set(offsets.map(offset => Math.floor(offset / 10))).size, offsets.length, 'one in each')
  t.equal(new Set(offsets.map(offset => offset % 10)).size, 10)
})

t.test('any cuts', async t => {
  await checkCuts(t, 'corrupt')
  await checkCuts(t, 'corrupt bits=3')
})

t.test('seeds', t => checkSeeds(t, 'corrupt probability=0.1 block=10', noise(1000)))

t.test('the chunk of the writer is not changed', async t => {
  const stage = compose(corrupt())
  const chunk = Buffer.from('abc')
  stage.end(chunk)
  const [passed] = await stage.toArray()
  t.equal(String(chunk), 'abc')
  t.notOk(passed.equals(chunk))
})

t.test('one that never comes is a warning', async t => {
  for (const [options, expected] of [
    ['on=COMMIT nth=3', 'reply: corrupt on=COMMIT nth=3 never fired: 2 of 3 found'],
    ["on=';' nth=5", "reply: corrupt on=';' nth=5 never fired: no byte followed it"],
    ['after=33', 'reply: corrupt after=33 never fired: only 33 bytes arrived'],
    ['at=60s', 'reply: corrupt at=1m never fired: no byte arrived after that time'],
  ] as const) {
    const { data, warnings } = await faulty(`corrupt ${options}`, session)
    t.ok(data.equals(session))
    t.same(warnings, [expected])
  }
})

t.test('a time', async t => {
  const stage = compose(corrupt({ at: 20, bits: 8 }))
  const read = (length: number) => {
    stage.write(Buffer.alloc(length))
    return new Promise<Buffer>(resolve => stage.once('data', resolve))
  }
  const start = performance.now()
  let last = await read(3)
  while (!last.includes(255)) last = await read(3)
  t.same(last, Buffer.of(255, 0, 0))
  const took = performance.now() - start
  t.ok(took >= 19, `${took} ms`)
  t.same(await read(3), Buffer.alloc(3), 'once')
  stage.destroy()
})

t.test('through sockets', async t => {
  const { outcomes } = await throughEcho(t, 'corrupt on=a bits=8', ['abc'])
  t.same(outcomes, [{ text: 'a\ufffdc', ended: true, code: undefined }])
})

t.test('what is refused', async t => {
  t.throws(() => spec('corrupt bits=9'), { code: 'ERR_SPEC', message: /a whole number, from 1 to 8/ })
  t.throws(() => spec('corrupt block=9'), { message: /corrupt block= needs probability= without on=/ })
})
