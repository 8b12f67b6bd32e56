import t from 'tap'
import type { Chain } from '../../../lib/connection/chain.js'
import { bytes, defineTransform, flag, words } from '../../../lib/stages/define.js'
import { parse } from '../../../lib/stages/spec.js'
import { type Faults, openFaults } from '../../../lib/ui/faults.js'
import { corrupt, cut, delay, drop, reset, stall, throttle } from '../../../transforms/index.js'
import { all } from '../../laws/support.js'
import { turns } from '../stats/stopped-clock.js'
import { openProxy } from './support.js'

const entries = [delay, throttle, cut, reset, stall, corrupt, drop]

async function open(t: Parameters<typeof openProxy>[0], offered = entries as Parameters<typeof openFaults>[1]) {
  const opened = await openProxy(t)
  const faults: Faults = openFaults(opened.link, offered)
  t.teardown(() => faults.close())
  return { ...opened, faults }
}

t.test('those that can be switched on, with their options as texts', async t => {
  const { available } = openFaults({}, entries)
  t.same(
    available().map(({ name }) => name),
    ['delay', 'throttle', 'cut', 'reset', 'stall', 'corrupt', 'drop'],
  )
  const [first, , , , , last] = available()
  t.equal(first?.summary, 'delay everything, like a long network path')
  t.same(
    first?.options.map(({ name }) => name),
    ['latency', 'jitter', 'max', 'after', 'at', 'on', 'nth', 'probability', 'seed', 'block'],
    'the connection is no option',
  )
  t.same(first?.options[0], {
    name: 'latency',
    summary: 'how long to delay',
    required: true,
    positional: true,
    default: null,
    allowed: "a duration, such as '250ms', '10s' or '10' (seconds), at most 1m",
  })
  t.match(first?.options[2], { name: 'max', default: '16m', required: false, positional: false })
  t.match(last?.options[0], { name: 'bits', default: '1' })
  const summary = 'more'
  const plain = defineTransform({ name: 'plain', summary, unit: 'bytes', create: () => chunk => chunk })
  const fast = defineTransform({
    name: 'fast',
    summary,
    unit: 'bytes',
    options: { really: flag('x') },
    create: () => chunk => chunk,
  })
  t.match(openFaults({}, [plain, fast]).available(), [
    { name: 'plain', options: [] },
    { name: 'fast', options: [{ name: 'really', default: 'false', words: ['true', 'false'] }] },
  ])
})

t.test('one that is switched on applies to running and to new connections, until it is switched off', async t => {
  const { faults, connect, link } = await open(t)
  const running = await connect()
  await running.client.say('abc')
  const added = await faults.switchOn({ name: 'drop', direction: 'forward', options: { on: '!', block: '2' } })
  t.same(added, {
    id: '1',
    name: 'drop',
    direction: 'forward',
    options: { on: '!', block: '2' },
    connection: null,
    spec: "drop on='!' block=2",
    fired: 0,
  })
  t.same(link.forward.list(), ['fault-1-drop'])
  const later = await connect()
  await running.client.say('d!ef')
  await later.client.say('g!hij!')
  t.equal(running.target.heard(), 'abcd!')
  t.equal(later.target.heard(), 'g!j!')
  t.match(faults.on(), [{ id: '1', fired: 2 }])
  await faults.switchOff('1')
  t.same(faults.on(), [])
  t.same(link.forward.list(), [])
  await running.client.say('k!lm')
  await later.client.say('k!lm')
  t.equal(running.target.heard(), 'abcd!k!lm')
  t.equal(later.target.heard(), 'g!j!k!lm')
  t.equal((await faults.switchOn({ name: 'delay', direction: 'reply', options: { latency: '1ms' } })).id, '2')
})

t.test('a fault of one connection is for that one only', async t => {
  const { faults, connect, ends } = await open(t)
  const [one, two] = [await connect(), await connect()]
  await faults.switchOn({ name: 'drop', direction: 'reply', options: { on: '!', block: '1' }, connection: 2 })
  await faults.switchOn({ name: 'cut', direction: 'forward', options: { on: 'END' }, connection: 2 })
  const three = await connect()
  for (const { client, target } of [one, two, three]) {
    await client.say('a END b')
    await target.say('a!bc')
  }
  t.equal(one.client.heard() + three.client.heard(), 'a!bca!bc')
  t.equal(one.target.heard(), 'a END b')
  t.equal(two.client.heard(), 'a!c')
  t.equal(two.target.heard(), 'a END.')
  t.match(faults.on(), [
    { connection: 2, fired: 1 },
    { connection: 2, fired: 1 },
  ])
  await two.client.end()
  await two.target.end()
  t.match(await ends[1], {
    faults: [
      { fault: 'cut', direction: 'forward' },
      { fault: 'drop', direction: 'reply' },
    ],
  })
})

t.test(
  'faults stand behind all stages, in the order in which they were switched on, and count what is theirs',
  async t => {
    const { faults, connect, link } = await open(t)
    await link.forward.set('own', () => [reset({ on: 'never' }), corrupt({ on: '?', bits: 8 })])
    await faults.switchOn({ name: 'corrupt', direction: 'forward', options: { on: '!', bits: '8' } })
    await faults.switchOn({ name: 'corrupt', direction: 'forward', options: { on: '+', bits: '8' } })
    t.same(link.forward.list(), ['own', 'fault-1-corrupt', 'fault-2-corrupt'])
    const { client, target } = await connect()
    await client.say('a?b!c!d+e')
    t.same(
      target.bytes(),
      Buffer.from('a?b!c!d+e').map((byte, i) => ([2, 4, 6, 8].includes(i) ? byte ^ 255 : byte)),
    )
    t.match(faults.on(), [{ fired: 2 }, { fired: 1 }])
  },
)

t.test('what a fault holds goes on when it is switched off', async t => {
  const { faults, connect } = await open(t)
  const { client, target } = await connect()
  for (const [i, options] of [
    ['delay', { latency: '60s' }],
    ['stall', { after: '0' }],
    ['throttle', { rate: '1' }],
  ].entries()) {
    const [name, values] = options
    await faults.switchOn({ name, direction: 'forward', options: values })
    await client.say(`text ${i}`)
    t.notMatch(target.heard(), `text ${i}`)
    await faults.switchOff(String(i + 1))
    await turns()
    t.match(target.heard(), `text ${i}`)
  }
  await client.end()
  t.equal(target.heard(), 'text 0text 1text 2.')
})

t.test('a peer that does not read delays no answer', async t => {
  const { faults, connect } = await open(t)
  const { client, target } = await connect()
  target.stream.pause()
  await faults.switchOn({ name: 'corrupt', direction: 'forward', options: { on: 'never' } })
  const input = Buffer.alloc(1_000_000, 'x')
  client.stream.write(input)
  await turns(200)
  await faults.switchOff('1')
  t.same(faults.on(), [])
  target.stream.resume()
  await client.end()
  await turns(200)
  t.ok(target.bytes().equals(input))
})

t.test('a fault whose segment others have removed is switched off', async t => {
  const { faults, link } = await open(t)
  await faults.switchOn({ name: 'cut', direction: 'forward', options: { on: 'x' } })
  await link.forward.clear()
  await faults.switchOff('1')
  t.same(faults.on(), [])
})

t.test('close switches off all, one or two directions', async t => {
  const { faults, link } = await open(t)
  await faults.switchOn({ name: 'cut', direction: 'forward', options: { on: 'x' } })
  await faults.switchOn({ name: 'cut', direction: 'reply', options: { on: 'x' } })
  await faults.close()
  t.same([faults.on(), link.forward.list(), link.reply.list()], [[], [], []])
})

t.test('the text of a fault means the same on the command line', async t => {
  const run = defineTransform({
    name: 'run',
    summary: 'a program',
    unit: 'bytes',
    options: { command: words('what to run') },
    create: () => chunk => chunk,
  })
  const { faults } = await open(t, [...entries, run])
  for (const [name, options, spec] of [
    ['cut', { on: "it's a \\n | b", after: '1k' }, "cut on='it'\\''s a \\n | b' after=1k"],
    ['reset', {}, 'reset'],
    ['delay', { latency: '1', jitter: null, at: '2s' }, 'delay latency=1 at=2s'],
    ['run', { command: 'some program' }, "run 'some program'"],
  ] as const) {
    const info = await faults.switchOn({ name, direction: 'forward', options })
    t.equal(info.spec, spec)
    t.equal(parse(info.spec, { ...all, run }).length, 1)
  }
})

t.test('what is wrong is refused, with the reason, and changes nothing', async t => {
  const { faults, link } = await open(t)
  const right = { name: 'delay', direction: 'forward', options: { latency: '1s' } }
  const names = 'delay, throttle, cut, reset, stall, corrupt, drop'
  const allowed = "a duration, such as '250ms', '10s' or '10' (seconds), at most 1m"
  for (const [request, status, message] of [
    [null, 400, 'the request: null is not allowed; expected an object'],
    [{ direction: 'forward' }, 400, `name is missing; expected ${names}`],
    [{ ...right, name: 'gzip' }, 400, `name: 'gzip' is not allowed; expected ${names}`],
    [{ ...right, direction: undefined }, 400, 'direction is missing; expected forward, reply'],
    [{ ...right, direction: 'both' }, 400, "direction: 'both' is not allowed; expected forward, reply"],
    [{ ...right, connection: '1' }, 400, "connection: '1' is not allowed; expected a whole number from 1"],
    [{ ...right, more: 1 }, 400, "there is no member 'more'; expected name, direction, options, connection"],
    [{ ...right, options: 'x' }, 400, "options: 'x' is not allowed; expected an object"],
    [{ ...right, options: { latency: 5 } }, 400, 'latency: 5 is not allowed; expected a text'],
    [{ ...right, options: { connection: '5' } }, 400, /^there is no option 'connection'; expected latency, jitter, /],
    [{ ...right, options: { latency: 'x' } }, undefined, /^delay latency: 'x' is not allowed; expected a duration/],
    [{ ...right, options: { latency: '61s' } }, undefined, `delay latency: '61s' is not allowed; expected ${allowed}`],
    [{ ...right, options: {} }, undefined, 'delay needs latency: how long to delay'],
    [{ ...right, options: { latency: '1s', nth: '2' } }, undefined, 'delay nth= needs on='],
  ] as const) {
    const code = status === undefined ? { code: 'ERR_OPTION' } : { status }
    await t.rejects(faults.switchOn(request), { ...code, message }, JSON.stringify(request))
  }
  await t.rejects(faults.switchOff('1'), { status: 404, message: "there is no fault '1'" })
  t.same([faults.on(), link.forward.list()], [[], []])
  const message = "direction: 'forward' is not allowed; no stages can be changed"
  await t.rejects(openFaults({}, entries).switchOn(right), { status: 400, message })
})

t.test('32 are on at most', async t => {
  const { faults } = await open(t)
  const request = { name: 'cut', direction: 'reply', options: { on: 'x' } }
  for (let i = 0; i < 32; i++) await faults.switchOn(request)
  await t.rejects(faults.switchOn(request), { status: 409, message: '32 faults are on; switch one off first' })
  await faults.switchOff('7')
  t.equal((await faults.switchOn(request)).id, '33')
})

t.test('a change that the chain refuses changes nothing', async t => {
  const chain = { list: () => [], set: () => Promise.reject(new Error('not now')) } as unknown as Chain
  const refused = openFaults({ forward: chain }, entries)
  await t.rejects(refused.switchOn({ name: 'reset', direction: 'forward' }), { message: 'not now' })
  t.same(refused.on(), [])
  const summary = 'cannot be cut'
  const whole = defineTransform({
    name: 'whole',
    summary,
    unit: 'bytes',
    indivisible: true,
    options: { size: bytes('x') },
    create: () => chunk => chunk,
  })
  const { faults, connect } = await open(t, [whole])
  await faults.switchOn({ name: 'whole', direction: 'forward' })
  const { client } = await connect()
  await client.say('a')
  await t.rejects(faults.switchOff('1'), { code: 'ERR_STAGE' })
  t.match(faults.on(), [{ id: '1' }])
  await faults.close()
})
