import t from 'tap'
import { skip } from '../../transforms/skip.js'
import { spec } from '../../transforms/spec.js'
import { cutEvery, textOf } from '../lib/pipes.js'

t.test('the lines behind the first ones', async t => {
  for (const [lines, input, expected] of [
    [0, 'one\ntwo', 'one\ntwo'],
    [1, 'one\ntwo\nthree', 'two\nthree'],
    [2, 'one\n\nthree\n', 'three\n'],
    [3, 'one\ntwo\n', ''],
    [1, 'one', ''],
    [1, '', ''],
  ] as const) {
    t.equal(await textOf([skip({ lines })], input), expected, `${lines} of ${JSON.stringify(input)}`)
    t.equal(await textOf([skip({ lines })], cutEvery(1, Buffer.from(input))), expected)
  }
  t.equal(await textOf(spec('skip 1 | head 1')(), 'a\nb\nc\n'), 'b\n')
  t.throws(() => spec('skip -1'), { code: 'ERR_SPEC', message: /skip lines: '-1' is not allowed/ })
})
