/** Whatever a caller passes: the call is refused, or that connection fails. Nothing is left open. */

import { PassThrough, Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import {
  isSendError,
  type ProxyOptions,
  proxy,
  type SendOptions,
  type ServeOptions,
  type Summary,
  send,
  serve,
} from '../../lib/index.js'
import { resources, restored } from '../fuzz/resources.js'
import { clientOf, failOnWarning, listener, memorySink, outcome, portOf, silent } from '../lib/network.js'

/** Does the work, and waits until what it has opened is closed. The timeout of the test bounds it. */
async function leavesNothing(t: Test, title: string, work: () => Promise<unknown>): Promise<void> {
  await setImmediate()
  const before = resources()
  const opened = await work()
  await restored(`${title}: resources`, before, resources, 10_000)
  t.equal(opened, undefined, title)
}

const boom = new Error('on purpose')
const throws = () => {
  throw boom
}
const rejects = () => Promise.reject(boom)
const values: readonly unknown[] = [0, true, 'x', {}, [], null, throws]

/** Which of the values an option may be; the others are refused. */
const servers: Record<string, readonly unknown[]> = {
  ...{ listen: [], host: ['x'], port: [0], path: ['x'], tls: [], once: [true], signal: [], maxRecord: [] },
  ...{ socketMode: [], ipv6Only: [] },
  ...{ maxConnections: [], maxPerIp: [], maxBytes: [], allow: [], deny: [[]], log: [], observer: [{}, []] },
  ...{ maxDuration: [0], handshakeTimeout: [0], firstByteTimeout: [0], idleTimeout: [0], halfClosedTimeout: [0] },
  ...{ proxyProtocol: [], sendProxyProtocol: [] },
  ...{ transforms: [throws], replyTransforms: [throws], onConnection: [throws] },
}

function isAccepted(value: unknown, accepted: readonly unknown[]): boolean {
  return accepted.some(each => each === value || (typeof each === 'object' && String(each) === String(value)))
}

t.test('a value of a wrong type is refused before anything is opened (G-41)', async t => {
  failOnWarning(t)
  const to = { port: portOf(await listener(t, () => t.fail('it has connected'))) }
  for (const [title, call, options] of [
    [
      'serve',
      (given: object) => serve({ port: 0, to: memorySink(), ...given } as ServeOptions),
      { ...servers, to: ['x', throws], reply: [], from: [throws], connectTimeout: [], targetTls: [] },
    ],
    [
      'proxy',
      (given: object) => proxy({ port: 0, to, ...given } as ProxyOptions),
      { ...servers, to: ['x'], connectTimeout: [0], targetTls: [] },
    ],
    [
      'send',
      (given: object) => send({ to, from: '', output: memorySink(), ...given } as SendOptions),
      {
        ...{
          to: ['x'],
          host: ['x'],
          path: ['x'],
          port: [0],
          tls: [true, {}, []],
          from: ['x', []],
          output: ['x'],
          bind: ['x'],
        },
        ...{ transforms: [throws], replyTransforms: [throws], onConnect: [throws], observer: [{}, []] },
        ...{ family: [], retry: [0], onEof: [], wait: [0], maxRecord: [], signal: [], log: [] },
        ...{ connectTimeout: [0], handshakeTimeout: [0], idleTimeout: [0], maxDuration: [0] },
      },
    ],
  ] as const)
    for (const [name, accepted] of Object.entries(options))
      for (const value of values.filter(each => !isAccepted(each, accepted))) {
        const what = `${title} ${name}: ${String(value)}`
        // With `to`, host, port and path have no effect, but their types are checked all the same.
        const rest = title === 'send' && /^(host|path|port)$/.test(name) ? { to: undefined } : {}
        await leavesNothing(t, what, async () => {
          const error: { code?: string; message: string } = await call({ ...rest, [name]: value }).then(
            () => ({ message: 'it was taken' }),
            error => error,
          )
          t.match(error, { code: /^ERR_(OPTION|ADDRESS)$/ }, `${what} → ${error.message}`)
        })
      }
  for (const call of [serve, proxy, send] as ((options: never) => Promise<unknown>)[])
    for (const options of [null, 'x', 5])
      await t.rejects(call(options as never), { code: 'ERR_OPTION', message: /^options: / })
  await t.rejects(serve({ port: 0 }, 'x' as never), { code: 'ERR_OPTION', message: /^handler: 'x' is not allowed/ })
})

const broken = { child: throws, debug: throws, info: throws, warn: throws, error: throws }
const loud = { ...broken, child: () => broken }
const observers = [throws, rejects].map(fail => ({
  ...{ listening: fail, opened: fail, refused: fail, handshakeFailed: fail, closed: fail, stopped: fail },
}))
/** What cannot be shown, or not changed. */
const strange: unknown[] = [
  Object.create(null),
  { toString: throws },
  Object.defineProperty(new Error('x'), 'code', { get: throws }),
  Object.defineProperty(new Error('x'), 'message', { get: throws }),
  Object.freeze(new Error('frozen')),
]
const thrower = (value: unknown) => () => {
  throw value
}
const stages = [() => [throws], () => [rejects], () => [{ write: throws, flush: throws, destroy: throws }], throws]
const badSinks = [throws, rejects, () => {}, () => 5, () => ({ write() {}, on() {} }), () => new Writable()]
const badSources = [throws, rejects, () => {}, () => 5, () => [{}], () => ({ [Symbol.iterator]: throws })]

/** Options that fail with a connection. */
const mistakes: [name: string, list: readonly unknown[]][] = [
  ['onConnection', [throws, rejects]],
  ['transforms', stages],
  ['replyTransforms', stages],
  ['observer', observers],
  ['log', [broken, loud]],
]

t.test('code of the caller that fails, fails its connection, and nothing is left (G-41)', async t => {
  failOnWarning(t)
  for (const [name, list] of [...mistakes, ['to', badSinks], ['from', badSources]] as typeof mistakes)
    for (const [i, value] of list.entries())
      await leavesNothing(t, `serve ${name} ${i}`, async () => {
        const rest = name === 'replyTransforms' ? { from: () => 'x' } : {}
        const server = await serve({ port: 0, to: memorySink(), ...rest, [name]: value } as ServeOptions)
        for (let turn = 0; turn < 2; turn++) {
          const client = clientOf(t, server.address)
          client.end('x')
          await outcome(client.resume())
        }
        await server.close()
      })
  for (const handler of [throws, rejects])
    await leavesNothing(t, 'handler', async () => {
      const server = await serve({ port: 0 }, handler)
      await outcome(clientOf(t, server.address))
      await server.close()
    })
})

t.test('whatever is thrown, however it comes, fails its connection alone (G-54)', async t => {
  failOnWarning(t)
  const ways: [string, (value: unknown) => object][] = [
    ['a function', value => ({ transforms: () => [thrower(value)] })],
    ['a rejection', value => ({ transforms: () => [() => Promise.reject(value)] })],
    [
      'a Transform',
      value => ({ transforms: () => [new PassThrough({ transform: (_c, _e, done) => done(value as Error) })] }),
    ],
    [
      'a source',
      value => ({
        from: () =>
          (function* () {
            yield 'x'
            throw value
          })(),
      }),
    ],
    ['a sink', value => ({ to: () => new Writable({ write: (_c, _e, done) => done(value as Error) }) })],
  ]
  for (const [title, optionsFor] of ways)
    for (const [i, value] of strange.entries())
      await leavesNothing(t, `${title} ${i}`, async () => {
        const ended: Summary[] = []
        const observer = { closed: (summary: Summary) => void ended.push(summary) }
        const server = await serve({ port: 0, to: memorySink(), observer, ...optionsFor(value) } as ServeOptions)
        const client = clientOf(t, server.address)
        client.end('x')
        await outcome(client.resume())
        await server.close()
        t.type(ended[0]?.error, Error, `${title} ${i}`)
      })
})

t.test('the same in a proxy (G-41)', async t => {
  const target = await listener(t, socket => void socket.pipe(socket))
  const to = { port: portOf(target) }
  for (const [name, list] of mistakes)
    for (const [i, value] of list.entries())
      await leavesNothing(t, `proxy ${name} ${i}`, async () => {
        const link = await proxy({ port: 0, to, [name]: value } as ProxyOptions)
        const client = clientOf(t, link.address)
        client.end('x')
        await outcome(client)
        await link.close()
      })
})

t.test('the same in send (G-41)', async t => {
  const target = await listener(t, socket => void socket.pipe(socket))
  const to = { port: portOf(target) }
  const own: typeof mistakes = [
    ['onConnect', [throws, rejects]],
    ['from', badSources.slice(4).map(make => make())],
    ['output', [new Writable(), new Writable({ write: throws })]],
    ...mistakes.filter(([name]) => name !== 'onConnection'),
  ]
  for (const [name, list] of own)
    for (const [i, value] of list.entries())
      await leavesNothing(t, `send ${name} ${i}`, async () => {
        const from = name === 'from' ? {} : { from: 'x' }
        await send({ to, ...from, output: memorySink(), [name]: value } as SendOptions).catch(() => {})
      })
})

t.test('an abort after any number of turns leaves nothing (G-41)', async t => {
  failOnWarning(t)
  const target = await listener(t, socket => void socket.resume())
  const to = { port: portOf(target) }
  for (const [title, call] of [
    ['serve', (signal: AbortSignal) => serve({ port: 0, signal, to: memorySink() }).then(({ closed }) => closed)],
    ['proxy', (signal: AbortSignal) => proxy({ port: 0, signal, to }).then(({ closed }) => closed)],
    ['send', (signal: AbortSignal) => send({ to, signal, from: silent(), output: memorySink() })],
  ] as const)
    for (let turns = 0; turns < 30; turns++)
      await leavesNothing(t, `${title} after ${turns} turns`, async () => {
        const controller = new AbortController()
        const done = Promise.resolve(call(controller.signal)).then(() => {})
        done.catch(() => {})
        for (let turn = 0; turn < turns; turn++) await (turn % 3 === 2 ? setImmediate() : null)
        controller.abort()
        await t.rejects(done, { name: 'AbortError' })
      })
})

t.test('send: a frozen error of the user has a summary, too (G-54)', async t => {
  const target = await listener(t, socket => void socket.pipe(socket))
  const frozen = Object.freeze(Object.assign(new Error('frozen'), { code: 'OWN' }))
  const transforms = () => [thrower(frozen)]
  const failed: unknown = await send({
    to: { port: portOf(target) },
    from: 'x',
    output: memorySink(),
    transforms,
  }).catch(error => error)
  t.ok(isSendError(failed))
  t.match(failed, { message: 'frozen', code: 'OWN', cause: frozen, summary: { error: frozen } })
})
