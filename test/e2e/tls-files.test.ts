import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { certificates, dialTls, exchangeTls, fateOf, listenTls, type SecureEnd } from './certificates.js'
import { bounded, exchange, launch, listen, missing, proxy, run, type ServerProcess, serve } from './support.js'

const skip = missing('openssl')
const files = certificates(t)
const pin = `sha256//${'A'.repeat(43)}=`

/** Words of the command line → what the one line on stderr must say. The files are looked at last, and there are none. */
const mistakes: [line: string[], says: string][] = [
  // on the listening side
  [['serve', '0', '--tls'], '--tls needs --cert FILE and --key FILE; or use --tls auto, which generates them'],
  [['serve', 'tls://:0'], '--tls needs --cert FILE and --key FILE; or use --tls auto, which generates them'],
  [['serve', '0', '--tls', '--client-ca', 'x'], '--tls needs --cert FILE and --key FILE'],
  [['serve', '0', '--tls=yes'], "--tls: 'yes' is not allowed; expected auto"],
  [['serve', '0', '--tls', '--cert', 'x'], '--cert needs --key'],
  [['serve', '0', '--tls', '--key', 'x'], '--key needs --cert'],
  [['serve', '0', '--tls', '--passphrase-file', 'x'], '--passphrase-file needs --key'],
  [['serve', '0', '--tls', 'auto', '--cert', 'x'], '--tls auto and --cert exclude each other'],
  [['serve', '0', '--tls', 'auto', '--key', 'x'], '--tls auto and --key exclude each other'],
  [['serve', '0', '--tls', 'auto', '--passphrase-file', 'x'], '--tls auto and --passphrase-file exclude each other'],
  [['serve', '0', '--cert', 'x', '--key', 'x'], '--cert needs --tls or a tls:// address to listen on'],
  [['serve', '0', '--cert', ''], '--cert needs --tls or a tls:// address to listen on'],
  [['serve', '0', '--key', 'x'], '--key needs --tls or a tls:// address to listen on'],
  [['serve', '0', '--passphrase-file', 'x'], '--passphrase-file needs --tls or a tls:// address to listen on'],
  [['serve', '0', '--client-ca', 'x'], '--client-ca needs --tls or a tls:// address to listen on'],
  [['serve', '0', '--min-version', '1.3'], '--min-version needs --tls or a tls:// address'],
  [['serve', '0', '--ignore-unexpected-eof'], '--ignore-unexpected-eof needs --tls or a tls:// address'],
  [['serve', '0', '--handshake-timeout', '5s'], '--handshake-timeout needs --tls or a tls:// address'],
  [['serve', '0', '--tls', 'auto', '--min-version', '1.1'], "--min-version: '1.1' is not allowed; expected 1.2 or 1.3"],
  // on the side of the target
  [['serve', '0', '--tls', 'auto', '--ca', 'x'], '--ca needs a tls:// address to connect to'],
  [['serve', '0', '--to', ':1', '--pin', pin], '--pin needs a tls:// address to connect to'],
  [['proxy', '0', ':1', '--server-name', 'x'], '--server-name needs a tls:// address to connect to'],
  [['proxy', 'tls://:0', ':1', '--tls', 'auto', '--insecure'], '--insecure needs a tls:// address to connect to'],
  [['proxy', '0', ':1', '--target-cert', 'x'], '--target-cert needs a tls:// address to connect to'],
  [['proxy', '0', ':1', '--target-key', 'x'], '--target-key needs a tls:// address to connect to'],
  [['proxy', '0', ':1', '--target-passphrase-file', 'x'], '--target-passphrase-file needs a tls:// address to connect'],
  [['proxy', '0', 'tls://:1', '--cert', 'x'], '--cert needs --tls or a tls:// address to listen on'],
  [['proxy', '0', 'tls://:1', '--target-cert', 'x'], '--target-cert needs --target-key'],
  [['proxy', '0', 'tls://:1', '--target-key', 'x'], '--target-key needs --target-cert'],
  [['proxy', '0', 'tls://:1', '--target-passphrase-file', 'x'], '--target-passphrase-file needs --target-key'],
  [['proxy', '0', 'tls://:1', '--insecure', '--ca', 'x'], '--insecure and --ca exclude each other'],
  [['proxy', '0', 'tls://:1', '--insecure', '--pin', pin], '--insecure and --pin exclude each other'],
  [['proxy', '0', 'tls://:1', '--ca', 'no-such-file'], '--ca: no-such-file cannot be read: ENOENT'],
  [['serve', '0', '--alpn', 'h2'], '--alpn needs --tls or a tls:// address'],
  // of send
  [['send', '--tls', '--ca', 'x', '--ca', 'y'], '--ca is given twice; expected once'],
  [['send', '--tls', '--pin', pin, '--pin', pin], '--pin is given twice; expected once'],
  [['send', '--ca', 'x'], '--ca needs --tls or --to tls://'],
  [['send', '--pin', pin], '--pin needs --tls or --to tls://'],
  [['send', '--server-name', 'x'], '--server-name needs --tls or --to tls://'],
  [['send', '--insecure'], '--insecure needs --tls or --to tls://'],
  [['send', '--cert', 'x', '--key', 'x'], '--cert needs --tls or --to tls://'],
  [['send', '--min-version', '1.3'], '--min-version needs --tls or --to tls://'],
  [['send', '--handshake-timeout', '5s'], '--handshake-timeout needs --tls or --to tls://'],
  [['send', '--tls', '--cert', 'x'], '--cert needs --key'],
  [['send', '--tls', '--insecure', '--pin', pin], '--insecure and --pin exclude each other'],
  [['send', '--tls', '--pin', 'sha256//abc'], "--pin: 'sha256//abc' is not a pin; expected 'sha256//' and the base64"],
  [['send', '--tls', '--pin', `${pin};`], "--pin: '' is not a pin"],
  [['send', '--tls', '--alpn', 'h2,'], "--alpn: 'h2,' is not allowed; expected names of 1 to 255 bytes"],
  [['send', '--tls', '--server-name', ''], "'' is not allowed; expected a name"],
  [['send', '--to', 'tls:host:1'], "'tls:host:1' is not an address"],
]

t.test('a TLS option that would do nothing, and those that exclude each other: exit 2 and one line', async t => {
  t.jobs = 4
  for (const [line, says] of mistakes) {
    t.test(line.join(' '), async t => {
      const { code, stdout, stderr } = await run(t, line, { faults: [says] })
      t.equal(code, 2)
      t.equal(stdout.length, 0)
      t.match(stderr, /^tcp-pipe: [^\n]+\n$/)
    })
  }
})

t.test('files with a key, parameters and comments beside the certificates are taken (G-27)', { skip }, async t => {
  const { pem } = files.of('server')
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'
  const file = join(files.directory, 'both.pem')
  writeFileSync(file, `# ours\r\n${parameters}${pem.key}# the certificate\n${pem.cert}`)
  const authority = join(files.directory, 'authority-with-key.pem')
  const { cert, key } = files.of('authority').pem
  writeFileSync(authority, key + cert)
  const server = await serve(t, ['0', '--tls', '--cert', file, '--key', file, '--reply'])
  const { code, stdout } = await run(t, ['send', '--to', `tls://${server.to}`, '--ca', authority], { input: 'hello' })
  t.match([code, String(stdout)], [0, 'hello'])
})

t.test('unusable files: exit 2 and one line, before listening or dialling (D-04)', { skip }, async t => {
  t.jobs = 4
  const { cert, key } = files.of('server')
  const locked = files.locked('right')
  const file = (name: string, text: string) => {
    writeFileSync(join(files.directory, name), text)
    return join(files.directory, name)
  }
  const junk = file('junk', 'junk\n')
  const folder = join(files.directory, 'folder')
  mkdirSync(folder)
  const other = files.of('renewed').key
  const wrong: [cert: string, key: string, says: string, ...more: string[]][] = [
    [cert, other, `--key ${other}: it is not the key of cert`],
    [cert, locked, `--key ${locked}: it is encrypted; expected its passphrase`],
    [cert, locked, `is the passphrase right?`, '--passphrase-file', file('wrong', 'wrong\n')],
    [cert, locked, '--passphrase-file: no-such-file cannot be read: ENOENT', '--passphrase-file', 'no-such-file'],
    [cert, folder, `--key: ${folder} cannot be read: EISDIR`],
    [cert, 'no-such-file', '--key: no-such-file cannot be read: ENOENT'],
    [cert, junk, `--key ${junk}: it cannot be read`],
    [cert, cert, `--key ${cert}: it cannot be read`],
    [junk, key, `--cert ${junk}: this is no certificate`],
    [key, key, `--cert ${key}: this is no certificate`],
    [folder, key, `--cert: ${folder} cannot be read: EISDIR`],
    [cert, key, `--client-ca ${junk}: this is no certificate`, '--client-ca', junk],
    [cert, key, '--client-ca: no-such-file cannot be read', '--client-ca', 'no-such-file'],
  ]
  for (const [cert, key, says, ...more] of wrong) {
    t.test(says, async t => {
      const { code, stderr, logs } = await run(t, ['serve', '0', '--tls', '--cert', cert, '--key', key, ...more], {
        faults: [says],
      })
      t.equal(code, 2)
      t.match(stderr, /^tcp-pipe: [^\n]+\n$/)
      t.same(logs, [], 'it has not listened')
    })
  }

  t.test('nor does send dial, nor the proxy listen', async t => {
    let dialled = 0
    const target = await listen(t, () => dialled++)
    const to = `tls://${target.to}`
    for (const [says, ...line] of [
      ['it is not the key of cert', 'send', '--to', to, '--cert', cert, '--key', other],
      [`--ca ${junk}: this is no certificate`, 'send', '--to', to, '--ca', junk],
      ['--target-key', 'proxy', '0', to, '--target-cert', cert, '--target-key', locked],
      [`--ca ${junk}: this is no certificate`, 'proxy', '0', to, '--ca', junk],
    ] as const) {
      const { code, logs } = await run(t, line, { faults: [says] })
      t.equal(code, 2)
      t.same(logs, [])
    }
    t.equal(dialled, 0)
  })

  t.test('a key that this user may not read', { skip: process.getuid?.() === 0 && 'root may read all' }, async t => {
    const secret = file('secret', 'secret')
    spawnSync('chmod', ['0', secret])
    const line = ['serve', '0', '--tls', '--cert', cert, '--key', secret]
    t.equal((await run(t, line, { faults: [`--key: ${secret} cannot be read: EACCES`] })).code, 2)
  })

  t.test('an encrypted key with its passphrase, however the line ends', async t => {
    for (const ending of ['', '\n', '\r\n']) {
      const words = ['--cert', cert, '--key', locked, '--passphrase-file', file('right', `right${ending}`)]
      const server = await serve(t, ['0', '--tls', ...words, '--reply'])
      t.equal(String(await exchangeTls(t, server.port, 'hello')), 'hello')
    }
  })
})

t.test('peers without a common version, cipher or protocol (D-04)', { skip }, async t => {
  t.test('a server with --min-version 1.3, a client of 1.2', async t => {
    const server = await serve(t, ['0', '--tls', ...files.of('server').words, '--min-version', '1.3', '--reply'])
    t.match(await sClient(t, server, '-tls1_2'), /alert protocol version/)
    t.match(await server.logged('TLS handshake failed'), {
      level: 40,
      code: 'ERR_SSL_UNSUPPORTED_PROTOCOL',
      error: /no version of TLS is common to both/,
    })
    t.equal(String(await exchangeTls(t, server.port, 'hello')), 'hello')
  })

  t.test('send --min-version 1.3, a server of 1.2', async t => {
    const target = await listenTls(t, { ...files.of('server').pem, maxVersion: 'TLSv1.2' }, () => {})
    const line = ['send', '--to', `tls://127.0.0.1:${target.port}`, '--min-version', '1.3', '--insecure']
    const { code, logs } = await run(t, line, { input: 'secret', faults: ['no version of TLS is common to both'] })
    t.equal(code, 1)
    t.match(logs.at(-1), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' })
  })

  t.test('a client whose only cipher the server does not have', async t => {
    const server = await serve(t, ['0', '--tls', ...files.of('server').words])
    t.match(await sClient(t, server, '-tls1_2', '-cipher', 'AES128-SHA'), /alert handshake failure/)
    t.match(await server.logged('TLS handshake failed'), {
      code: 'ERR_SSL_NO_SHARED_CIPHER',
      error: /no cipher is common/,
    })
  })

  t.test('a server whose only cipher send does not have', async t => {
    const options = { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' } as const
    const target = await listenTls(t, { ...files.of('server').pem, ...options }, () => {})
    const line = ['send', '--to', `tls://127.0.0.1:${target.port}`, '--insecure']
    const { code } = await run(t, line, { input: 'secret', faults: [/or no cipher is common to both/] })
    t.equal(code, 1)
  })

  t.test('ALPN: none is spoken, and a client that offers some is served', async t => {
    const server = await serve(t, ['0', '--tls', ...files.of('server').words, '--reply'])
    const client = await dialTls(t, server.port, { ALPNProtocols: ['h2', 'http/1.1'] })
    t.equal(client.alpnProtocol, false)
    client.end()
    t.equal(await fateOf(client), 'end')
    t.equal(String(await exchangeTls(t, server.port, 'hello', { ALPNProtocols: ['h2', 'http/1.1'] })), 'hello')
  })
})

t.test('SIGHUP reads the files again', { skip }, async t => {
  t.test('new connections get the new certificate, open ones continue (D-05)', async t => {
    const { server, install } = await renewable(t)
    const old = await dialTls(t, server.port)
    await echoes(t, old, 'before')
    install('renewed')
    server.kill('SIGHUP')
    t.match(await server.logged('certificates reloaded'), { level: 30, pin: files.pin('renewed') })
    await echoes(t, old, 'after')
    const fresh = await dialTls(t, server.port)
    t.equal(fresh.getPeerCertificate().subject.CN, 'renewed')
    t.equal(old.getPeerCertificate().subject.CN, 'server')
    await echoes(t, fresh, 'new')
    const line = ['send', '--to', `tls://${server.to}`, '--pin', files.pin('renewed')]
    t.equal(String((await run(t, line, { input: 'hello' })).stdout), 'hello')
    for (const end of [old, fresh]) end.end()
    t.same(await Promise.all([fateOf(old), fateOf(fresh)]), ['end', 'end'])
  })

  t.test('unusable files are logged, and the old ones stay (D-05)', async t => {
    const faults = ['it is not the key of cert', 'this is no certificate', 'cannot be read: ENOENT']
    const { server, install, cert } = await renewable(t, faults)
    const old = await dialTls(t, server.port)
    const breaks = [
      () => copyFileSync(files.of('renewed').cert, cert),
      () => writeFileSync(cert, '-----BEGIN CERTIFICATE-----\nhalf of'),
      () => rmSync(cert),
    ]
    for (const [i, broken] of breaks.entries()) {
      broken()
      server.kill('SIGHUP')
      const says = faults[i] as string
      const line = await server.logged('certificates not reloaded; keeping the old ones', ({ error }) =>
        String(error).includes(says),
      )
      t.match(line, { level: 50, code: 'ERR_OPTION' })
      t.equal(await subjectOf(t, server), 'server')
    }
    await echoes(t, old, 'still')
    old.end()
    t.equal(await fateOf(old), 'end')
    install('renewed')
    server.kill('SIGHUP')
    await server.logged('certificates reloaded')
    t.equal(await subjectOf(t, server), 'renewed')
  })

  t.test('--tls auto keeps its certificate (D-05)', async t => {
    const server = await serve(t, ['0', '--tls', 'auto'])
    t.equal(await subjectOf(t, server), 'tcp-pipe')
    server.kill('SIGHUP')
    t.equal((await server.logged('certificates reloaded')).pin, server.logs[0]?.pin)
  })

  t.test('without TLS it ends the process (D-05)', async t => {
    const server = await serve(t, ['0'])
    server.kill('SIGHUP')
    t.equal((await server.ended).signal, 'SIGHUP')
  })

  t.test('--client-ca: accepts the clients of the new authority and rejects those of the old one (D-05)', async t => {
    const ca = join(t.testdir(), 'ca.pem')
    copyFileSync(files.of('authority').cert, ca)
    const server = await serve(t, ['0', '--tls', ...files.of('server').words, '--client-ca', ca, '--reply'])
    const outcome = (name: 'client' | 'strangersClient') =>
      exchangeTls(t, server.port, 'hello', { ...files.of(name).pem, maxVersion: 'TLSv1.2' }).then(
        String,
        () => 'refused',
      )
    t.same([await outcome('client'), await outcome('strangersClient')], ['hello', 'refused'])
    copyFileSync(files.of('stranger').cert, ca)
    server.kill('SIGHUP')
    await server.logged('certificates reloaded')
    t.same([await outcome('client'), await outcome('strangersClient')], ['refused', 'hello'])
  })

  t.test('an old session cannot bypass the new --client-ca (D-05)', async t => {
    const ca = join(t.testdir(), 'ca.pem')
    copyFileSync(files.of('authority').cert, ca)
    const server = await serve(t, ['0', '--tls', ...files.of('server').words, '--client-ca', ca, '--reply'])
    await exchangeTls(t, server.port, '', files.of('client').pem)
    const reloaded = async (name: 'authority' | 'stranger') => {
      copyFileSync(files.of(name).cert, ca)
      const before = server.logs.length
      server.kill('SIGHUP')
      await server.logged('certificates reloaded', line => server.logs.indexOf(line) >= before)
    }
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      await reloaded('authority')
      const options = { ...files.of('client').pem, maxVersion }
      const first = await dialTls(t, server.port, options)
      await echoes(t, first, 'hello')
      const session = first.getSession() as Buffer
      const second = await dialTls(t, server.port, { ...options, session })
      t.ok(second.isSessionReused(), `${maxVersion}: it is worth something before`)
      for (const end of [first, second]) end.end()
      await Promise.all([fateOf(first), fateOf(second)])
      await reloaded('stranger')
      const again = await exchangeTls(t, server.port, 'hello', { ...options, session }).then(String, () => 'refused')
      t.not(again, 'hello', maxVersion)
    }
  })

  t.test("the proxy's --ca (D-05)", async t => {
    const ca = join(t.testdir(), 'ca.pem')
    copyFileSync(files.of('stranger').cert, ca)
    const target = await listenTls(t, files.of('server').pem, socket => void socket.pipe(socket))
    const tool = await proxy(t, ['0', `tls://127.0.0.1:${target.port}`, '--ca', ca], {
      faults: ['UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    })
    await t.rejects(exchange(t, tool.port, 'secret'), { code: 'ECONNRESET' })
    copyFileSync(files.of('authority').cert, ca)
    tool.kill('SIGHUP')
    await tool.logged('certificates reloaded')
    t.equal(String(await exchange(t, tool.port, 'hello')), 'hello')
  })
})

/** A server whose certificate can be replaced. */
async function renewable(t: Test, faults: string[] = []) {
  const dir = t.testdir()
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')]
  const install = (name: 'server' | 'renewed') => {
    copyFileSync(files.of(name).cert, cert)
    copyFileSync(files.of(name).key, key)
  }
  install('server')
  const server = await serve(t, ['0', '--tls', '--cert', cert, '--key', key, '--reply'], { faults })
  return { server, install, cert }
}

/** Of the certificate that a new connection gets. */
async function subjectOf(t: Test, { port }: ServerProcess): Promise<string> {
  const socket = await dialTls(t, port)
  const { subject } = socket.getPeerCertificate()
  socket.end()
  t.equal(await fateOf(socket), 'end')
  return String(subject.CN)
}

async function echoes(t: Test, socket: SecureEnd, text: string): Promise<void> {
  const answer = new Promise(resolve => socket.once('data', resolve))
  socket.write(text)
  t.equal(String(await bounded(answer, `the echo of '${text}'`)), text)
}

/** What the client of the `openssl` program says when it cannot connect. */
async function sClient(t: Test, { port }: ServerProcess, ...words: string[]): Promise<string> {
  const line = ['s_client', '-connect', `127.0.0.1:${port}`, ...words]
  const { code, stderr } = await launch(t, 'openssl', line, { faults: null }).ended
  t.equal(code, 1)
  return stderr
}
