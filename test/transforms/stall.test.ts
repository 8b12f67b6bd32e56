import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { openContext } from '../../lib/stages/context.js'
import { spec } from '../../transforms/spec.js'
import { stall } from '../../transforms/stall.js'
import { memoryLog, noise } from '../laws/support.js'
import { checkCuts, checkSeeds, faulty, proxyWith, throughEcho } from '../lib/faults.js'
import { closed, collect } from '../lib/network.js'
import { cutEvery, settled } from '../lib/pipes.js'

const session = 'BEGIN;INSERT;COMMIT;BEGIN;COMMIT;'

type Options = Parameters<typeof stall>[0]

/** A stage, what it has given, its log and its warnings. */
function open(options: Options) {
  const { log, lines } = memoryLog()
  const warnings: string[] = []
  const { context, replace } = openContext({ log, warn: message => warnings.push(message) })
  const stage = stall.recipe(options as Record<string, unknown>).create(context) as ReturnType<typeof stall>
  let text = ''
  stage.on('data', chunk => {
    text += chunk
  })
  return { stage, text: () => text, lines, warnings, replace }
}

t.test('for a while: everything passes, and it comes where it is to', async t => {
  for (const [options, offsets] of [
    ['', [0]],
    ['after=5', [5]],
    ['after=33', [33]],
    ['on=COMMIT', [19, 32]],
    ['on=COMMIT nth=2', [32]],
    ['on=COMMIT after=15', [32]],
    ['connection=1', [0]],
    ['connection=2', []],
    ['probability=1 block=10 after=11', [20, 30]],
    ['probability=1 on=COMMIT', [19, 32]],
    ['probability=0', []],
  ] as const) {
    for (const size of [1, 7, 100]) {
      const start = performance.now()
      const { text, warnings, error, ...ran } = await faulty(
        `stall for=2ms ${options}`,
        cutEvery(size, Buffer.from(session)),
      )
      t.same({ text, warnings, error }, { text: session, warnings: [], error: undefined }, options)
      t.same(ran.offsets, offsets)
      const took = performance.now() - start
      t.ok(took >= offsets.length, `${took} ms`)
    }
  }
})

t.test('any cuts', t => checkCuts(t, 'stall for=1ms'))

t.test('seeds', t => checkSeeds(t, 'stall for=1ms probability=0.01 block=1', noise(600)))

t.test('for ever: what is before it has passed, the writer and the end wait, until it is replaced', async t => {
  for (const [options, passed] of [
    [{}, ''],
    [{ after: 3 }, 'abc'],
    [{ on: 'd' }, 'abcd'],
    [{ on: 'f' }, 'abcdef'],
    [{ probability: 1, block: 2, after: 2 }, 'ab'],
  ] as const) {
    const { stage, text, lines, warnings, replace } = open(options)
    let written = false
    stage.write('abcdef', () => {
      written = true
    })
    stage.end()
    await settled(() => text().length)
    t.equal(text(), passed)
    t.notOk(written)
    t.match(lines, [{ msg: 'fault', fault: 'stall', offset: passed.length }])
    t.equal(lines.length, 1)
    replace()
    await once(stage, 'end')
    t.equal(text(), 'abcdef')
    t.equal(lines.length, 1, 'it does not stall again')
    t.same(warnings, [])
  }
})

t.test('what has not come when it is replaced does not come any more, and is no warning', async t => {
  const { stage, text, lines, warnings, replace } = open({ on: 'b' })
  stage.write('a')
  replace()
  stage.end('b')
  await once(stage, 'end')
  t.equal(text(), 'ab')
  t.same([...lines, ...warnings], [])
})

t.test('a time, whether bytes come or not', async t => {
  for (const input of ['', 'abc']) {
    const { stage, text, lines, replace } = open({ at: 10 })
    if (input) stage.write(input)
    else stage.read(0)
    while (lines.length === 0) await setImmediate()
    stage.end('more')
    await settled(() => text().length)
    t.equal(text(), input)
    t.match(lines, [{ offset: input.length }])
    replace()
    await once(stage, 'end')
    t.equal(text(), `${input}more`)
  }
})

t.test('one that never comes is a warning', async t => {
  for (const [options, expected] of [
    ['on=COMMIT nth=3', 'reply: stall on=COMMIT nth=3 never fired: 2 of 3 found'],
    ['at=60s', 'reply: stall at=1m never fired: the stream ended earlier'],
    ['after=1k for=1s', 'reply: stall after=1k never fired: only 33 bytes arrived'],
  ] as const)
    t.same((await faulty(`stall ${options}`, session)).warnings, [expected])
})

t.test('destroyed while it stalls, it leaves no timer', async t => {
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  const { stage, text } = open({ after: 1, for: 60_000 })
  stage.write('abc')
  await settled(() => text().length)
  t.equal(timers(), before + 1)
  stage.destroy()
  await closed(stage)
  t.equal(timers(), before)
})

t.test('through sockets', async t => {
  const { outcomes } = await throughEcho(t, 'stall on=b for=10ms', ['abc'])
  t.same(outcomes, [{ text: 'abc', ended: true, code: undefined }])
})

t.test('through a proxy: it goes on when the transforms are changed', async t => {
  const { link, client, ends } = await proxyWith(t, 'stall on=b | stall on=never')
  const socket = client()
  socket.write('abc')
  t.equal(String(await once(socket, 'data')), 'ab')
  socket.write('def')
  const rest = collect(socket)
  await link.reply.clear()
  socket.end('ghi')
  t.equal(String(await rest), 'cdefghi')
  t.same((await ends[0])?.warnings, [])
})

t.test('what is refused', async t => {
  t.throws(() => spec('stall for=0'), {
    code: 'ERR_SPEC',
    message: /stall for: '0' is not allowed; .* from 1ms to 24h/,
  })
  t.throws(() => spec('stall at=1s on=x'), { message: /stall takes at= or on=, not both/ })
})
