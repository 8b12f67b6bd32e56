import t from 'tap'
import { closedByFailure, failureFields, logSummary, type Summary, tlsFacts } from '../../../lib/stats/summary.js'
import { TcpPipeError, timeoutError } from '../../../lib/text/errors.js'
import { memoryLog } from '../../laws/support.js'
import { socketPair } from '../network.js'
import { identity, tlsPair } from '../tls.js'

const summary: Summary = {
  id: 'c1',
  number: 1,
  remote: '::1',
  port: 1,
  bytesIn: 1,
  bytesOut: 2,
  duration: 3,
  closedBy: 'peer',
  warnings: [],
  runs: [],
}

t.test('closedByFailure: the kind of failure', async t => {
  const system = (code: string) => Object.assign(new Error(code), { code })
  for (const [error, bySocket, closedBy] of [
    [system('ECONNRESET'), true, 'reset'],
    [system('EPIPE'), true, 'reset'],
    [system('EPIPE'), false, 'error'],
    [timeoutError('idle', 'x'), false, 'timeout'],
    [new TcpPipeError('ERR_RECORD_TOO_LONG', 'x'), false, 'limit'],
    [new TcpPipeError('ERR_OUTPUT_LIMIT', 'x'), false, 'limit'],
    [new TcpPipeError('ERR_LIMIT', 'x'), false, 'limit'],
    [new TcpPipeError('ERR_CLOSED', 'x'), false, 'signal'],
    [Object.assign(new Error('x'), { name: 'AbortError' }), false, 'signal'],
    [new TcpPipeError('ERR_UNEXPECTED_EOF', 'x'), true, 'error'],
  ] as const)
    t.equal(closedByFailure(error, bySocket), closedBy, `${error.message} ${closedBy}`)
})

t.test('failureFields: which timeout it was', async t => {
  t.same(failureFields(timeoutError('drain', 'x')), {
    timeout: 'drain',
    code: 'ERR_TIMEOUT',
    error: 'drain timeout: x',
  })
  t.same(failureFields(new Error('y')), { code: undefined, error: 'y' })
})

t.test('logSummary: one line, of the level that fits', async t => {
  for (const [change, level, msg] of [
    [{}, 30, 'connection closed'],
    [{ warnings: ['a file has grown'] }, 40, 'connection closed'],
    [{ error: new Error('x') }, 50, 'connection failed'],
  ] as const) {
    const { log, lines } = memoryLog()
    logSummary(log, { ...summary, ...change })
    t.match(lines[0], { level, msg, bytesIn: 1, closedBy: 'peer' })
    t.match(lines[1], { level: 20, msg: 'what each stage did' })
    t.equal(lines.length, 2)
  }
})

t.test('tlsFacts: what both sides know of each other', async t => {
  const [plain] = await socketPair(t)
  t.equal(tlsFacts(plain), undefined)

  const { server, client } = await tlsPair(t, {
    server: { clientCa: identity.cert },
    client: { ...identity, ca: identity.cert, serverName: 'localhost' },
  })
  const facts = { protocol: 'TLSv1.3', cipher: /^TLS_AES/, subject: 'CN=tcp-pipe' }
  t.match(tlsFacts(server), { ...facts, serverName: 'localhost' })
  t.match(tlsFacts(client), facts)

  const unverified = await tlsPair(t, { client: { insecure: true }, version: 'TLSv1.2' })
  t.match(tlsFacts(unverified.client), { protocol: 'TLSv1.2' })
  t.equal(tlsFacts(unverified.client)?.subject, undefined, 'a name that nobody has verified is not told')
  t.equal(tlsFacts(unverified.server)?.serverName, undefined)
})
