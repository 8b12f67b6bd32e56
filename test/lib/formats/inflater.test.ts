import { setImmediate } from 'node:timers/promises'
import { constants, deflateRawSync } from 'node:zlib'
import t from 'tap'
import { Inflater, keptBytes } from '../../../lib/formats/inflater.js'
import { noise } from '../../laws/support.js'
import { cutEvery } from '../pipes.js'

/** An inflater, and its output. */
function open() {
  const blocks: Buffer[] = []
  return { inflater: new Inflater(block => blocks.push(block)), given: () => Buffer.concat(blocks) }
}

const sizes = [0, 1, 1000, 10_000, 100_000, 300_000]
const behind = Buffer.from('behind')

t.test('data one after another, with what is behind them', async t => {
  for (const size of sizes) {
    const { inflater, given } = open()
    const text = noise(size).subarray(0, size)
    const packed = deflateRawSync(text)
    for (let i = 1; i <= 3; i++) {
      t.equal(String(await inflater.read(Buffer.concat([packed, behind]))), 'behind', `${size}`)
      t.ok(given().equals(Buffer.concat(Array(i).fill(text))), `${size}`)
      t.equal(inflater.bytesRead, i * packed.length)
    }
    for (const piece of cutEvery(999, packed)) t.equal(await inflater.read(piece), undefined)
    t.equal(String(await inflater.read(behind)), 'behind', 'the end is the end of a chunk')
    for (const piece of cutEvery(999, packed)) await inflater.read(piece)
    await inflater.end()
    t.ok(given().equals(Buffer.concat(Array(5).fill(text))), `${size}`)
    t.equal(inflater.bytesRead, 5 * packed.length)
  }
})

t.test('data that have not ended', async t => {
  for (const packed of [Buffer.alloc(0), deflateRawSync(noise(1000)).subarray(0, -1)]) {
    const { inflater, given } = open()
    await inflater.read(packed)
    await t.rejects(inflater.end(), { message: 'unexpected end of file' })
    t.ok(noise(1000).equals(Buffer.concat([given(), noise(1000).subarray(given().length)])))
  }
})

/** Noise in blocks without compression, with an error in the length of a block: a byte of data is a byte of output. */
function broken(blocks: number): { packed: Buffer; text: Buffer } {
  const text = noise(1000 * blocks)
  const stored = cutEvery(1000, text).map(piece => Buffer.concat([Buffer.from('00e80317fc', 'hex'), piece]))
  return { packed: Buffer.concat([...stored, Buffer.from('00e80317fd', 'hex'), Buffer.alloc(5000)]), text }
}

t.test('what precedes invalid data is output, however they are cut', async t => {
  for (const blocks of [0, 1, 3, 50, 65]) {
    const { packed, text } = broken(blocks)
    for (const size of [997, 10_000, 65_536, 1_000_000]) {
      const { inflater, given } = open()
      const pieces = cutEvery(size, packed)
      const work = async () => {
        for (const piece of pieces) await inflater.read(piece)
      }
      await t.rejects(work(), { code: 'Z_DATA_ERROR', message: 'invalid stored block lengths' })
      t.ok(given().equals(text), `${blocks} blocks by ${size}: ${given().length}`)
    }
  }
})

t.test('also in other data, where much output is known', async t => {
  const text = Buffer.alloc(1_000_000, 'hello')
  const unended = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH })
  const packed = Buffer.concat([unended, Buffer.alloc(100, 0xff)])
  for (const size of [1, 100, 10_000]) {
    const { inflater, given } = open()
    await t.resolves(inflater.read(Buffer.concat([deflateRawSync(noise(5000)), behind])))
    const work = async () => {
      for (const piece of cutEvery(size, packed)) await inflater.read(piece)
    }
    await t.rejects(work(), { code: 'Z_DATA_ERROR' })
    t.ok(given().equals(Buffer.concat([noise(5000), text])), `${given().length} bytes by ${size}`)
  }
})

t.test('an error far behind the beginning may cost one block', async t => {
  const { packed, text } = broken(200)
  const { inflater, given } = open()
  await t.rejects(inflater.read(packed), { code: 'Z_DATA_ERROR' })
  t.ok(given().equals(text.subarray(0, given().length)))
  t.ok(given().length >= text.length - keptBytes)
})

t.test('while it is paused it gives one block, and reads on then', async t => {
  for (const size of [100, 1_000_000]) {
    const { inflater, given } = open()
    const text = noise(size)
    inflater.pause()
    let isDone = false
    const work = inflater.read(Buffer.concat([deflateRawSync(text), behind])).then(() => {
      isDone = true
    })
    for (let i = 0; i < 100; i++) await setImmediate()
    t.notOk(isDone, `${size}`)
    t.ok(given().length < 100_000)
    inflater.resume()
    await work
    t.ok(given().equals(text))
  }
})

t.test('paused while it reads again', async t => {
  const { packed, text } = broken(3)
  const { inflater, given } = open()
  inflater.pause()
  const work = inflater.read(packed)
  work.catch(() => {})
  while (inflater.bytesRead === 0) await setImmediate() // a call that fails reads nothing
  t.equal(given().length, 0)
  inflater.resume()
  await t.rejects(work, { code: 'Z_DATA_ERROR' })
  t.ok(given().equals(text))
})

t.test('destroyed', async t => {
  const { inflater, given } = open()
  void inflater.read(deflateRawSync(noise(1_000_000)))
  inflater.destroy()
  for (let i = 0; i < 100; i++) await setImmediate()
  t.ok(given().length < 100_000)
})
