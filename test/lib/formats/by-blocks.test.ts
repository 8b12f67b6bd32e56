import t from 'tap'
import { byBlocks } from '../../../lib/formats/by-blocks.js'

t.test('a chunk of one block is converted at once, a larger one block by block', async t => {
  const text = byBlocks(block => block.toString(), 3)
  t.equal(text(Buffer.from('')), '')
  t.equal(text(Buffer.from('abc')), 'abc')
  t.strictSame([...text(Buffer.from('abcdefg'))], ['abc', 'def', 'g'])
})

t.test('a block has 64 KiB', async t => {
  const size = byBlocks(block => block.length)
  t.equal(size(Buffer.alloc(65_536)), 65_536)
  t.strictSame([...(size(Buffer.alloc(65_537)) as Generator<number>)], [65_536, 1])
})
