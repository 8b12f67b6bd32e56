import { Duplex, PassThrough } from 'node:stream'
import t from 'tap'
import { isWebReadable, isWebTransform, isWebWritable } from '../../../lib/formats/web.js'

t.test('which is which', async t => {
  for (const [value, readable, writable, transform] of [
    [new ReadableStream(), true, false, false],
    [new WritableStream(), false, true, false],
    [new TransformStream(), false, false, true],
    [new CompressionStream('gzip'), false, false, true],
    [Duplex.toWeb(new PassThrough()), false, false, true],
    [new PassThrough(), false, false, false],
    [null, false, false, false],
    [undefined, false, false, false],
    ['text', false, false, false],
    [{ readable: new ReadableStream(), writable: true }, false, false, false],
  ] as const) {
    t.equal(isWebReadable(value), readable)
    t.equal(isWebWritable(value), writable)
    t.equal(isWebTransform(value), transform)
  }
})
