import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { send } from '../../lib/send.js'
import { serve } from '../../lib/serve.js'
import { compose } from '../../lib/stages/compose.js'
import { cut } from '../../transforms/cut.js'
import { spec } from '../../transforms/spec.js'
import { noise } from '../laws/support.js'
import { checkCuts, checkSeeds, faulty, proxyWith, throughEcho } from '../lib/faults.js'
import { collect, endless, memorySink, silent } from '../lib/network.js'
import { cutAt, cutEvery } from '../lib/pipes.js'

const session = 'BEGIN;INSERT;COMMIT;BEGIN;COMMIT;'

t.test('where it ends', async t => {
  for (const [options, expected, offsets] of [
    ['', '', [0]],
    ['after=0', '', [0]],
    ['after=5', 'BEGIN', [5]],
    ['after=33', session, [33]],
    ['on=COMMIT', 'BEGIN;INSERT;COMMIT', [19]],
    ['on=COMMIT nth=2', 'BEGIN;INSERT;COMMIT;BEGIN;COMMIT', [32]],
    ["on='\\x3b' nth=4", 'BEGIN;INSERT;COMMIT;BEGIN;', [26]],
    ['on=BEGIN after=1', 'BEGIN;INSERT;COMMIT;BEGIN', [25]],
    ['connection=1', '', [0]],
    ['connection=2', session, []],
    ['probability=1', '', [0]],
    ['probability=1 block=10 after=11', session.slice(0, 20), [20]],
    ['probability=1 on=COMMIT', 'BEGIN;INSERT;COMMIT', [19]],
    ['probability=0', session, []],
    ['probability=0 on=COMMIT', session, []],
  ] as const) {
    for (const size of [1, 2, 3, 100]) {
      const {
        text,
        offsets: at,
        error,
        warnings,
      } = await faulty(`cut ${options}`, cutEvery(size, Buffer.from(session)))
      t.same({ text, at, error, warnings }, { text: expected, at: offsets, error: undefined, warnings: [] }, options)
    }
  }
})

t.test('a text that is cut at each two places', async t => {
  const bytes = Buffer.from('aCOMCOMMITb')
  for (let from = 0; from <= bytes.length; from++)
    for (let to = from; to <= bytes.length; to++)
      t.equal((await faulty('cut on=COMMIT', cutAt([from, to], bytes))).text, 'aCOMCOMMIT', `at ${from} and ${to}`)
})

t.test('any cuts', t => checkCuts(t, 'cut'))

t.test('seeds', t => checkSeeds(t, 'cut probability=0.02 block=1', noise(2000)))

t.test('one that never comes is a warning', async t => {
  for (const [options, expected] of [
    ['on=COMMIT nth=3 seed=42', 'reply: cut on=COMMIT nth=3 never fired: 2 of 3 found'],
    ['on=ROLLBACK', 'reply: cut on=ROLLBACK never fired: not found'],
    ['after=1k', 'reply: cut after=1k never fired: only 33 bytes arrived'],
    ['at=60s', 'reply: cut at=1m never fired: the stream ended earlier'],
  ] as const) {
    const { text, warnings, offsets } = await faulty(`cut ${options}`, session)
    t.equal(text, session)
    t.same({ warnings, offsets }, { warnings: [expected], offsets: [] })
  }
  t.same((await faulty('cut on=ROLLBACK connection=2', session)).warnings, [], 'another connection is meant')
  t.same((await faulty('cut after=9', '', null)).warnings, ['cut after=9 never fired: no byte arrived'])
})

t.test('the end comes with the match, and not with what is behind it', async t => {
  const stage = compose(cut({ on: 'bye' }))
  let ended = false
  stage.on('end', () => {
    ended = true
  })
  stage.resume()
  await new Promise(resolve => stage.write('by', resolve))
  t.notOk(ended)
  stage.write('e')
  await once(stage, 'end')
  stage.destroy()
})

t.test('a time, whether bytes come or not', async t => {
  for (const input of ['', 'abc']) {
    const stage = compose(cut({ at: 10 }))
    if (input) stage.write(input)
    t.equal(String(await collect(stage)), input)
    stage.destroy()
  }
})

t.test('through sockets: a client that waits gets the end', async t => {
  const { outcomes, summaries } = await throughEcho(t, 'cut on=COMMIT', ['a COMMIT b'])
  t.same(outcomes, [{ text: 'a COMMIT', ended: true, code: undefined }])
  t.match(summaries, [{ closedBy: 'local' }])
  t.same(summaries[0]?.warnings, [])
})

t.test('through sockets: only in the connection that is meant', async t => {
  const { outcomes, summaries } = await throughEcho(t, 'cut on=COMMIT connection=2', ['a COMMIT b', 'a COMMIT b', 'c'])
  t.same(
    outcomes.map(({ text }) => text),
    ['a COMMIT b', 'a COMMIT', 'c'],
  )
  t.same(
    summaries.map(({ warnings }) => warnings),
    [[], [], []],
  )
})

t.test('through a proxy: a half-close, and the other direction goes on', async t => {
  const { client, accepted, ends } = await proxyWith(t, 'cut on=COMMIT nth=2')
  const socket = client()
  socket.write('a COMMIT b COMMIT c')
  t.equal(String(await collect(socket)), 'a COMMIT b COMMIT')
  const got = once(accepted[0] as Socket, 'data')
  socket.end('and more')
  t.equal(String(await got), 'and more')
  t.match(await ends[0], { bytesIn: 27, bytesOut: 17, warnings: [] })
})

t.test('through sockets: what never came stands in the summary', async t => {
  const { summaries } = await throughEcho(t, 'cut on=COMMIT nth=2', ['a COMMIT b'])
  t.same(summaries[0]?.warnings, ['forward: cut on=COMMIT nth=2 never fired: 1 of 2 found'])
})

t.test('from an endless source, and from one that falls silent', async t => {
  await using server = await serve({ port: 0, reply: true })
  for (const from of [endless(), silent()]) {
    from.push(noise(100_000))
    const output = memorySink()
    const transforms = spec('cut on=never | cut after=100000')
    const summary = await send({ port: server.address.port, from, output, transforms })
    t.match(summary, { bytesOut: 100_000, closedBy: 'local' })
    t.same(summary.warnings, ['forward: cut on=never never fired: not found'])
    t.ok(output.data.equals(noise(100_000)))
    t.ok(from.destroyed, 'the source is released')
  }
})

t.test('what is refused', async t => {
  for (const [options, message] of [
    ['at=1s after=5', /cut takes at= or after=, not both/],
    ['at=1s on=x', /cut takes at= or on=, not both/],
    ['at=1s probability=0.5', /cut takes at= or probability=, not both/],
    ['nth=2', /cut nth= needs on=/],
    ['nth=2 on=x probability=1', /cut takes nth= or probability=, not both/],
    ['block=5', /cut block= needs probability= without on=/],
    ["on=''", /cut on: '' is not allowed/],
    ["on='\\y'", /cut on: '\\y' is not allowed; expected text; .* at most 65536 bytes/],
    ['probability=1.5', /cut probability: '1.5' is not allowed; expected a number, such as '0.5', from 0 to 1/],
    ['nth=0 on=x', /at least 1/],
    ['connection=0', /at least 1/],
    ['at=25h', /at most 24h/],
    ['COMMIT', /cut cannot take 'COMMIT'/],
  ] as const)
    t.throws(() => spec(`cut ${options}`), { code: 'ERR_SPEC', message }, options)
  t.throws(() => cut({ at: 1, after: 2 }), { code: 'ERR_OPTION' })
})
