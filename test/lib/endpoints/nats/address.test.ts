import t from 'tap'
import { formatAddress, parseAddress, toAddress } from '../../../../lib/endpoints/address.js'
import {
  checkSinkAddress,
  checkSourceAddress,
  completeNats,
  formatNats,
  type NatsAddress,
  parseNats,
  withCredentials,
} from '../../../../lib/endpoints/nats/address.js'

const servers = [{ host: '127.0.0.1', port: 4222 }]

t.test('text → address, and back', async t => {
  for (const [text, parts, written = text] of [
    ['nats://127.0.0.1:4222/in.lines', { servers, subject: 'in.lines' }],
    ['nats:///in', { servers, subject: 'in' }, 'nats://127.0.0.1:4222/in'],
    ['nats://', { servers, subject: '' }, 'nats://127.0.0.1:4222/'],
    [
      'nats://a,b:1/x',
      {
        servers: [
          { host: 'a', port: 4222 },
          { host: 'b', port: 1 },
        ],
        subject: 'x',
      },
      'nats://a:4222,b:1/x',
    ],
    ['nats://[::1]/x', { servers: [{ host: '::1', port: 4222 }], subject: 'x' }, 'nats://[::1]:4222/x'],
    ['nats://[::1]:5/in.*.>', { servers: [{ host: '::1', port: 5 }], subject: 'in.*.>' }],
    [
      'nats+tls://h:1/x?ca=ca.pem&cert=c&key=k',
      { servers: [{ host: 'h', port: 1 }], tls: true, subject: 'x', ca: 'ca.pem', cert: 'c', key: 'k' },
    ],
    [
      'nats://h:1/x?stream=S&create=replicas:3,max-bytes:10g,max-messages:5,max-age:168h,storage:file,discard:old,duplicates:2m&records=u16be&max-message=64k&in-flight=5&give-up-after=1m',
      {
        ...{ servers: [{ host: 'h', port: 1 }], subject: 'x', stream: 'S', records: 'u16be', maxMessage: 65_536 },
        ...{ inFlight: 5, giveUpAfter: 60_000 },
        create: {
          ...{ replicas: 3, maxBytes: 10 * 1024 ** 3, maxMessages: 5, maxAge: 7 * 86_400_000 },
          ...{ storage: 'file', discard: 'old', duplicates: 120_000 },
        },
      },
    ],
    [
      'nats://h:1/x?stream=S&create=replicas:3',
      { servers: [{ host: 'h', port: 1 }], subject: 'x', stream: 'S', create: { replicas: 3 } },
    ],
    [
      'nats://h:1/x?durable=d&deliver=new&ack-wait=30s&max-pending=9&until=empty',
      {
        ...{ servers: [{ host: 'h', port: 1 }], subject: 'x', durable: 'd', deliver: 'new', ackWait: 30_000 },
        ...{ maxPending: 9, until: 'empty' },
      },
    ],
    [
      'nats://h:1/x?stream=S&creds=a%26b&create=true',
      { servers: [{ host: 'h', port: 1 }], subject: 'x', stream: 'S', create: true, creds: 'a&b' },
    ],
  ] as const) {
    const address = { scheme: 'nats', ...parts }
    t.same(parseAddress(text), address, text)
    t.equal(formatAddress(address as NatsAddress), written)
    t.same(parseAddress(written), address)
    t.same(toAddress(address as NatsAddress), address)
  }
  t.match(parseNats('nats://h/x?create=max-age:7d'), { create: { maxAge: 7 * 86_400_000 } })
  t.match(completeNats({ scheme: 'nats', servers: [{ host: 'h' } as never], subject: 'x' }), {
    servers: [{ port: 4222 }],
  })
})

t.test('credentials are read, and never written', async t => {
  t.match(parseNats('nats://me:a%40b:c@h/x'), { user: 'me', password: 'a@b:c' })
  t.match(parseNats('nats://s3cret@h/x'), { token: 's3cret' })
  for (const text of ['nats://me:s3cret@h:1/x', 'nats://s3cret@h:1/x']) {
    t.equal(formatNats(parseNats(text)), 'nats://***@h:1/x')
    t.same(completeNats(parseNats(text)), parseNats(text))
  }
  t.throws(() => parseAddress('nats://***@h:1/x'), { code: 'ERR_ADDRESS', message: /its credentials are hidden/ })
  for (const text of [
    'nats://me:s3cret@h/x y',
    'nats://me:s3cret@h/x?token=s3cret',
    'nats://h/x?token=s3cret&stream=S',
    'nats://me:s3cr%zz@h/x',
    'nast://me:s3cret@h/x',
    'nats://me:s3cret/@h/x',
  ]) {
    t.throws(() => parseAddress(text), { code: 'ERR_ADDRESS' }, text)
    t.throws(() => parseAddress(text), { message: /^(?!.*s3cr)/ }, text)
  }
  const wrong = { scheme: 'nats', servers, subject: 'x y', user: 's3cret', password: 's3cret' } as const
  t.throws(() => toAddress(wrong), { message: /^(?!.*s3cr)/ })
})

t.test('credentials of the environment, where the address has none', async t => {
  const plain = parseNats('nats://h/x')
  const read = (environment: Record<string, string>) => withCredentials(plain, environment)
  t.match(read({ NATS_USER: 'u', NATS_PASSWORD: 'p', NATS_TOKEN: 't' }), { user: 'u', password: 'p' })
  t.match(read({ NATS_USER: 'u' }), { user: 'u', password: '' })
  t.match(read({ NATS_TOKEN: 't', NATS_CREDS: 'f' }), { token: 't' })
  t.match(read({ NATS_CREDS: 'f' }), { creds: 'f' })
  t.match(read({ NATS_NKEY: 'f' }), { nkey: 'f' })
  t.equal(read({ NATS_USER: '' }), plain)
  const own = parseNats('nats://mine@h/x')
  t.equal(withCredentials(own, { NATS_USER: 'u' }), own)
})

t.test('what is wrong, and what is allowed', async t => {
  for (const [text, message] of [
    ['nats+ssl://h/x', /is not an address/],
    ['nats://h:70000/x', /the port must be/],
    ['nats://h/a b', /its subject is not allowed; expected words joined by dots/],
    ['nats://h/a..b', /its subject is not allowed/],
    ['nats://h/>.a', /its subject is not allowed/],
    ['nats://h/x?nonsense', /'nonsense' is no parameter; expected stream, .* or until$/],
    ['nats://h/x?steam=a', /'steam' is no parameter; did you mean 'stream'\?/],
    ['nats://h/x?stream=a.b', /stream=: 'a.b' is not allowed; expected a name without/],
    ['nats://h/x?stream=a&stream=b', /stream= is given twice/],
    ['nats://h/x?creds=', /creds=: '' is not allowed; expected the name of a file/],
    ['nats://h/x?records=json', /expected lines, .* or varint; JSON is lines, with one value in each/],
    ['nats://h/x?max-message=0', /max-message=: '0' is not allowed; expected bytes, from 1 to 64m/],
    ['nats://h/x?in-flight=0', /expected a whole number from 1 to 10000/],
    ['nats://h/x?ack-wait=10ms', /expected a time from 1s to/],
    ['nats://h/x?until=later', /until=: 'later' is not allowed; expected empty/],
    ['nats://h/x?create=yes', /create=: 'yes' is not allowed; expected true, or replicas, .* such as max-age:7d/],
    ['nats://h/x?create=replicas:9', /create=: replicas: '9' is not allowed; expected a whole number from 1 to 5/],
    ['nats://h/x?ca=f', /ca=, cert= and key= need nats\+tls:\/\//],
    ['nats+tls://h/x?cert=f', /cert= and key= need each other/],
    ['nats://t@h/x?creds=f', /has several credentials \(token, creds\); expected one/],
    ['nats://h/x?stream=%z', /followed by no two hex digits/],
  ] as const)
    t.throws(() => parseAddress(text), { code: 'ERR_ADDRESS', message }, text)
  for (const [parts, message] of [
    [{ servers: [] }, /servers must be a list/],
    [{ servers, subject: 5 }, /the subject must be a text/],
    [{ servers, subject: 'x', tls: 'yes' }, /tls must be true or false/],
    [{ servers, subject: 'x', user: 5 }, /user must be a text/],
    [{ servers, subject: 'x', max: 5 }, /'max' is no part of it/],
    [{ servers, subject: 'x', inFlight: 0 }, /in-flight=/],
  ] as const)
    t.throws(() => completeNats({ scheme: 'nats', ...parts } as never), { code: 'ERR_ADDRESS', message })
})

t.test('what can be written to, and what can be read', async t => {
  const sink = (text: string) => checkSinkAddress(parseNats(text))
  const source = (text: string) => checkSourceAddress(parseNats(text))
  sink('nats://h/x?stream=S&create=true')
  source('nats://h/in.>?durable=d')
  source('nats://h/?durable=d&stream=S')
  for (const [use, text, message] of [
    [sink, 'nats://u:p@h/', /'nats:\/\/\*\*\*@h:4222\/': it has no subject to write to/],
    [sink, 'nats://h/in.*', /its subject has a wildcard/],
    [sink, 'nats://h/x?create=true', /create= needs stream=/],
    [sink, 'nats://h/x?durable=d', /durable= is for reading, not for writing/],
    [source, 'nats://h/x?durable=d&records=lines', /records= is for writing, not for reading/],
    [source, 'nats://h/x', /it needs durable=/],
    [source, 'nats://h/?durable=d', /it has no subject; expected one, or stream=/],
  ] as const)
    t.throws(() => use(text), { code: 'ERR_ADDRESS', message }, text)
})
