import t from 'tap'
import {
  type Ability,
  type Address,
  type AddressInput,
  addressForms,
  addressOf,
  bindAddress,
  can,
  defaultHost,
  endpointFor,
  formatAddress,
  isAddressInput,
  isOfSockets,
  isTarget,
  parseAddress,
  targetForms,
  toAddress,
  withSessions,
  withTls,
} from '../../../lib/endpoints/address.js'
import { endpoints } from '../../../lib/endpoints/index.js'

t.test('a source address: the port may be missing (G-24)', async t => {
  for (const [text, host, port] of [
    ['127.0.0.2', '127.0.0.2', 0],
    ['127.0.0.2:0', '127.0.0.2', 0],
    ['127.0.0.2:4000', '127.0.0.2', 4000],
    ['::1', '::1', 0],
    ['[::1]', '::1', 0],
    ['[::1]:4000', '::1', 4000],
    ['fe80::1%eth0', 'fe80::1%eth0', 0],
    ['localhost', 'localhost', 0],
    ['a-b.example.org', 'a-b.example.org', 0],
    ['localhost:4000', 'localhost', 4000],
    ['4000', '127.0.0.1', 4000],
    [':4000', '127.0.0.1', 4000],
  ] as const)
    t.strictSame(bindAddress(text), { scheme: 'tcp', host, port }, text)
  t.strictSame(bindAddress({ port: 4000 }), { scheme: 'tcp', host: '127.0.0.1', port: 4000 })
  t.same(bindAddress('-'), { scheme: 'stdio' })
  t.same(bindAddress('unix:/x'), { scheme: 'unix', path: '/x' })
  for (const text of ['127.0.0.256', '1.2.3', 'a..b', 'x:y', '70000', ''])
    t.throws(() => bindAddress(text), { code: 'ERR_ADDRESS' }, text)
})

t.test('text → address', async t => {
  for (const [text, address] of [
    ['example.org:80', { scheme: 'tcp', host: 'example.org', port: 80 }],
    [':80', { scheme: 'tcp', host: '127.0.0.1', port: 80 }],
    ['80', { scheme: 'tcp', host: '127.0.0.1', port: 80 }],
    ['0', { scheme: 'tcp', host: '127.0.0.1', port: 0 }],
    ['65535', { scheme: 'tcp', host: '127.0.0.1', port: 65535 }],
    ['0.0.0.0:80', { scheme: 'tcp', host: '0.0.0.0', port: 80 }],
    ['[::1]:80', { scheme: 'tcp', host: '::1', port: 80 }],
    ['[::]:80', { scheme: 'tcp', host: '::', port: 80 }],
    ['tcp://example.org:80', { scheme: 'tcp', host: 'example.org', port: 80 }],
    ['tcp://:80', { scheme: 'tcp', host: '127.0.0.1', port: 80 }],
    ['tls://example.org:443', { scheme: 'tls', host: 'example.org', port: 443 }],
    ['tls://443', { scheme: 'tls', host: '127.0.0.1', port: 443 }],
    ['unix:/run/x.sock', { scheme: 'unix', path: '/run/x.sock' }],
    ['unix:relative:with:colons', { scheme: 'unix', path: 'relative:with:colons' }],
    ['memory:name', { scheme: 'memory', name: 'name' }],
    ['file:a/{id}.log', { scheme: 'file', path: 'a/{id}.log' }],
    ['-', { scheme: 'stdio' }],
  ] as const) {
    t.strictSame(parseAddress(text), address, text)
  }
  for (const text of [
    '',
    ':',
    'localhost',
    'localhost:',
    '-1',
    ':-1',
    '70000',
    '65536',
    '80abc',
    '0x50',
    '1e3',
    '80.5',
    ' 80',
    'Infinity',
    '::1:80',
    '[::1]',
    '[]:80',
    '[::1:80',
    'a:b:80',
    'http://example.org:80',
    'tcp://',
    'tls://',
    'tls://tls://:443',
    'tls:443',
    '[[a]:80',
    'unix:',
    'unix:a\0b',
    `unix:${'x'.repeat(108)}`,
    'memory:',
    'file:',
    'file:a\0b',
    '-:',
  ]) {
    t.throws(() => parseAddress(text), { code: 'ERR_ADDRESS', name: 'TcpPipeError' }, `'${text.slice(0, 20)}'`)
  }
  t.throws(() => parseAddress('unix:'), { message: /1 to 107 bytes, not 0/ })
  t.throws(() => parseAddress('70000'), {
    message:
      /^'70000': the port must be a whole number from 0 to 65535; expected host:port, .* or reliable\[\+tls\]:\/\/host:port$/,
  })
  t.equal((parseAddress(`unix:${'x'.repeat(107)}`) as { path: string }).path.length, 107, 'the longest path')
  t.throws(() => parseAddress(`unix:${'é'.repeat(54)}`), { code: 'ERR_ADDRESS' }, 'the limit is in bytes')
})

t.test('parts → address', async t => {
  const local = { scheme: 'tcp', host: '127.0.0.1', port: 80 } as const
  t.equal(defaultHost, local.host)
  t.strictSame(toAddress('80'), local, 'text')
  t.strictSame(toAddress({ port: 80 }), local, 'the host is loopback')
  t.strictSame(toAddress({ host: undefined, port: 80 }), local)
  t.strictSame(toAddress({ host: '', port: 80 }), local, 'empty is not all interfaces')
  t.strictSame(toAddress({ host: '::1', port: 80 }), { ...local, host: '::1' })
  t.strictSame(toAddress({ path: '/run/x' }), { scheme: 'unix', path: '/run/x' })
  t.strictSame(toAddress({ port: 80, tls: true }), { ...local, scheme: 'tls' })
  t.strictSame(toAddress({ port: 80, tls: false }), local)
  t.strictSame(toAddress({ path: '/run/x', tls: true }), { scheme: 'tls', path: '/run/x' })
  for (const port of [-1, 65536, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '80' as unknown as number])
    t.throws(() => toAddress({ port }), { code: 'ERR_ADDRESS' }, String(port))
  t.throws(() => toAddress({ path: '' }), { code: 'ERR_ADDRESS' })
  t.throws(() => toAddress(80 as unknown as AddressInput), { code: 'ERR_ADDRESS' }, 'a number alone')
  t.throws(() => toAddress(null as unknown as AddressInput), { code: 'ERR_ADDRESS' }, 'null')
})

t.test('an address that names its scheme is checked, too, and is loopback without a host', async t => {
  const local = { scheme: 'tcp', host: '127.0.0.1', port: 80 } as const
  t.strictSame(toAddress(local), local)
  t.strictSame(toAddress({ ...local, host: '' }), local, 'empty is not all interfaces')
  t.strictSame(toAddress({ scheme: 'tcp', port: 80 } as Address), local)
  t.strictSame(toAddress({ ...local, tls: true }), { ...local, scheme: 'tls' }, 'what asks for TLS gets it')
  t.strictSame(toAddress({ scheme: 'tls', path: '/run/x' }), { scheme: 'tls', path: '/run/x' })
  for (const detailed of [
    { ...local, host: '::', ipv6Only: true },
    { scheme: 'tls', host: '::', port: 80, ipv6Only: true },
    { scheme: 'unix', path: '/run/x', mode: 0 },
    { scheme: 'tls', path: '/run/x', mode: 0o600 },
  ] as Address[])
    t.strictSame(toAddress(detailed), detailed, 'how to listen on it')
  const file = { scheme: 'file', path: 'a', append: true, force: false } as const
  t.strictSame(toAddress(file), file)
  t.strictSame(toAddress({ scheme: 'stdio' }), { scheme: 'stdio' })
  for (const wrong of [
    { ...local, port: 70000 },
    { scheme: 'tls', host: '', port: -1 },
    { scheme: 'unix', path: '' },
    { scheme: 'unix' },
    { scheme: 'memory', name: '' },
    { scheme: 'file', path: '' },
  ] as Address[])
    t.throws(
      () => toAddress(wrong),
      { code: 'ERR_ADDRESS', message: /^'{"scheme":".*}'.*; expected host:port/ },
      JSON.stringify(wrong),
    )
  t.throws(() => toAddress({ scheme: 'http' } as unknown as Address), {
    code: 'ERR_ADDRESS',
    message: "scheme: 'http' is not allowed; expected tcp, tls, unix, reliable, listen, memory, nats, file, stdio",
  })
})

t.test('address → text is the inverse', async t => {
  for (const text of [
    '127.0.0.1:80',
    '[::1]:80',
    'unix:/run/x.sock',
    'example.org:0',
    'tls://[::1]:443',
    'tls://unix:80',
    'tls://unix:/run/x.sock',
    'memory:name',
    'file:a b',
    'reliable://[::1]:80',
    'reliable+tls://unix:/run/x.sock',
    '-',
  ])
    t.equal(formatAddress(parseAddress(text)), text)
  t.equal(formatAddress({ scheme: 'tls', path: '/run/x' }), 'tls://unix:/run/x')
})

t.test('a host that is called as a scheme of the table is written so that it stays one', async t => {
  for (const { scheme } of endpoints) {
    const address = { scheme: 'tcp', host: scheme, port: 80 } as const
    t.strictSame(parseAddress(formatAddress(address)), address, formatAddress(address))
  }
  t.equal(formatAddress({ scheme: 'tcp', host: 'unix', port: 80 }), 'tcp://unix:80')
  t.equal(formatAddress({ scheme: 'tcp', host: 'unix.example', port: 80 }), 'unix.example:80')
})

t.test('TLS over an address', async t => {
  t.strictSame(withTls(parseAddress('80')), parseAddress('tls://80'))
  t.strictSame(withTls(parseAddress('tls://80')), parseAddress('tls://80'))
  t.strictSame(withTls(parseAddress('unix:/run/x')), { scheme: 'tls', path: '/run/x' })
  for (const text of ['memory:a', 'file:a', '-'])
    t.throws(() => withTls(parseAddress(text)), {
      code: 'ERR_ADDRESS',
      message: `'${text}' cannot be combined with TLS`,
    })
})

t.test('TLS over an address of sessions', async t => {
  t.strictSame(withTls(parseAddress('reliable://80')), parseAddress('reliable+tls://80'))
  t.strictSame(withTls(parseAddress('reliable+tls://80')), parseAddress('reliable+tls://80'))
})

t.test('sessions over an address', async t => {
  for (const [text, expected] of [
    ['80', 'reliable://80'],
    ['[::1]:80', 'reliable://[::1]:80'],
    ['tls://a:80', 'reliable+tls://a:80'],
    ['unix:/run/x', 'reliable://unix:/run/x'],
    ['tls://unix:/run/x', 'reliable+tls://unix:/run/x'],
    ['reliable://80', 'reliable://80'],
    ['reliable+tls://80', 'reliable+tls://80'],
  ] as const)
    t.strictSame(withSessions(parseAddress(text)), parseAddress(expected), text)
  for (const text of ['memory:a', 'file:a', '-'])
    t.throws(() => withSessions(parseAddress(text)), {
      code: 'ERR_ADDRESS',
      message: `'${text}' cannot be combined with reliable sessions`,
    })
})

const abilities: Ability[] = ['listen', 'dial', 'source', 'sink']
const sample = (scheme: string) =>
  parseAddress(
    {
      tcp: '80',
      tls: 'tls://80',
      unix: 'unix:a',
      listen: 'listen:80',
      memory: 'memory:a',
      file: 'file:a',
      stdio: '-',
      reliable: 'reliable://80',
    }[scheme] ?? '',
  )

t.test('what can be done at an address, and what is said of the rest', async t => {
  for (const [scheme, able] of [
    ['tcp', ['listen', 'dial']],
    ['tls', ['listen', 'dial']],
    ['unix', ['listen', 'dial']],
    ['listen', ['dial']],
    ['memory', ['listen', 'dial']],
    ['reliable', ['listen', 'dial']],
    ['file', ['source', 'sink']],
    ['stdio', ['source', 'sink']],
  ] as const) {
    const address = sample(scheme)
    for (const ability of abilities) {
      const isAble = able.some(each => each === ability)
      t.equal(can(ability, address), isAble, `${scheme} ${ability}`)
      if (isAble) t.equal(endpointFor(ability, address).scheme, scheme)
      else
        t.throws(() => endpointFor(ability, address), {
          code: 'ERR_ADDRESS',
          message: `'${formatAddress(address)}' cannot be ${{ listen: 'listened on', dial: 'connected to', source: 'read', sink: 'written to' }[ability]}; expected ${addressForms(ability)}`,
        })
    }
  }
})

t.test('the forms are those of the table, without what reaches no other process', async t => {
  const plain = 'host:port, :port, port, [::1]:port, tcp://host:port, tls://host:port, tls://unix:path, unix:path'
  const listened = `${plain} or reliable[+tls]://host:port`
  const dialled = `${plain}, reliable[+tls]://host:port or listen:address`
  t.equal(addressForms('listen'), listened)
  t.equal(addressForms('dial'), dialled)
  t.equal(addressForms('sink'), 'nats[+tls]://host/subject, file:path or -')
  t.match(targetForms(), /^host:port, .*unix:path, reliable.*, listen:address or nats\[\+tls\]:\/\/host\/subject$/)
  t.same(
    ['80', 'nats://h/x', 'file:a', '-', 'memory:a'].map(text => isTarget(parseAddress(text))),
    [true, true, false, false, false],
  )
  const both = ['listen', 'sink'] as const
  t.same(
    new Set(addressForms(...both).split(/, | or /)),
    new Set([...listened.split(/, | or /), 'nats[+tls]://host/subject', 'file:path', '-']),
  )
  for (const ability of abilities) t.notMatch(addressForms(ability), /memory/)
})

t.test('an error says what is expected there, and no secret', async t => {
  t.throws(() => parseAddress('nats://h/x?create=yes'), { message: /expected true, or replicas/ })
  const address = { scheme: 'nats', servers: [], subject: 'x', user: 'me', password: 'secret' } as never
  t.throws(() => toAddress(address), { code: 'ERR_ADDRESS', message: /^(?!.*secret)/ })
})

t.test('an address is told from a stream and from data', async t => {
  for (const value of ['80', { port: 80 }, { path: 'a' }, { scheme: 'stdio' }])
    t.ok(isAddressInput(value), String(value))
  const writable = Object.assign(new WritableStream(), { path: 'a' })
  for (const value of [undefined, null, 80, {}, Buffer.from('80'), writable])
    t.notOk(isAddressInput(value), String(value))
  t.notOk(isAddressInput({ write() {}, path: 'a' }), 'a stream of a file')
})

t.test('addressOf takes the address, or else the path, or else host and port, with TLS or without', async t => {
  t.same(addressOf('unix:/x', { port: 1 }), { scheme: 'unix', path: '/x' })
  t.same(addressOf(undefined, { path: '/x', port: 1 }), { scheme: 'unix', path: '/x' })
  t.same(addressOf(undefined, {}), { scheme: 'tcp', host: '127.0.0.1', port: 3099 })
  t.same(addressOf(undefined, { port: 1, tls: true }), { scheme: 'tls', host: '127.0.0.1', port: 1 })
})

t.test('isOfSockets: whether the address is one of sockets', async t => {
  for (const text of ['1', 'tls://1', 'unix:/a', 'reliable://1']) t.ok(isOfSockets(toAddress(text)), text)
  for (const text of ['memory:a', 'file:a', '-']) t.notOk(isOfSockets(toAddress(text)), text)
})
