import { createHash, getHashes } from 'node:crypto'
import t from 'tap'
import { digest } from '../../transforms/digest.js'
import { spec } from '../../transforms/spec.js'
import { connection, memoryLog, needs, noise, output } from '../laws/support.js'
import { cutEvery, errorOf, run } from '../lib/pipes.js'

async function logged(options: Parameters<typeof digest>[0], input: Buffer): Promise<unknown[]> {
  const { log, lines } = memoryLog()
  const { chunks } = await run([digest(options)], cutEvery(1000, input), { log, connection })
  t.ok(Buffer.concat(chunks).equals(input), 'the bytes are unchanged')
  return lines
}

t.test('what is logged', async t => {
  const expected = createHash('sha256').update(noise(5000)).digest('hex')
  t.same(await logged({}, noise(5000)), [
    { level: 30, direction: 'reply', algorithm: 'sha256', digest: expected, bytes: 5000, msg: 'digest' },
  ])
  t.match(await logged({ algorithm: 'MD5' }, Buffer.alloc(0)), [
    { algorithm: 'md5', digest: 'd41d8cd98f00b204e9800998ecf8427e', bytes: 0 },
  ])
})

t.test('as sha256sum', needs('sha256sum'), async t => {
  const [expected] = output('sha256sum', [], noise(100_000)).toString().split(' ')
  t.match(await logged({}, noise(100_000)), [{ digest: expected }])
})

t.test('every hash that node names', async t => {
  for (const algorithm of getHashes())
    t.match(await logged({ algorithm }, Buffer.from('abc')), [{ digest: /^[\da-f]+$/ }])
})

t.test('a connection that fails logs none', async t => {
  const { log, lines } = memoryLog()
  const fail = () => {
    throw new Error('behind it')
  }
  t.match(await errorOf([digest(), fail], 'abc', { log }), { message: 'behind it' })
  t.same(lines, [])
})

t.test('the algorithm is checked', async t => {
  t.throws(() => digest({ algorithm: 'sha257' }), {
    code: 'ERR_OPTION',
    message: /'sha257' is not allowed; expected a name/,
  })
  t.throws(() => spec('digest sha257'), { code: 'ERR_SPEC', message: /column 8/ })
})
