import { once } from 'node:events'
import { Readable } from 'node:stream'
import t from 'tap'
import { isBusy } from '../../../lib/formats/delivery.js'
import { type HoldingStage, holdingStage } from '../../../lib/ui/hold.js'
import fc from '../../fast-check.js'
import { noise } from '../../laws/support.js'
import { closed } from '../network.js'
import { cutAt, cutEvery, cuts, run, settled } from '../pipes.js'
import { turns } from '../stats/stopped-clock.js'

const block = 65_536

/** A stage that holds at each chunk with this byte, and what it has given. */
function open(byte = '!') {
  const heard: Buffer[] = []
  const begun: string[] = []
  let overs = 0
  const stage: HoldingStage = holdingStage({
    hear(bytes) {
      heard.push(Buffer.from(bytes))
      return bytes.includes(byte) ? () => begun.push(String(stage.held)) : undefined
    },
    over: () => {
      overs++
    },
  })
  const given: Buffer[] = []
  let ended = false
  stage.stream.on('end', () => {
    ended = true
  })
  const read = () => void stage.stream.on('data', chunk => given.push(chunk))
  const write = async (text: string | Buffer) => {
    stage.stream.write(text)
    await turns()
  }
  const text = () => `${Buffer.concat(given)}${ended ? '.' : ''}`
  return { stage, stream: stage.stream, heard, begun, overs: () => overs, given, read, write, text }
}

t.test('chunks pass as they are while nothing is held', async t => {
  const chunks = cutEvery(10, noise(100))
  const { stage, stream, heard, overs, read, given, write } = open('never')
  read()
  for (const chunk of chunks) await write(chunk)
  stream.end()
  await closed(stream)
  t.same(given, chunks)
  t.same(heard, chunks)
  t.equal(stage.held, undefined)
  t.equal(overs(), 1)
})

t.test('what is wanted is held, and what follows, also the end, until it is released', async t => {
  const { stage, stream, begun, read, write, text } = open()
  read()
  await write('a')
  await write('b!')
  t.same(begun, ['b!'], 'told once, with the bytes')
  await write('c!')
  stream.end('d')
  await turns()
  t.equal(text(), 'a')
  t.equal(String(stage.held), 'b!c!d')
  t.ok(stage.ended)
  t.same(begun, ['b!'])
  stage.release(stage.held as Buffer)
  await turns()
  t.equal(text(), 'ab!c!d.')
  t.equal(stage.held, undefined)
  t.notOk(stage.ended)
})

t.test('other bytes pass in place of those that were held, or none', async t => {
  const { stage, stream, read, write, text } = open()
  read()
  for (const bytes of ['longer than it', '', '!']) {
    await write('x!')
    stage.release(Buffer.from(bytes))
    await write('-')
  }
  stream.end()
  await turns()
  t.equal(text(), 'longer than it--!-.', 'what passes in its place is not heard')
})

t.test('a block is held at most: the rest waits, and is heard when it goes on', async t => {
  for (const size of [1000, block - 1, block, block + 1, 300_000]) {
    const { stage, stream, heard, read, text } = open()
    read()
    const input = noise(400_000).map(byte => (byte === 33 ? 0 : byte))
    const bytes = Buffer.concat([Buffer.from('first!'), input, Buffer.from('second!'), Buffer.from('tail')])
    Readable.from(cutEvery(size, bytes), { objectMode: false }).pipe(stream)
    await turns()
    t.equal(stage.held?.length, block)
    t.ok(bytes.subarray(0, block).equals(stage.held as Buffer))
    t.notOk(stage.ended)
    t.ok(heard.every(({ length }) => length <= block))
    stage.release(stage.held as Buffer)
    await turns()
    t.ok(String(stage.held).includes('second!tail'), `held again, in chunks of ${size}`)
    t.ok(stage.ended)
    stage.release(stage.held as Buffer)
    await turns()
    t.equal(text(), `${bytes}.`)
    t.ok(Buffer.concat(heard).equals(bytes))
  }
})

t.test('what waits does not grow: neither while it is held, nor while nobody reads', async t => {
  for (const first of ['!', '-']) {
    const { stream } = open()
    let taken = 0
    const source = function* () {
      yield Buffer.from(first)
      for (let i = 0; i < 200; i++) {
        taken += 10_000
        yield Buffer.alloc(10_000)
      }
    }
    Readable.from(source(), { objectMode: false, highWaterMark: 1 }).pipe(stream)
    const most = await settled(() => taken)
    t.ok(most < 4 * block, `${most} bytes`)
    stream.destroy()
  }
})

t.test('single bytes are held in one block, and a chunk may be changed once it is taken', async t => {
  const { stage, stream, write } = open()
  const input = noise(3000)
  await write('!')
  const byte = Buffer.alloc(1)
  for (const each of input) {
    byte[0] = each
    await new Promise(resolve => stream.write(byte, resolve))
  }
  t.ok(Buffer.concat([Buffer.from('!'), input]).equals(stage.held as Buffer))
  t.ok((stage.held as Buffer).buffer.byteLength <= 2 * 3001)
  stream.destroy()
})

t.test('what it holds is known; a destroyed stage loses it and calls its owner', async t => {
  const { stage, stream, read, write, overs } = open()
  read()
  t.notOk(isBusy(stream))
  await write('a')
  t.notOk(isBusy(stream))
  await write('!')
  t.ok(isBusy(stream))
  await write(Buffer.alloc(block))
  t.ok(isBusy(stream))
  stream.destroy()
  await closed(stream)
  t.equal(stage.held, undefined)
  t.equal(overs(), 1)
})

t.test('it may be released as soon as it holds', async t => {
  const chunks = cutEvery(7, Buffer.from('one! two! three, four! and the rest'))
  const stage: HoldingStage = holdingStage({
    hear: bytes => (bytes.includes('!') ? () => stage.release(stage.held as Buffer) : undefined),
    over() {},
  })
  t.equal((await run([stage.stream], chunks)).text, 'one! two! three, four! and the rest')
})

t.test('the order stays, although a reader reads in between', async t => {
  const { stream } = open('never')
  const seen: number[] = []
  stream.on('data', () => stream.read(0))
  stream.on('data', chunk => seen.push(chunk[0]))
  await turns()
  stream.end(Buffer.concat([1, 2, 3, 4, 5].map(each => Buffer.alloc(block, each))))
  await closed(stream)
  t.same(seen, [1, 2, 3, 4, 5])
})

const actions = fc.array(fc.constantFrom('pass', 'edit', 'drop', 'wait'), { minLength: 1, maxLength: 30 })

t.test('whatever the chunks, the holds and the releases: what passes is what the model says', async t => {
  const property = fc.asyncProperty(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat({ max: 300_000 }).map(length => noise(length, length)),
    ),
    cuts,
    fc.integer({ min: 0, max: 255 }),
    actions,
    fc.boolean(),
    async (array, places, wanted, actions, isSlow) => {
      const input = Buffer.from(array)
      const expected: Buffer[] = []
      const heard: Buffer[] = []
      const stage: HoldingStage = holdingStage({
        hear(bytes) {
          heard.push(Buffer.from(bytes))
          if (bytes.includes(wanted)) return () => {}
          if (!stage.held) expected.push(Buffer.from(bytes))
          return undefined
        },
        over() {},
      })
      let isOver = false
      const act = async () => {
        for (let i = 0; !isOver; i++) {
          await turns(2)
          const action = actions[i % actions.length]
          if (!stage.held || (action === 'wait' && i < 200)) continue
          const bytes = action === 'drop' ? Buffer.alloc(0) : action === 'edit' ? Buffer.from('edited') : stage.held
          expected.push(Buffer.from(bytes))
          stage.release(bytes)
        }
      }
      const acting = act()
      Readable.from(
        cutAt(places, input).filter(({ length }) => length > 0),
        { objectMode: false },
      ).pipe(stage.stream)
      const given: Buffer[] = []
      for await (const chunk of stage.stream) {
        given.push(chunk)
        if (isSlow) await turns(1)
      }
      isOver = true
      await acting
      t.ok(Buffer.concat(given).equals(Buffer.concat(expected)))
      t.ok(Buffer.concat(heard).equals(input))
    },
  )
  await fc.assert(property, { numRuns: 60, seed: 3 })
})

t.test('its errors are those of its pipeline', async t => {
  const { stream, overs } = open()
  stream.destroy(new Error('lost'))
  const [error] = await once(stream, 'error')
  t.equal(error.message, 'lost')
  t.equal(overs(), 1)
})
