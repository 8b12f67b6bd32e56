import t from 'tap'
import { admit } from '../../../lib/server/admission.js'
import { newHandshakes, statsOf } from '../../../lib/server/state.js'
import { failOnWarning, recorder } from '../network.js'
import { client, stateOf } from './states.js'

t.test('a server begins with no connection, and as one that listens', async t => {
  const state = stateOf()
  t.match(state, { isOver: false, isDisabled: false, isEnabling: false, tally: undefined, mayConnect: undefined })
  t.match(statsOf(state), { accepted: 0, failed: 0, connections: [] })
})

t.test('its limits and its log are made of its options', async t => {
  const { log, lines } = recorder()
  const heard: unknown[] = []
  const observer = { refused: (event: unknown) => void heard.push(event) }
  const state = stateOf({ maxPerIp: 1, deny: ['10.0.0.1'], log, observer })
  t.ok(state.tally?.enter('10.0.0.2'))
  t.equal(state.tally?.enter('10.0.0.2'), undefined)
  t.same(['10.0.0.1', '10.0.0.2'].map(state.mayConnect as () => boolean), [false, true])
  state.observer.refused({ reason: 'access', remote: '10.0.0.1' })
  t.same(heard, [{ reason: 'access', remote: '10.0.0.1' }])
  t.match(lines, [{ msg: 'connections refused' }])
})

t.test('its figures have the connections that are open', async t => {
  const state = stateOf()
  const { arrival, leg } = client()
  t.teardown(() => leg.stream.destroy())
  admit(state, arrival)
  t.match(statsOf(state), { accepted: 1, connections: [{ number: 1, remote: 'memory' }] })
})

t.test('it has stopped when it is told so', async t => {
  const state = stateOf()
  state.stopped()
  await t.resolves(state.whenStopped)
})

t.test('any number of handshakes may wait for the same signal', async t => {
  failOnWarning(t)
  const handshakes = newHandshakes()
  let ended = 0
  for (let i = 0; i < 50; i++) handshakes.signal.addEventListener('abort', () => ended++)
  await new Promise(setImmediate) // a warning would have come
  handshakes.abort()
  t.equal(ended, 50)
})

t.test('one of several processes logs its connections, and not what concerns all', async t => {
  const { log, lines } = recorder()
  const state = stateOf({ log, worker: { number: 1, of: 2 } })
  state.observer.listening({ address: 'state', family: 'memory', port: 0, maxConnections: 1 })
  state.observer.refused({ reason: 'access', remote: '10.0.0.1' })
  state.observer.stopped({ ...statsOf(state), refused: { ...statsOf(state).refused, access: 1 } })
  t.same(
    lines.map(({ msg }) => msg),
    ['connections refused'],
  )
})
