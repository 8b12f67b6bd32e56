import t from 'tap'
import { compose } from '../../lib/stages/compose.js'
import { drop } from '../../transforms/drop.js'
import { spec } from '../../transforms/spec.js'
import { noise } from '../laws/support.js'
import { checkCuts, checkSeeds, faulty } from '../lib/faults.js'
import { cutEvery } from '../lib/pipes.js'

const letters = 'abcdefghijklmnopqrstuvwxyz'

t.test('what is lost', async t => {
  for (const [options, expected, offsets] of [
    ['', '', [0]],
    ['block=3', letters.slice(3), [0]],
    ['after=5 block=3', 'abcdeijklmnopqrstuvwxyz', [5]],
    ['after=25 block=3', letters.slice(0, 25), [25]],
    ['after=5', 'abcde', [5]],
    ['on=cd block=2', 'abcdghijklmnopqrstuvwxyz', [4]],
    ['on=cd nth=1 block=2 after=2', 'abcdghijklmnopqrstuvwxyz', [4]],
    ['connection=1 block=25', 'z', [0]],
    ['connection=2 block=25', letters, []],
    ['at=0 block=25', 'z', [0]],
    ['probability=1 block=10 after=1', 'abcdefghij', [10, 20]],
    ['probability=1 on=cd block=22', letters.slice(0, 4), [4]],
    ['probability=0', letters, []],
  ] as const) {
    for (const size of [1, 7, 100]) {
      const { text, warnings, error, ...ran } = await faulty(`drop ${options}`, cutEvery(size, Buffer.from(letters)))
      t.same({ text, warnings, error }, { text: expected, warnings: [], error: undefined }, options)
      t.same(ran.offsets, offsets)
    }
  }
})

t.test('several, also in what is lost', async t => {
  for (const [block, expected, offsets] of [
    [1, 'a,c,e,', [2, 5, 8, 9]],
    [2, 'a,,,', [2, 5, 8, 9]],
    [4, 'a,', [2, 5, 8, 9]],
  ] as const) {
    for (const size of [1, 2, 3, 4, 100]) {
      const { text, ...ran } = await faulty(`drop on=, block=${block}`, cutEvery(size, Buffer.from('a,bc,de,,f')))
      t.equal(text, expected, `${block} by ${size}`)
      t.same(ran.offsets, offsets)
    }
  }
})

t.test('any cuts', t => checkCuts(t, 'drop', 'block=7'))

t.test('seeds', t => checkSeeds(t, 'drop probability=0.1 block=10', noise(1000)))

t.test('what is kept of a chunk stays together, and the chunk is not changed', async t => {
  const stage = compose(drop({ on: ',', block: 1 }))
  const chunk = Buffer.from('a,bc,de')
  stage.end(chunk)
  t.same((await stage.toArray()).map(String), ['a,c,e'])
  t.equal(String(chunk), 'a,bc,de')
})

t.test('one that never comes is a warning', async t => {
  for (const [options, expected] of [
    ['on=x nth=3', 'reply: drop on=x nth=3 never fired: 1 of 3 found'],
    ['on=z block=9', 'reply: drop on=z never fired: no byte followed it'],
    ['after=26', 'reply: drop after=26 never fired: only 26 bytes arrived'],
    ['at=60s', 'reply: drop at=1m never fired: no byte arrived after that time'],
  ] as const)
    t.same((await faulty(`drop ${options}`, letters)).warnings, [expected])
})

t.test('what is refused', async t => {
  t.throws(() => spec('drop block=0'), { code: 'ERR_SPEC', message: /at least 1/ })
  t.throws(() => spec('drop nth=1'), { message: /drop nth= needs on=/ })
})
