import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { compose } from '../../lib/stages/compose.js'
import { reset } from '../../transforms/reset.js'
import { spec } from '../../transforms/spec.js'
import { noise } from '../laws/support.js'
import { checkCuts, checkSeeds, faulty, proxyWith, throughEcho } from '../lib/faults.js'
import { closed, outcome } from '../lib/network.js'
import { cutAt, cutEvery } from '../lib/pipes.js'

const session = 'BEGIN;INSERT;COMMIT;BEGIN;COMMIT;'
const message = (words: string, offset: number) => `fault in the reply direction: ${words} at byte ${offset}`

t.test('where it fails', async t => {
  for (const [options, expected, fault] of [
    ['', '', 'reset'],
    ['after=5', 'BEGIN', 'reset after=5'],
    ['after=33', session, 'reset after=33'],
    ['on=COMMIT', 'BEGIN;INSERT;COMMIT', 'reset on=COMMIT'],
    ['on=COMMIT nth=2', 'BEGIN;INSERT;COMMIT;BEGIN;COMMIT', 'reset on=COMMIT nth=2'],
    ['on=BEGIN after=1', 'BEGIN;INSERT;COMMIT;BEGIN', 'reset after=1 on=BEGIN'],
    ['connection=1', '', 'reset connection=1'],
    ['probability=1 block=10 after=11', session.slice(0, 20), 'reset after=11'],
    ['probability=1 on=COMMIT', 'BEGIN;INSERT;COMMIT', 'reset on=COMMIT'],
  ] as const) {
    for (const size of [1, 7, 100]) {
      const { text, offsets, error, warnings } = await faulty(`reset ${options}`, cutEvery(size, Buffer.from(session)))
      t.equal(text, expected, options)
      t.same(offsets, [expected.length])
      t.equal(String(error).replace(/, seed=\d+$/, ''), message(fault, expected.length))
      t.equal(/seed=/.test(String(error)), options.includes('probability'), 'with the seed if it was chance')
      t.same(warnings, [])
    }
  }
})

t.test('where it does not', async t => {
  for (const [options, warnings] of [
    ['connection=2', []],
    ['probability=0', []],
    ['on=COMMIT nth=3', ['reply: reset on=COMMIT nth=3 never fired: 2 of 3 found']],
    ['at=60s', ['reply: reset at=1m never fired: the stream ended earlier']],
  ] as const) {
    const { text, error, ...rest } = await faulty(`reset ${options}`, session)
    t.same({ text, error, warnings: rest.warnings }, { text: session, error: undefined, warnings }, options)
  }
})

t.test('a text that is cut at each two places', async t => {
  const bytes = Buffer.from('CO\r\r\nx')
  for (let from = 0; from <= bytes.length; from++)
    for (let to = from; to <= bytes.length; to++)
      t.equal((await faulty("reset on='\\r\\n'", cutAt([from, to], bytes))).text, 'CO\r\r\n', `at ${from} and ${to}`)
})

t.test('any cuts', t => checkCuts(t, 'reset'))

t.test('seeds', t => checkSeeds(t, 'reset probability=0.02 block=1', noise(2000)))

t.test('a time, whether bytes come or not', async t => {
  for (const input of ['', 'abc']) {
    const stage = compose(reset({ at: 10 }))
    let text = ''
    stage.on('data', chunk => {
      text += chunk
    })
    if (input) stage.write(input)
    const [error] = await once(stage, 'error')
    t.match(error, { code: 'ERR_FAULT', message: `fault: reset at=10ms at byte ${input.length}` })
    t.equal(text, input)
  }
})

t.test('through sockets: the client gets what is before it, and a reset', async t => {
  const { outcomes, summaries } = await throughEcho(t, 'reset after=5', ['hello and more', 'hello'])
  const reset = { text: 'hello', ended: false, code: 'ECONNRESET' }
  t.same(outcomes, [reset, reset])
  const failed = { closedBy: 'error', error: { code: 'ERR_FAULT' }, warnings: [] }
  t.match(summaries, [failed, failed])
})

t.test('through a proxy: both sides are reset', async t => {
  const { client, accepted, ends } = await proxyWith(t, 'reset after=5')
  const socket = client()
  const seen = outcome(socket)
  socket.write('hello')
  const { data, ended, code } = await seen
  t.same({ text: String(data), ended, code }, { text: 'hello', ended: false, code: 'ECONNRESET' })
  const [target] = accepted as [Socket]
  if (!target.closed) await closed(target)
  t.match(target.errored, { code: 'ECONNRESET' })
  t.match(await ends[0], {
    closedBy: 'error',
    error: { message: 'fault in the reply direction: reset after=5 at byte 5' },
  })
})

t.test('destroyed before its time, it leaves no timer', async t => {
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  const stage = compose(reset({ at: 60_000 }))
  stage.write('a')
  await setImmediate()
  t.equal(timers(), before + 1)
  stage.destroy()
  await closed(stage)
  t.equal(timers(), before)
})

t.test('what is refused', async t => {
  t.throws(() => spec('reset at=1s after=5'), { code: 'ERR_SPEC', message: /reset takes at= or after=, not both/ })
  t.throws(() => spec('reset block=5 on=x'), { message: /reset block= needs probability= without on=/ })
})
