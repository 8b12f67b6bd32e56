import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { head } from '../../transforms/head.js'
import { spec } from '../../transforms/spec.js'
import { cutEvery, textOf } from '../lib/pipes.js'

t.test('the first lines', async t => {
  for (const [lines, input, expected] of [
    [2, 'one\ntwo\nthree\n', 'one\ntwo\n'],
    [2, 'one\ntwo\n', 'one\ntwo\n'],
    [2, 'one\ntwo', 'one\ntwo'],
    [2, 'one', 'one'],
    [2, '', ''],
    [1, '\n\n', '\n'],
    [0, 'one\n', ''],
    [undefined, 'x\n'.repeat(20), 'x\n'.repeat(10)],
  ] as const) {
    t.equal(await textOf([head({ lines })], input), expected, `${lines} of ${JSON.stringify(input)}`)
    t.equal(await textOf([head({ lines })], cutEvery(1, Buffer.from(input))), expected)
  }
  t.equal(await textOf(spec('head 1')(), 'a\nb\n'), 'a\n')
})

t.test('it ends with the last line, not with the one behind it', async t => {
  const never = new Readable({ read() {} })
  never.push('one\ntwo\n')
  const stream = never.pipe(head({ lines: 2 }))
  t.same(String(Buffer.concat(await stream.toArray())), 'one\ntwo\n')
})

t.test('it drops what comes behind, so that the sender is not kept waiting', async t => {
  let taken = 0
  const input = function* () {
    for (; taken < 1000; taken++) yield 'line\n'.repeat(1000)
  }
  const sink = new Writable({ write: (_chunk, _encoding, callback) => callback() })
  await pipeline(Readable.from(input()), head({ lines: 1 }), sink)
  t.equal(taken, 1000)
})
