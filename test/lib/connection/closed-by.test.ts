import t from 'tap'
import { closedBy, endedFirst } from '../../../lib/connection/closed-by.js'
import type { Leg } from '../../../lib/endpoints/endpoint.js'
import { TcpPipeError, timeoutError } from '../../../lib/text/errors.js'
import { legs } from './support.js'

t.test('closedBy names the kind of a failure', async t => {
  const system = (code: string) => Object.assign(new Error(code), { code })
  for (const [error, byLeg, expected] of [
    [system('ECONNRESET'), true, 'reset'],
    [system('ECONNRESET'), false, 'error'],
    [system('EPIPE'), true, 'reset'],
    [system('EPIPE'), false, 'error'],
    [system('ENOSPC'), true, 'error'],
    [timeoutError('idle', 'x'), false, 'timeout'],
    [new TcpPipeError('ERR_RECORD_TOO_LONG', 'x'), false, 'limit'],
    [new TcpPipeError('ERR_OUTPUT_LIMIT', 'x'), false, 'limit'],
    [new TcpPipeError('ERR_LIMIT', 'x'), true, 'limit'],
    [new TcpPipeError('ERR_CLOSED', 'x'), false, 'signal'],
    [Object.assign(new Error('x'), { name: 'AbortError' }), false, 'signal'],
    [new TcpPipeError('ERR_UNEXPECTED_EOF', 'x'), true, 'error'],
    [new Error('x'), true, 'error'],
  ] as const) {
    for (const peerEndedFirst of [false, true])
      t.equal(closedBy(error, byLeg, peerEndedFirst), expected, `${error.message} ${byLeg}: ${expected}`)
  }
})

t.test('closedBy names the side that ended first', async t => {
  t.equal(closedBy(undefined, false, true), 'peer')
  t.equal(closedBy(undefined, false, false), 'local')
})

t.test('a leg has ended first unless we have ended one before', async t => {
  const [one, other] = legs(t)
  t.equal(endedFirst([one, other], one), one)
  other.stream.end()
  t.equal(endedFirst([one, other], one), undefined)
  t.equal(endedFirst([one], one), one)
  one.stream.end()
  t.equal(endedFirst([one] as Leg[], one), undefined)
})
