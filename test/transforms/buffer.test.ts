import { Readable } from 'node:stream'
import t from 'tap'
import { serve } from '../../lib/serve.js'
import { compose } from '../../lib/stages/compose.js'
import { buffer } from '../../transforms/buffer.js'
import { spec } from '../../transforms/spec.js'
import { noise } from '../laws/support.js'
import { clientOf, heldSink, until } from '../lib/network.js'
import { cutEvery, settled, textOf } from '../lib/pipes.js'
import { passesAtOnce } from './holding.js'

const mebibyte = 2 ** 20

t.test('it takes in what it is given to hold while nobody reads, and then it all comes, in order', async t => {
  const input = noise(4 * mebibyte)
  for (const size of [1, 10_000, mebibyte, 8 * mebibyte]) {
    let taken = 0
    const chunks = function* () {
      for (const chunk of cutEvery(16_384, input)) {
        taken += chunk.length
        yield chunk
      }
    }
    const stage = Readable.from(chunks(), { objectMode: false, highWaterMark: 1 }).pipe(compose(buffer({ size })))
    await settled(() => taken)
    t.ok(taken >= Math.min(size, input.length), `${taken} of ${size}`)
    t.ok(taken <= size + mebibyte / 2, `${taken} of ${size}`)
    t.ok(Buffer.concat(await stage.toArray()).equals(input), `${size}`)
  }
})

t.test('what comes while the reader waits goes on at once', t => passesAtOnce(t, compose(buffer({ size: mebibyte }))))

t.test('a client is rid of its burst while the sink stands still', async t => {
  const { sink, held, release } = heldSink()
  const burst = noise(12 * mebibyte)
  await using server = await serve({ port: 0, to: sink, transforms: spec('buffer 16m') })
  const client = clientOf(t, server.address as { port: number })
  await new Promise(resolve => client.resume().end(burst, () => resolve(undefined)))
  await until(() => held.length > 0)
  release()
  await new Promise(resolve => client.once('end', resolve))
})

t.test('nothing, and the end', async t => {
  t.equal(await textOf([buffer({ size: 1 })], ''), '')
})

t.test('the size is asked for', async t => {
  t.throws(() => spec('buffer'), { code: 'ERR_SPEC', message: /buffer needs size/ })
  t.throws(() => spec('buffer 0'), { code: 'ERR_SPEC', message: /at least 1/ })
})
