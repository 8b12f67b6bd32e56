import t from 'tap'
import { blocksOf, isData, textToBytes, toBytes } from '../../../lib/formats/bytes.js'

const view = new Uint8Array([1, 2, 3, 4]).subarray(1, 3)

t.test('what counts as data, and its bytes', async t => {
  for (const [name, value, bytes] of [
    ['a string', 'é', Buffer.from('é')],
    ['a Buffer', Buffer.from('x'), Buffer.from('x')],
    ['a Uint8Array', view, Buffer.of(2, 3)],
    ['a view of larger numbers', new Uint16Array([0x0101]), Buffer.of(1, 1)],
    ['a DataView', new DataView(view.buffer, 2, 1), Buffer.of(3)],
    ['an ArrayBuffer', view.buffer, Buffer.of(1, 2, 3, 4)],
    ['a SharedArrayBuffer', new SharedArrayBuffer(1), Buffer.of(0)],
  ] as const) {
    t.ok(isData(value), name)
    t.same(toBytes(value), bytes, name)
  }
  for (const value of [1, 1n, null, undefined, {}, [], true]) {
    t.notOk(isData(value))
    t.equal(toBytes(value), undefined)
  }
})

t.test('a view is not copied', async t => {
  const bytes = toBytes(view) as Buffer
  t.equal(bytes.buffer, view.buffer)
  const buffer = Buffer.from('x')
  t.equal(toBytes(buffer), buffer)
})

t.test('blocks: of what length, and nothing is lost', async t => {
  for (const [name, data, lengths] of [
    ['nothing', '', []],
    ['no bytes', Buffer.alloc(0), []],
    ['a short string', 'é', [2]],
    ['a long string', 'é'.repeat(200_000), [262_144, 137_856]],
    ['a string of wide characters', `a${'😀'.repeat(100_000)}`, [262_145, 137_856]],
    ['bytes', Buffer.alloc(600_000, 'abc'), [262_144, 262_144, 75_712]],
    ['an ArrayBuffer', new ArrayBuffer(262_145), [262_144, 1]],
  ] as const) {
    const blocks = [...blocksOf(data)]
    t.same(
      blocks.map(block => block.length),
      lengths,
      name,
    )
    t.ok(Buffer.concat(blocks).equals(toBytes(data) as Buffer), name)
  }
})

t.test('a surrogate that stands alone divides no character', async t => {
  const text = `${'a'.repeat(131_071)}\ud83d`
  t.ok(Buffer.concat([...blocksOf(`${text}x`)]).equals(Buffer.from(`${text}x`)))
})

t.test('a text becomes the bytes that Node.js makes of it', async t => {
  for (const part of ['', 'a', 'é', '😀', '\ud83d', '\udfff a', '\0']) {
    for (const count of [1, 4095, 4096, 50_000]) {
      const text = part.repeat(count)
      t.ok(textToBytes(text).equals(Buffer.from(text)), `${JSON.stringify(part)} × ${count}`)
    }
  }
})
