import t from 'tap'
import { toAddress } from '../../../lib/endpoints/address.js'
import type { Arrival } from '../../../lib/endpoints/endpoint.js'
import { admit } from '../../../lib/server/admission.js'
import { close, disable, enable, listen, stop } from '../../../lib/server/closing.js'
import { type ServerState, statsOf } from '../../../lib/server/state.js'
import { clientOf, outcome, until } from '../network.js'
import { client, defaults, stateOf } from './states.js'

/** As the server has it. */
const closedOf = (state: ServerState) => state.whenStopped.then(() => Promise.all(state.running)).then(() => {})

t.test('to stop is to close the listener, and to end the handshakes', async t => {
  const state = stateOf()
  stop(state)
  await state.whenStopped
  t.ok(state.isOver)
  t.match(state.handshakes.signal.reason, { code: 'ERR_CLOSED', message: 'the server was closed' })
})

t.test('closed without a connection none is cut', async t => {
  const state = stateOf()
  t.equal(await close(state, closedOf(state), {}), 0)
})

t.test('connections that have not ended in time are cut, and told why', async t => {
  const controller = new AbortController()
  for (const [drain, options, closedBy] of [
    [5, {}, { closedBy: 'timeout', timeout: 'drain' }],
    [0, {}, { closedBy: 'signal', error: { message: 'the server was closed' } }],
    [0, { signal: controller.signal }, { closedBy: 'signal', error: { name: 'AbortError' } }],
  ] as const) {
    if ('signal' in options) controller.abort()
    const state = stateOf(options)
    const { arrival, leg } = client()
    const seen = outcome(leg.stream)
    admit(state, arrival)
    const [connection] = state.active
    t.equal(await close(state, closedOf(state), { drain }), 1)
    t.match(await seen, { ended: false, code: 'ECONNRESET' })
    t.match(await connection?.closed, closedBy)
  }
})

t.test('connections that end in time are not cut', async t => {
  let finish = () => {}
  const state = stateOf({}, () => new Promise<void>(resolve => (finish = resolve)))
  const { arrival, leg } = client()
  leg.stream.once('end', () => leg.stream.end()).resume()
  admit(state, arrival)
  const closing = close(state, closedOf(state), {})
  finish()
  t.equal(await closing, 0)
})

t.test('disabled it resets its connections, and enabled it listens again', async t => {
  const state = stateOf()
  const { arrival, leg } = client()
  const seen = outcome(leg.stream)
  admit(state, arrival)
  await disable(state)
  await disable(state)
  t.match(await seen, { code: 'ECONNRESET' })
  const { handshakes } = state
  t.ok(handshakes.signal.aborted)
  await enable(state, () => {})
  await enable(state, () => {})
  t.match(state, { isDisabled: false, isEnabling: false })
  t.notOk(state.handshakes.signal.aborted)
  t.match(state.listener?.bound, { address: 'state', family: 'memory' })
  stop(state)
  await state.whenStopped
  await t.rejects(
    enable(state, () => {}),
    { code: 'ERR_CLOSED' },
  )
  await disable(state)
  t.notOk(state.isDisabled)
})

t.test('closed while it is being enabled it does not listen', async t => {
  const state = stateOf()
  await disable(state)
  const enabled = enable(state, () => {})
  stop(state)
  await t.rejects(enabled, { code: 'ERR_CLOSED' })
  await state.whenStopped
  await (await listen(state, () => {})).close()
  t.ok(state.isOver, 'and the name is free')
})

t.test('the port that it had is the one that it gets again', async t => {
  const state = { ...stateOf(), address: { scheme: 'tcp', host: '127.0.0.1', port: 0 } as const }
  const first = await listen(state, () => {})
  const { port } = first.bound
  await first.close()
  const second = await listen(state, () => {}, port)
  t.equal(second.bound.port, port)
  await second.close()
})

t.test('each handshake has the contexts of its time: they may be replaced', async t => {
  const address = { scheme: 'tls', host: '127.0.0.1', port: 0 } as const
  const asked: number[] = []
  const accept = (number: number) => async () => {
    asked.push(number)
    throw new Error('no handshake')
  }
  const contexts = { ...defaults.contexts, accept: accept(1) }
  const state = { ...stateOf({ contexts }), address }
  const arrivals: Arrival[] = []
  const listener = await listen(state, arrival => void arrivals.push(arrival))
  for (const number of [1, 2]) {
    contexts.accept = accept(number)
    clientOf(t, listener.bound)
    await until(() => arrivals.length === number)
    const arrival = arrivals.at(-1) as Arrival
    await t.rejects(Promise.resolve(arrival.open()), { message: 'no handshake' })
    arrival.refuse(new Error('no handshake'))
  }
  t.same(asked, [1, 2])
  await listener.close()
})

t.test('the time to drain is checked', async t => {
  const state = stateOf()
  for (const drain of [-1, Number.NaN, '5'])
    await t.rejects(close(state, closedOf(state), { drain: drain as number }), {
      code: 'ERR_OPTION',
      message: /^drain: .* is not allowed; expected milliseconds/,
    })
  t.equal(await close(state, closedOf(state), { drain: Number.POSITIVE_INFINITY }), 0)
})

t.test('a client without the header of its balancer is refused, counted and told', async t => {
  const heard: unknown[] = []
  const observer = { refused: (event: unknown) => void heard.push(event) }
  const state = { ...stateOf({ proxyProtocol: { from: ['127.0.0.1'] }, observer }), address: toAddress('0') }
  const listener = await listen(state, () => t.fail('nobody has arrived'))
  t.teardown(() => void listener.close())
  const socket = clientOf(t, { port: listener.bound.port })
  socket.write('hello')
  t.match(await outcome(socket), { ended: false, code: 'ECONNRESET' })
  t.match(heard, [{ reason: 'proxyProtocol', remote: '127.0.0.1', error: { code: 'ERR_PROXY_PROTOCOL' } }])
  t.equal(statsOf(state).refused.proxyProtocol, 1)
})
