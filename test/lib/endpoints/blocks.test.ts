import { Readable, Transform, Writable } from 'node:stream'
import t from 'tap'
import { Blocks, blockSize } from '../../../lib/endpoints/blocks.js'

function ends() {
  const source = new Readable({ read() {}, highWaterMark: 10 * blockSize })
  const callbacks: (() => void)[] = []
  const sink = new Writable({ write: (_chunk, _encoding, callback) => void callbacks.push(callback) })
  return { source, sink, written: () => callbacks.shift()?.() }
}

t.test('a block is used again when its bytes are written, and not before', async t => {
  const { source, sink, written } = ends()
  source.push('before')
  const blocks = new Blocks(source, sink)
  const first = blocks.next() as Buffer
  t.equal(first.length, blockSize)
  blocks.give(3, first)
  t.ok(blocks.isHeld)
  source.push(first.subarray(0, 3))
  const second = blocks.next() as Buffer
  t.not(second, first, 'its source has the first one still')
  blocks.give(4, second)
  source.push(second.subarray(0, 4))
  sink.write(source.read(6))
  written()
  sink.write(source.read(3))
  sink.write(source.read(4))
  const third = blocks.next() as Buffer
  t.notOk([first, second].includes(third), 'its sink has both still')
  blocks.give(1, third)
  source.push('!')
  written()
  t.equal(blocks.next(), first)
  t.ok(blocks.isHeld)
  t.notOk(new Blocks(...(Object.values(ends()).slice(0, 2) as [Readable, Writable])).isHeld)
  blocks.end()
})

t.test('what the stages between have counts, too', async t => {
  const { source, sink, written } = ends()
  const waiting: (() => void)[] = []
  const stage = new Transform({ transform: (chunk, _encoding, done) => void waiting.push(() => done(null, chunk)) })
  const missing = { missing: 0 }
  const blocks = new Blocks(source, sink, [Object.assign(stage, missing)])
  const first = blocks.next() as Buffer
  blocks.give(3, first)
  stage.write(first.subarray(0, 3))
  const second = blocks.next() as Buffer
  t.not(second, first, 'it works on it')
  blocks.give(1, second)
  waiting.shift()?.()
  const third = blocks.next() as Buffer
  t.notOk([first, second].includes(third), 'it waits in it')
  blocks.give(1, third)
  sink.write(stage.read())
  written()
  Object.assign(stage, { missing: 5 })
  const fourth = blocks.next() as Buffer
  t.notOk([first, second, third].includes(fourth), 'what it drops does not count as written')
  blocks.give(1, fourth)
  stage.destroy()
  t.equal(blocks.next(), undefined, 'what a destroyed stage had may be held')
  blocks.end()
})

t.test('bytes that are in no block count, too', async t => {
  const { source, sink, written } = ends()
  const blocks = new Blocks(source, sink)
  const block = blocks.next() as Buffer
  blocks.give(2, Buffer.from('no'))
  blocks.give(3, block)
  sink.write('no')
  sink.write(block.subarray(0, 3))
  written()
  const other = blocks.next() as Buffer
  t.not(other, block)
  blocks.give(1, other)
  sink.write('1')
  written()
  t.equal(blocks.next(), block)
  blocks.end()
})

t.test('what a destroyed stream held is not used again', async t => {
  const { source, sink } = ends()
  const blocks = new Blocks(source, sink)
  const block = blocks.next() as Buffer
  blocks.give(3, block)
  sink.write(block.subarray(0, 3))
  sink.destroy()
  t.equal(blocks.next(), undefined)
  blocks.end()
  const { source: gone, sink: other } = ends()
  const others = new Blocks(gone, other)
  const lost = others.next() as Buffer
  others.give(1, lost)
  gone.destroy()
  t.equal(others.next(), undefined)
  others.end()
})

t.test('at most 16 MiB are in use, and what is given back can be taken again', async t => {
  const { source, sink } = ends()
  const all = [...Array(3)].map(() => new Blocks(source, sink))
  const [one, two, three] = all as [Blocks, Blocks, Blocks]
  source.push(Buffer.alloc(1000)) // as if nothing were read
  const take = (blocks: Blocks) => {
    const block = blocks.next() as Buffer
    blocks.give(1, block)
    t.ok(block)
  }
  for (let i = 0; i < 32; i++) {
    take(one)
    take(two)
  }
  t.equal(three.next(), undefined)
  one.end()
  one.end()
  one.give(1, Buffer.alloc(1))
  for (let i = 0; i < 32; i++) take(three)
  t.equal(three.next(), undefined)
  for (const blocks of all) blocks.end()
  const { source: idle, sink: taker } = ends()
  const blocks = new Blocks(idle, taker)
  const block = blocks.next() as Buffer
  blocks.give(1, block)
  blocks.rest()
  blocks.end()
  const again = new Blocks(idle, taker)
  t.equal(again.next(), block, 'a free block is kept')
  again.give(1, block)
  again.end()
  const last = new Blocks(idle, taker)
  t.not(last.next(), block, 'one that is just being given is not')
  last.end()
})

t.test('small reads share a block while it has room for one', async t => {
  const { source, sink } = ends()
  const blocks = new Blocks(source, sink, [], blockSize / 2)
  const block = blocks.next() as Buffer
  blocks.give(1000, block)
  const rest = blocks.next() as Buffer
  t.equal(rest.buffer, block.buffer)
  t.equal(rest.byteOffset, block.byteOffset + 1000)
  blocks.give(blockSize / 2, rest)
  source.push('held')
  t.not((blocks.next() as Buffer).buffer, block.buffer)
  blocks.end()
})
