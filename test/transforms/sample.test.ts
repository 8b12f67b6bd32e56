import t from 'tap'
import { sample } from '../../transforms/sample.js'
import { spec } from '../../transforms/spec.js'
import { cutEvery, textOf } from '../lib/pipes.js'

t.test('one line in so many', async t => {
  for (const [every, input, expected] of [
    [1, '1\n2\n3', '1\n2\n3'],
    [2, '1\n2\n3\n4\n5', '1\n3\n5'],
    [3, '1\n2\n3\n4\n', '1\n4\n'],
    [9, '1\n2\n', '1\n'],
    [2, '', ''],
  ] as const) {
    t.equal(await textOf([sample({ every })], input), expected, `1 in ${every} of ${JSON.stringify(input)}`)
    t.equal(await textOf([sample({ every })], cutEvery(1, Buffer.from(input))), expected)
  }
  t.throws(() => spec('sample 0'), { code: 'ERR_SPEC', message: /sample every: '0' is not allowed/ })
})
