import t from 'tap'
import { handshakeWords, logObserver } from '../../../lib/stats/log-observer.js'
import type { Observer } from '../../../lib/stats/observer.js'
import { serverFigures } from '../../../lib/stats/server-figures.js'
import type { Summary } from '../../../lib/stats/summary.js'
import { blame, type Origin, originOf } from '../../../lib/text/blame.js'
import { TcpPipeError, timeoutError } from '../../../lib/text/errors.js'
import { memoryLog } from '../../laws/support.js'

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
  directions: [],
}

/** The lines that an observer writes. */
function linesOf(tell: (observer: Required<Observer>) => void): Record<string, unknown>[] {
  const { log, lines } = memoryLog()
  tell(logObserver(log) as Required<Observer>)
  return lines
}

t.test('a line when a server listens', async t => {
  const event = { address: '::1', family: 'IPv6', port: 7, pin: 'sha256//x', to: 'tcp://a:1', maxConnections: 5 }
  t.same(
    linesOf(observer => observer.listening(event)),
    [{ level: 30, ...event, msg: 'listening' }],
  )
})

t.test('the end of a connection is one line, of the level that fits, and one of level debug', async t => {
  const error = Object.assign(new Error('x'), { code: 'EPIPE' })
  for (const [title, change, line] of [
    ['a success', {}, { level: 30, msg: 'connection closed' }],
    ['a warning', { warnings: ['a file has grown'] }, { level: 40, msg: 'connection closed' }],
    ['a failure', { error }, { level: 50, msg: 'connection failed', code: 'EPIPE', error: 'x' }],
    ['a failure with a warning', { error, warnings: ['y'] }, { level: 50, msg: 'connection failed' }],
    [
      'a timeout',
      { error: timeoutError('idle', 'y'), timeout: 'idle', closedBy: 'timeout' },
      { timeout: 'idle', code: 'ERR_TIMEOUT', error: 'idle timeout: y', closedBy: 'timeout' },
    ],
  ] as const) {
    const lines = linesOf(observer => observer.closed({ ...summary, ...change }))
    t.match(
      lines[0],
      { closedBy: 'peer', ...line, connection: 'c1', remote: '[::1]:1', bytesIn: 1, duration: 3 },
      title,
    )
    t.match(lines[1], { level: 20, connection: 'c1', directions: [], msg: 'what each stage did' }, title)
    t.equal(lines.length, 2, title)
    t.equal('stack' in (lines[1] ?? {}), 'error' in change, 'the stack is for those who debug')
    if ('error' in change) t.match(lines[1]?.stack, [/^\w*Error: /, /^at /])
  }
})

t.test('times have two decimals, and nobody else pays for them', async t => {
  const figures = [{ direction: 'forward', segments: [{ runs: [{ bytesIn: 12_345_678, busy: 20.227999999763 }] }] }]
  const tell = (observer: Required<Observer>) =>
    observer.closed({ ...summary, directions: figures as unknown as Summary['directions'] })
  const [, line] = linesOf(tell)
  t.same(line?.directions, [{ direction: 'forward', segments: [{ runs: [{ bytesIn: 12_345_678, busy: 20.23 }] }] }])
  const { log, lines } = memoryLog('info')
  tell(logObserver(log) as Required<Observer>)
  t.equal(lines.length, 1)
})

t.test('a line of a connection says nothing twice', async t => {
  const sink = { file: 'f' }
  const [line] = linesOf(observer => observer.closed({ ...summary, sink, reason: 'enough' }))
  const { id, number, port, warnings, directions, ...rest } = summary
  t.same(line, {
    ...rest,
    level: 30,
    connection: id,
    remote: `[::1]:${port}`,
    sink,
    reason: 'enough',
    msg: 'connection closed',
  })
})

t.test('a peer without a port has its name', async t => {
  const [line] = linesOf(observer => observer.closed({ ...summary, remote: 'unix', port: undefined }))
  t.match(line, { remote: 'unix' })
})

t.test('a handshake that fails is a warning', async t => {
  const error = Object.assign(new Error('no'), { code: 'ECONNRESET' })
  t.same(
    linesOf(observer => observer.handshakeFailed({ remote: '1.2.3.4:5', error })),
    [{ level: 40, remote: '1.2.3.4:5', code: 'ECONNRESET', error: 'no', msg: 'TLS handshake failed' }],
  )
  t.match(
    linesOf(observer => observer.handshakeFailed({ remote: '1.2.3.4:5', error: timeoutError('handshake', 'z') })),
    [{ timeout: 'handshake', code: 'ERR_TIMEOUT' }],
  )
  const strange = new TcpPipeError('ERR_SESSION', 'the other end is not reliable')
  t.match(
    linesOf(observer => observer.handshakeFailed({ remote: '1.2.3.4:5', error: strange })),
    [{ level: 40, code: 'ERR_SESSION', error: strange.message, msg: 'no reliable session' }],
  )
  t.same([undefined, error, strange].map(handshakeWords), [
    'TLS handshake failed',
    'TLS handshake failed',
    'no reliable session',
  ])
})

t.test('clients that are turned away: few lines, and the sum when the server stops', async t => {
  const figures = serverFigures()
  const lines = linesOf(observer => {
    for (let i = 0; i < 3; i++) {
      figures.refused('access')
      observer.refused({ reason: 'access', remote: '1.2.3.4' })
    }
    observer.stopped(figures.stats([]))
  })
  t.same(lines, [
    { level: 40, refused: { access: 1 }, remote: '1.2.3.4', msg: 'connections refused' },
    { level: 40, refused: { access: 2 }, remote: '1.2.3.4', msg: 'connections refused' },
    { level: 40, refused: { access: 3 }, total: 3, msg: 'connections refused in total' },
  ])
})

t.test('the text of an error is one value on one line, whatever it is', async t => {
  const text = '"},\n{"level":60,"msg":"fake"}'
  const lines = linesOf(observer => observer.closed({ ...summary, error: new Error(text) }))
  t.match(lines[0], { level: 50, error: text.replace('\n', '\\n'), msg: 'connection failed' })
  t.equal(lines.length, 2)
})

t.test('an error of a stage: the name of the stage, and the line of its code (G-42)', async t => {
  const error = new Error('x')
  blame(error, 'mine')
  const origin = originOf(error) as Origin
  const [line] = linesOf(observer => observer.closed({ ...summary, error, origin }))
  t.match(line, { error: 'x', stage: 'mine', at: /log-observer\.test\.[jt]s:\d+$/ })
  t.notOk('origin' in (line ?? {}), 'and nothing twice')
})
