import t from 'tap'
import { formatRecord, type TextOptions } from '../../cli/log-text.js'
import type { LogRecord } from '../../cli/log-words.js'
import { widthOf } from '../../cli/wrap.js'

const wide = { color: false, unicode: true, columns: Number.POSITIVE_INFINITY }
const of = (columns: number) => ({ ...wide, columns })
const sender = { ending: (closedBy: unknown) => `ended by ${closedBy}` }

/** The lines of a record without the clock. */
function lines(record: LogRecord, options: Partial<TextOptions> = {}): string[] {
  const text = formatRecord({ level: 30, time: '2024-01-02T03:04:05.678Z', ...record }, { look: wide, ...options })
  t.match(text, /^\d\d:\d\d:\d\d /)
  t.ok(text.endsWith('\n'))
  return text.slice(9, -1).split('\n')
}

const connection = { connection: 'c1', remote: '127.0.0.1:52100' }
const end = { ...connection, bytesIn: 500_000_000, bytesOut: 0, duration: 4300, closedBy: 'peer' }
const closed = { ...end, msg: 'connection closed' }
const failed = { ...end, level: 50, msg: 'connection failed' }

t.test('a connection is two short lines', async t => {
  t.same(lines({ ...connection, msg: 'connection opened' }), ['● 127.0.0.1:52100 connected'])
  for (const [record, text] of [
    [{ sink: { file: 'got.bin', bytes: 1 } }, 'received 476.8 MiB in 4.3 s (111 MiB/s) → got.bin'],
    [{ bytesIn: 5, bytesOut: 70_000, duration: 12 }, 'received 5 B, sent 68.4 KiB in 12 ms (5.6 MiB/s)'],
    [{ bytesIn: 0, duration: 90_500 }, 'received nothing in 1m30.5s'],
    [{ bytesIn: 6, duration: 2, target: { to: '127.0.0.1:6379' } }, 'received 6 B in 2 ms → 127.0.0.1:6379'],
    [{ bytesIn: 6, duration: 2, sink: { to: '127.0.0.1:1', answered: 0 } }, 'received 6 B in 2 ms → 127.0.0.1:1'],
    [{ bytesIn: 6, duration: 2, closedBy: 'reset', side: 'client' }, 'received 6 B in 2 ms; then the client reset it'],
    [{ bytesIn: 6, duration: 2, tls: { closeNotify: false } }, 'received 6 B in 2 ms, without close_notify'],
    [
      { bytesIn: 6, duration: 2, target: { to: 'a', tls: { closeNotify: false } } },
      'received 6 B in 2 ms, without close_notify → a',
    ],
    [{ bytesIn: 6, duration: 2, faults: [{ fault: 'drop', offset: 2 }] }, 'received 6 B in 2 ms; drop after 2 B'],
  ] as const)
    t.same(lines({ ...closed, ...record }), [`✓ 127.0.0.1:52100 ${text}`])
  const faults = [1, 2, 3, 4].map(offset => ({ fault: 'drop', offset }))
  t.match(lines({ ...closed, faults }), [/drop after 1 B, drop after 2 B, drop after 3 B …$/])
  t.match(lines({ ...closed, level: 40, warnings: ['it grew', 'x'] }), [/^! .*; it grew; x$/])
})

t.test('a client without a port is named by its id; the only peer of send is not', async t => {
  const record = { connection: 'c1', remote: 'unix', msg: 'connection opened' }
  t.same(lines(record), ['● unix c1 connected'])
  t.same(lines(record, { sender }), ['● unix connected'])
})

t.test('send says what it has sent, and how that ended', async t => {
  const record = { ...closed, bytesIn: 3, bytesOut: 500_000_000 }
  t.same(lines(record, { sender }), [
    '✓ 127.0.0.1:52100 sent 476.8 MiB, received 3 B in 4.3 s (111 MiB/s); ended by peer',
  ])
  t.same(lines({ ...record, bytesOut: 0 }, { sender }), ['✓ 127.0.0.1:52100 received 3 B in 4.3 s; ended by peer'])
})

t.test('a failure says what, why and what to do', async t => {
  const reset = { code: 'ECONNRESET', error: 'read ECONNRESET', closedBy: 'reset' }
  for (const [record, text] of [
    [
      reset,
      'failed after receiving 476.8 MiB in 4.3 s: the peer has reset the connection (read ECONNRESET); the log of the peer may say why',
    ],
    [
      { code: 'ERR_TIMEOUT', timeout: 'idle', error: 'no byte' },
      'failed after receiving 476.8 MiB in 4.3 s: no byte; --idle-timeout changes this time',
    ],
    [
      { code: 'ERR_TIMEOUT', timeout: 'duration', error: 'over' },
      'failed after receiving 476.8 MiB in 4.3 s: over; --max-duration changes this time',
    ],
    [
      { code: 'ERR_X', error: 'x', stage: 'grep', at: 'a.js:1' },
      'failed in stage grep (a.js:1) after receiving 476.8 MiB in 4.3 s: x',
    ],
    [
      { error: 'x', stage: 'hex', sink: { file: 'f.part', bytes: 2048 } },
      'failed in stage hex after receiving 476.8 MiB in 4.3 s: x; 2.0 KiB are kept in f.part',
    ],
    [{ error: 'interrupted by SIGINT' }, 'interrupted after receiving 476.8 MiB in 4.3 s; the peer sees a reset'],
  ] as const)
    t.same(lines({ ...failed, ...record }), [`✗ 127.0.0.1:52100 ${text}`])
  t.same(lines({ level: 50, msg: 'cannot connect', error: 'connect ECONNREFUSED 127.0.0.1:1', code: 'ECONNREFUSED' }), [
    '✗ cannot connect: connect ECONNREFUSED 127.0.0.1:1; start the server, or check the address',
  ])
})

t.test('a host that is not found is called that', async t => {
  const record = { level: 50, msg: 'cannot connect' }
  for (const [code, text] of [
    ['ENOTFOUND', "the host 'nosuchhost' is not found (ENOTFOUND); check the name"],
    ['EAI_AGAIN', "the host 'nosuchhost' cannot be looked up (EAI_AGAIN); check the network, or try again later"],
  ] as const)
    t.same(lines({ ...record, code, error: `getaddrinfo ${code} nosuchhost` }), [`✗ cannot connect: ${text}`])
})

t.test('send to a peer that may want TLS', async t => {
  const reset = { bytesIn: 0, bytesOut: 6, duration: 5, code: 'ECONNRESET', error: 'reset', closedBy: 'reset' }
  const start = 'failed after sending 6 B in 5 ms: reset; the log of the peer may say why'
  for (const [record, text] of [
    [reset, `${start}; if it speaks TLS, use tls://`],
    [{ ...reset, tls: {} }, start],
    [
      { ...reset, bytesIn: 7, alert: true },
      'failed after sending 6 B, receiving 7 B in 5 ms: reset; the log of the peer may say why; ' +
        'the peer speaks TLS: its reply is a TLS alert; use tls://',
    ],
  ] as const)
    t.same(lines({ ...failed, ...record }, { sender }), [`✗ 127.0.0.1:52100 ${text}`])
  t.same(lines({ ...failed, ...reset }), [`✗ 127.0.0.1:52100 ${start}`])
  t.same(lines({ ...closed, bytesIn: 7, bytesOut: 6, duration: 5, alert: true }, { sender }), [
    '! 127.0.0.1:52100 sent 6 B, received 7 B in 5 ms; ended by peer; the peer speaks TLS: its reply is a TLS alert; use tls://',
  ])
})

t.test('what each stage did: a line for each, without the fields; anything else has its fields once', async t => {
  const stage = { name: 'hex', recordsIn: 3, recordsOut: 4, busy: 1.5 }
  const directions = [{ direction: 'forward', segments: [{ name: 'transforms', runs: [{ stages: [stage] }] }] }]
  const record = { ...connection, level: 20, msg: 'what each stage did' }
  for (const columns of [80, 50])
    t.same(lines({ ...record, directions }, { verbose: true, look: of(columns) }), [
      '· 127.0.0.1:52100 what each stage did:',
      `${' '.repeat(13)}hex: 3 records in, 4 out, busy 1.5 ms`,
    ])
  t.same(lines({ ...record, directions: [] }, { verbose: true }), ['· 127.0.0.1:52100 had no stages'])
  t.same(lines({ ...record, directions: 'fake' }, { verbose: true }), [
    '· 127.0.0.1:52100 what each stage did connection=c1 remote=127.0.0.1:52100 directions=fake',
  ])
  t.same(lines({ msg: 'own', x: 1 }, { verbose: true }), ['● own x=1'])
})

t.test('the events of a server', async t => {
  for (const [record, line] of [
    [
      { msg: 'listening', address: '::1', family: 'IPv6', port: 7, pin: 'sha256//x', to: 'a:1', maxConnections: 5 },
      '● listening on [::1]:7 → a:1; pin sha256//x',
    ],
    [{ msg: 'listening', address: '127.0.0.1', family: 'IPv4', port: 7 }, '● listening on 127.0.0.1:7'],
    [
      { msg: 'listening', address: '127.0.0.1', family: 'IPv4', port: 7, workers: 2 },
      '● listening on 127.0.0.1:7; 2 workers',
    ],
    [
      { level: 50, msg: 'worker died', worker: 2, signal: 'SIGKILL', connections: 1 },
      '✗ worker 2 died (SIGKILL) with 1 connection',
    ],
    [
      { level: 50, msg: 'worker died', worker: 1, code: 7, connections: 0 },
      '✗ worker 1 died (exit code 7) with 0 connections',
    ],
    [{ msg: 'listening', address: '/run/x', family: 'unix', port: 0 }, '● listening on unix:/run/x'],
    [{ msg: 'metrics', address: '127.0.0.1', family: 'IPv4', port: 7 }, '● metrics on http://127.0.0.1:7/metrics'],
    [{ msg: 'metrics', address: '::1', family: 'IPv6', port: 7 }, '● metrics on http://[::1]:7/metrics'],
    [{ msg: 'metrics', address: '/run/x', family: 'unix', port: 0 }, '● metrics on unix:/run/x, path /metrics'],
    [
      { msg: 'connections refused', refused: { access: 1, other: 2 }, remote: '::1' },
      '! refused 1 connection by --allow or --deny, 2 connections other, the last from ::1',
    ],
    [
      { msg: 'connections refused in total', refused: { maxPerIp: 3 }, total: 3 },
      '! refused in total: 3 connections beyond --max-per-ip',
    ],
    [{ msg: 'control socket', control: 'unix:/run/x' }, '● control socket at unix:/run/x'],
    [{ msg: 'not connected, trying again', error: 'x', wait: 200 }, '! not connected: x; trying again in 200 ms'],
    [
      { msg: 'draining', signal: 'SIGINT', connections: 2, drainTimeout: 10_000 },
      '● SIGINT: waiting for 2 connections for at most 10 s; a second Ctrl-C ends at once',
    ],
    [
      { msg: 'draining', signal: 'SIGTERM', connections: 1 },
      '● SIGTERM: waiting for 1 connection; a second SIGTERM ends at once',
    ],
    [{ msg: 'draining', signal: 'SIGINT', connections: 0 }, '● SIGINT: no connection is open; ending'],
    [
      { msg: 'connections reset after the drain timeout', cut: 1 },
      '✗ reset 1 connection that did not end in time; --drain-timeout changes this time',
    ],
    [
      { msg: 'the file was truncated, reading it from its start', file: 'app.log', at: 1234 },
      '! app.log was truncated at 1.2 KiB; reading it from its start',
    ],
    [
      { msg: 'connections reset at a second signal', signal: 'SIGINT', cut: 2 },
      '● SIGINT: reset 2 connections that were still open',
    ],
    [
      { msg: 'connections reset at a second signal', signal: 'SIGTERM', cut: 1 },
      '● SIGTERM: reset 1 connection that was still open',
    ],
  ] as const)
    t.same(lines(record), [line])
  const full = { msg: 'connections refused in total', refused: { maxConnections: 2 }, total: 2 }
  for (const fullness of ['while busy with one client', undefined])
    t.same(lines(full, { fullness }), [`! refused in total: 2 connections ${fullness ?? 'beyond --max-connections'}`])
})

t.test('digest: the same text in the same column at both ends, at every width', async t => {
  const hash = '0123456789abcdef'.repeat(4)
  const record = { msg: 'digest', algorithm: 'sha256', digest: hash, bytes: 5 }
  const one = { ...record, ...connection, direction: 'forward' }
  const other = { ...record, connection: 'c2', remote: '10.0.0.1:7', direction: 'reply' }
  t.same(lines(one), [`● sha256 ${hash} of 5 bytes 127.0.0.1:52100`])
  t.same(lines(other), [`● sha256 ${hash} of 5 bytes 10.0.0.1:7 (reply)`])
  const indent = ' '.repeat(11)
  t.same(lines(one, { look: of(80) }), ['● sha256 of 5 bytes 127.0.0.1:52100', indent + hash])
  t.same(lines(other, { look: of(80) }), ['● sha256 of 5 bytes 10.0.0.1:7 (reply)', indent + hash])
  t.same(lines(one, { look: of(50) }).slice(1), [indent + hash.slice(32), indent + hash.slice(32)])
})

t.test('counter and chunk have units', async t => {
  t.same(lines({ msg: 'counter', ...connection, bytes: 1, chunks: 2, lines: 0 }), [
    '● 127.0.0.1:52100 counted 1 byte, 2 chunks, 0 lines',
  ])
  t.same(lines({ msg: 'chunk', ...connection, offset: 7, size: 2048, preview: 'a"\n' }), [
    '● 127.0.0.1:52100 2.0 KiB at 7: "a\\"\\n"',
  ])
  t.same(lines({ msg: 'chunk', ...connection, offset: 7, size: 1 }), ['● 127.0.0.1:52100 1 B at 7'])
})

t.test('at 80 and 50 columns no line is too wide but that of a longer path, and no reason is lost', async t => {
  const path = 'out/a-rather-long-directory-name/127.0.0.1-52100-hok20ag1hs.bin'
  const sink = { file: path, bytes: 1 }
  t.same(lines({ ...closed, sink }, { look: of(80) }), [
    '✓ 127.0.0.1:52100 received 476.8 MiB in 4.3 s (111 MiB/s)',
    `           → ${path}`,
  ])
  t.same(lines({ ...closed, target: { to: 'db.example.com:6379' } }, { look: of(70) }), [
    '✓ 127.0.0.1:52100 received 476.8 MiB in 4.3 s (111 MiB/s)',
    '           → db.example.com:6379',
  ])
  t.same(
    lines(
      { ...closed, bytesIn: 0, bytesOut: 5e8 },
      { look: of(80), sender: { ending: () => 'the peer ended after it' } },
    ),
    ['✓ 127.0.0.1:52100 sent 476.8 MiB in 4.3 s; the peer ended after it'],
  )
  t.same(
    lines({ ...closed, bytesIn: 0, bytesOut: 5e8 }, { look: of(60), sender: { ending: () => 'the peer ended' } }),
    ['✓ sent 476.8 MiB in 4.3 s; the peer ended'],
  )
  t.same(lines({ ...closed, sink }, { look: of(50) }), [
    '✓ 127.0.0.1:52100 received 476.8 MiB in',
    '           4.3 s',
    `→ ${path}`,
  ])
  const reason =
    'read ECONNRESET by somebody-whose-name-is-a-single-word-that-no-line-of-fifty-columns-has-room-for at 日本'
  for (const columns of [80, 50, 30, 12])
    for (const record of [
      { ...failed, error: reason, sink },
      { ...closed, sink },
      { ...closed, warnings: [reason] },
      { msg: reason },
    ]) {
      const look = of(columns)
      const shown = formatRecord({ level: 30, time: 0, ...record }, { look })
        .trimEnd()
        .split('\n')
      t.ok(
        shown.every(line => line === `→ ${path}` || widthOf(line) <= Math.max(columns, 13)),
        `${columns}: ${shown.join('|')}`,
      )
      if ('error' in record || 'warnings' in record)
        t.ok(shown.join('').replaceAll(' ', '').includes(reason.replaceAll(' ', '')), `${columns}: the reason`)
    }
})

t.test('colour, ASCII, and every field', async t => {
  const look = { ...wide, color: true }
  t.match(
    formatRecord({ level: 50, time: 0, msg: 'x' }, { look }).replaceAll('\x1b', '␛'),
    /^␛\[2m\d\d:\d\d:\d\d␛\[0m ␛\[31m✗␛\[0m x\n$/,
  )
  t.same(lines({ ...closed, sink: { file: 'f', bytes: 1 } }, { look: { ...wide, unicode: false } }), [
    '+ 127.0.0.1:52100 received 476.8 MiB in 4.3 s (111 MiB/s) -> f',
  ])
  t.same(lines({ ...connection, msg: 'connection opened' }, { verbose: true }), [
    '● 127.0.0.1:52100 connected connection=c1 remote=127.0.0.1:52100',
  ])
  t.match(lines({ ...closed, tls: { protocol: 'TLSv1.3' } }, { verbose: true }), [
    / bytesIn=500000000 .* tls=\{"protocol":"TLSv1.3"\}$/,
  ])
  t.match(lines({ ...closed, sink: { file: 'f' } }, { verbose: true }), [/ → f connection=c1 /])
  t.match(lines({ ...closed, sink: { file: 'f' } }, { verbose: true, look: of(80) }), [/ → f$/, /^ +connection=c1 /])
  t.match(lines({ ...closed, sink: { file: 'f'.repeat(60) } }, { verbose: true, look: of(80) }), [
    /^✓ .* in 4\.3 s \(111 MiB\/s\)$/,
    /^ +→ f+$/,
    /^ +connection=c1 /,
  ])
  const digest = { msg: 'digest', algorithm: 'md5', digest: 'abcd', bytes: 1, remote: 'unix' }
  t.same(lines(digest, { verbose: true }), ['● md5 abcd of 1 bytes unix algorithm=md5 digest=abcd bytes=1 remote=unix'])
})

t.test('other records: message, error, fields; escaped, on one line (C-11)', async t => {
  for (const [record, line] of [
    [{ msg: 'certificates reloaded', pin: 'sha256//x' }, '● certificates reloaded pin=sha256//x'],
    [{ level: 40, msg: 'odd', sink: { file: 'a' } }, '! odd sink={"file":"a"}'],
    [{ level: 20, msg: 'x' }, '· x'],
    [{ level: 35, msg: 'x' }, '● x'],
    [{ level: 30, a: 1 }, '● a=1'],
    [
      { level: 40, remote: '::1', msg: 'TLS handshake failed', code: 'X', error: 'why' },
      '! ::1 TLS handshake failed: why',
    ],
    [{ msg: 'two\nlines\x1b[2J\u202e\u009b' }, '● two\\nlines\\e[2J\\u202e\\x9b'],
  ] as const)
    t.same(lines(record), [line])
})

t.test('what a stage logs cannot be taken for a line of ours (C-12)', async t => {
  for (const [record, text] of [
    [{ msg: 'request', path: '/' }, 'request path=/'],
    [{ msg: 'failed after receiving 3 B' }, '"failed after receiving 3 B"'],
    [{ msg: 'connection closed' }, '"connection closed"'],
    [{ msg: 'toString' }, 'toString'],
    [{ msg: 'm', a: 'x closedBy=peer' }, 'm a="x closedBy=peer"'],
    [{ msg: 'm', 'a closedBy': 'peer' }, 'm "a closedBy"=peer'],
    [{ msg: 'm', 'a=b': 1 }, 'm "a=b"=1'],
    [{ msg: 'm', a: 'x"' }, 'm a="x\\""'],
    [{ msg: 'm', a: '' }, 'm a=""'],
    [{ msg: 'm', a: 'x\u2028y' }, 'm a="x\\u2028y"'],
    [{ fields: { level: 60 } }, 'fields={"level":60}'],
  ] as const)
    t.same(lines({ ...connection, ...record }), [`● 127.0.0.1:52100 ${text}`])
})

t.test('the lines of a stack follow, indented, and each is one line (G-42)', async t => {
  const stack = ['Error: x', 'at write (a.js:1:2)', 'forged\n12:00:00 ✗ fake\x1b[2J']
  t.same(lines({ level: 20, msg: 'x', a: 1, stack }), [
    '· x a=1',
    '    Error: x',
    '    at write (a.js:1:2)',
    '    forged\\n12:00:00 ✗ fake\\e[2J',
  ])
  t.same(lines({ level: 20, msg: 'x', stack: 'a b' }, { verbose: true }), ['· x stack="a b"'])
})

const sha256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'

t.test('a receipt is a line about its file', async t => {
  const record = { ...closed, bytesIn: 0, bytesOut: 1_258_291, duration: 400, closedBy: 'local' }
  const receipt = (session: object, more: object = {}) => lines({ ...record, ...more, session }, { sender })
  const whole = { name: 'photos/a.jpg', reconnects: 0, sha256 }
  t.same(receipt(whole), ['✓ photos/a.jpg  1.2 MiB  sha256 9f86d081884c…  400 ms'])
  t.same(receipt({ reconnects: 2, sha256 }, { bytesIn: 3 }), [
    '✓ stdin  1.2 MiB  sha256 9f86d081884c…  400 ms; received 3 B; 2 reconnects',
  ])
  t.match(receipt({ ...whole, skipped: true }), [/400 ms; skipped: equal file is there$/])
  t.match(receipt({ ...whole, written: { bytes: 3, sha256 } }), [/400 ms$/])
  t.match(receipt({ ...whole, written: { bytes: 3, sha256: `a${sha256}` } }), [/; written 3 B, sha256 a9f86d081884…$/])
  t.match(receipt(whole, { level: 40, warnings: ['it grew'] }), [/^! .*; it grew$/])
  t.match(lines({ ...record, session: { name: 'a', reconnects: 0 } }, { sender }), [/ sent 1.2 MiB in 400 ms/])
})

t.test('a receiver says what it has got, and where', async t => {
  const session = { name: 'a', reconnects: 1, sha256 }
  t.same(lines({ ...closed, session, sink: { file: 'in/a', bytes: 1, resumed: 2048 } }), [
    '✓ 127.0.0.1:52100 received 476.8 MiB in 4.3 s (111 MiB/s), sha256 9f86d081884c…; resumed at 2.0 KiB; 1 reconnect → in/a',
  ])
  t.match(
    lines({ ...closed, bytesIn: 5, session: { ...session, reconnects: 0 }, sink: { file: 'in/a', skipped: true } }),
    ['✓ 127.0.0.1:52100 skipped 5 B in 4.3 s, sha256 9f86d081884c…; equal file is there → in/a'],
  )
  t.match(lines({ ...closed, target: { to: 'b', session: { reconnects: 2 } } }), [/; 2 reconnects → b$/])
})

t.test('a transfer that fails says what is kept, and whose it is', async t => {
  const error = 'the client did not come back within 5m: read ECONNRESET'
  const session = { name: 'a', reconnects: 0 }
  const sink = { file: 'in/a.part', bytes: 2048 }
  t.match(lines({ ...failed, error, session, sink })[0], /did not come back .*; 2.0 KiB are kept in in\/a.part$/)
  t.notMatch(lines({ ...failed, error, session, sink: { ...sink, bytes: 0 } })[0], /kept/)
  t.match(lines({ ...failed, error: 'gave up', session }, { sender }), [/^✗ a failed after .*: gave up$/])
  t.match(lines({ ...failed, error: 'interrupted by SIGINT', session }, { sender }), [/^✗ a interrupted after [^;]*$/])
  const other = 'the sender failed: digest mismatch: the receiver has other bytes before 5'
  t.same(lines({ ...failed, error: other, session, sink: { file: 'in/a' } }), [
    '! 127.0.0.1:52100 has other data than in/a, and begins anew',
  ])
})

t.test('reliable transfers: lost links, refusals and plain clients', async t => {
  const remote = '127.0.0.1:1'
  for (const [record, line] of [
    [{ msg: 'the connection is lost, connecting again', error: 'e' }, '! the connection is lost, connecting again: e'],
    [{ msg: 'connected again' }, '● connected again'],
    [{ msg: 'connected again', remote }, `● ${remote} connected again`],
    [{ msg: 'not sent', file: 'a', error: 'refused: no' }, '✗ a not sent: the receiver refused it: no'],
    [{ msg: 'not all sent', files: 2 }, '✗ 2 further files not sent'],
    [{ msg: 'skipped', file: 'a', why: 'it is a FIFO' }, '! a skipped: it is a FIFO'],
    [
      { msg: 'no reliable session', remote, error: 'the other end is not reliable: it closed the connection' },
      `! ${remote} is not reliable: it closed the connection; it needs send --reliable`,
    ],
    [{ msg: 'no reliable session', remote, error: 'refused: late' }, `! ${remote} refused: late`],
  ] as const)
    t.same(lines(record), [line])
})
