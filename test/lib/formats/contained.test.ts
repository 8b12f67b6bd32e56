import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { contained } from '../../../lib/formats/contained.js'
import { type Container, gzip, raw, zlib } from '../../../lib/formats/containers.js'
import { cutEvery } from '../pipes.js'

/** What comes out, and the error, or how many bytes were read. */
async function outcome(container: Container, chunks: Iterable<Buffer>): Promise<string> {
  const blocks: Buffer[] = []
  const engine = contained(container)(block => blocks.push(block))
  let end = ''
  try {
    for (const chunk of chunks) await engine.write(chunk)
    await engine.end()
    end = `the end, ${engine.bytesRead}`
  } catch (error) {
    t.match(error, { code: 'ERR_INPUT' })
    end = (error as Error).message
  }
  engine.pause()
  engine.resume()
  engine.destroy()
  return `${Buffer.concat(blocks)}, ${end}`
}

const parts = [gzipSync('one'), gzipSync('two')]
const whole = Buffer.concat(parts)
const packed = deflateSync('hello')

t.test('data, what stands around them, and the end', async t => {
  for (const [container, input, expected] of [
    [gzip, Buffer.concat([...parts, Buffer.alloc(3)]), `onetwo, the end, ${whole.length + 3}`],
    [gzip, Buffer.concat([...parts, Buffer.from('xyz')]), 'onetwo, gunzip: incorrect header check'],
    [gzip, whole.subarray(0, -1), 'onetwo, gunzip: unexpected end of file'],
    [gzip, whole.subarray(0, -8), 'onetwo, gunzip: unexpected end of file'],
    [gzip, whole.subarray(0, 5), ', gunzip: unexpected end of file'],
    [gzip, Buffer.alloc(0), ', gunzip: unexpected end of file'],
    [zlib, packed, `hello, the end, ${packed.length}`],
    [zlib, packed.subarray(0, -4), 'hello, inflate: unexpected end of file'],
    [zlib, packed.subarray(0, -5), 'hello, inflate: unexpected end of file'],
    [raw, deflateRawSync('hello'), `hello, the end, ${packed.length - 6}`],
    [raw, deflateRawSync('hello').subarray(0, -1), 'hello, inflate: unexpected end of file'],
  ] as const)
    for (const size of [1, 2, 3, 7, 19, 1000]) t.equal(await outcome(container, cutEvery(size, input)), expected)
})

t.test('an error of zlib is the cause', async t => {
  const engine = contained(raw)(() => {})
  await t.rejects(engine.write(Buffer.alloc(10, 0xff)), {
    code: 'ERR_INPUT',
    message: 'inflate: invalid block type',
    cause: { code: 'Z_DATA_ERROR' },
  })
})
