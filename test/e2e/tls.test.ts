import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { serve as serveInLibrary } from '../../lib/index.js'
import { certificates, dialTls, exchangeTls, fateOf, listenTls, type RecipeName, secured } from './certificates.js'
import { bounded, closed, dial, missing, pattern, proxy, run, type ServerProcess, serve } from './support.js'

const skip = missing('openssl')
const files = certificates(t)
const versions = ['TLSv1.2', 'TLSv1.3'] as const
const noPin = `sha256//${'A'.repeat(43)}=`

/** Slow, and with something to add when all has come. */
const trailing = "throttle 4MiB | exec sh -c 'cat; sleep 0.2; printf trailer'"

t.test('the line `listening` tells the pin; send that is given it delivers, with another one it does not', async t => {
  const ways = [
    ['0', '--tls', 'auto'],
    ['tls://127.0.0.1:0', '--tls', 'auto'],
    ['--tls', 'auto', '0'],
  ]
  for (const words of ways) {
    t.test(`serve ${words.join(' ')}`, async t => {
      const server = await serve(t, [...words, '--reply'])
      const pin = pinOf(server)
      const good = await run(t, ['send', '--to', `tls://${server.to}`, '--pin', `${noPin};${pin}`], { input: 'hello' })
      t.match([good.code, String(good.stdout)], [0, 'hello'])
      const faults = [`the server's public key is ${pin}; expected ${noPin}`]
      const bad = await run(t, ['send', '--to', server.to, '--tls', '--pin', noPin], { input: 'secret', faults })
      t.match(bad, { code: 1, logs: [{ code: 'ERR_PIN', level: 50 }] })
      t.equal(bad.stdout.length, 0)
      t.match(await server.logged('connection closed'), { bytesIn: 5, tls: { protocol: 'TLSv1.3' } })
    })
  }
})

t.test('--cert and --key: the pin is the one of openssl', { skip }, async t => {
  const words = files.of('server').words
  for (const way of [
    ['0', '--tls', ...words],
    ['--tls', '0', ...words],
    ['--tls', ...words, '127.0.0.1:0'],
    ['tls://:0', ...words],
  ]) {
    const server = await serve(t, way)
    t.equal(pinOf(server), files.pin('server'), way.join(' '))
  }
})

for (const maxVersion of versions) {
  const version = maxVersion.replace('v', ' ')
  t.test(`every byte and the trailer come to a client that has ended its side: ${version} (A-01)`, async t => {
    const server = await serve(t, ['0', '--tls', 'auto', '--reply', '-t', trailing])
    const sent = pattern(1_000_007)
    const back = await exchangeTls(t, server.port, sent, { maxVersion })
    t.ok(back.equals(Buffer.concat([sent, Buffer.from('trailer')])), `${back.length} bytes`)
    t.match(await server.logged('connection closed'), { tls: { protocol: maxVersion }, closedBy: 'peer' })
  })

  t.test(`and to a server that has ended its side: ${version} (A-01)`, { skip }, async t => {
    const sent = pattern(1_000_007)
    const received: Buffer[] = []
    let ended: Promise<unknown> | undefined
    const target = await listenTls(t, { ...files.of('server').pem, maxVersion }, socket => {
      ended = once(
        socket.on('data', chunk => received.push(chunk)),
        'end',
      )
      secured(socket).then(() => socket.end('bye'))
    })
    const to = ['--to', `tls://127.0.0.1:${target.port}`, '--ca', files.of('authority').cert]
    const { code, stdout, logs } = await run(t, ['send', ...to, '-t', trailing], { input: sent })
    t.equal(code, 0)
    t.equal(String(stdout), 'bye')
    await ended
    t.ok(Buffer.concat(received).equals(Buffer.concat([sent, Buffer.from('trailer')])))
    t.match(logs, [{ msg: 'connection closed', tls: { protocol: maxVersion } }])
  })
}

t.test('both ends are tcp-pipe: send half-closes, the answer is whole (A-01)', async t => {
  const server = await serve(t, ['0', '--tls', 'auto', '--reply', '-t', trailing])
  const sent = pattern(1_000_007)
  const words = ['send', '--to', `tls://${server.to}`, '--pin', pinOf(server), '--min-version', '1.3']
  const { code, stdout } = await run(t, words, { input: sent })
  t.equal(code, 0)
  t.ok(stdout.equals(Buffer.concat([sent, Buffer.from('trailer')])), `${stdout.length} bytes`)
})

t.test('a handler of the library that ends at once has ended well for the client', async t => {
  await using server = await serveInLibrary({ port: 0, tls: 'auto' }, async socket => {
    socket.end('bye')
    await once(socket.resume(), 'end')
  })
  const words = ['send', '--to', `tls://127.0.0.1:${server.address.port}`, '--pin', String(server.pin)]
  const { code, stdout } = await run(t, words, { input: 'hello' })
  t.equal(code, 0)
  t.equal(String(stdout), 'bye')
})

/** Certificate of the server → what send says of it. */
const refused: [name: RecipeName, code: string, says: string][] = [
  ['selfSigned', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'or its pin as --pin'],
  ['expired', 'CERT_HAS_EXPIRED', 'the peer needs a new one'],
  ['future', 'CERT_NOT_YET_VALID', 'is the clock right on both sides?'],
  ['otherName', 'ERR_TLS_CERT_ALTNAME_INVALID', "not in the cert's list: DNS:other.example; if it is the right server"],
  ['nameOnly', 'ERR_TLS_CERT_ALTNAME_INVALID', "not in the cert's list: DNS:localhost; if it is the right server"],
  ['leaf', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'or the peer did not send its intermediate certificates'],
]

t.test(
  'send to a server that cannot be verified: the code, a hint, exit 1, and not a byte (D-01)',
  { skip },
  async t => {
    t.jobs = 3
    const cases = [
      ...refused.map(each => [...each, 'TLSv1.3'] as const),
      ...refused.slice(0, 1).map(each => [...each, 'TLSv1.2'] as const),
    ]
    for (const [name, code, says, maxVersion] of cases) {
      t.test(`${name}, ${maxVersion}`, async t => {
        const { target, received, ended } = await recordingServer(name, maxVersion)
        const to = ['--to', `tls://127.0.0.1:${target.port}`, '--ca', files.of('authority').cert]
        const { code: exit, stdout, logs } = await run(t, ['send', ...to], { input: 'secret', faults: [says] })
        t.equal(exit, 1)
        t.equal(stdout.length, 0)
        t.match(logs, [{ level: 50, code, msg: 'cannot connect' }])
        t.equal(logs.length, 1)
        await ended
        t.same(received, [])
      })
    }

    t.test('no authority that Node knows has signed it', async t => {
      const { target, received } = await recordingServer('server', 'TLSv1.3')
      const faults = ['UNABLE_TO_VERIFY_LEAF_SIGNATURE']
      t.equal((await run(t, ['send', '--to', `tls://localhost:${target.port}`], { input: 'secret', faults })).code, 1)
      t.same(received, [])
    })

    async function recordingServer(name: RecipeName, maxVersion: 'TLSv1.2' | 'TLSv1.3') {
      const received: string[] = []
      let end: (gone: Promise<unknown>) => void
      const ended = new Promise<unknown>(resolve => {
        end = resolve
      })
      const target = await listenTls(t, { ...files.of(name).pem, maxVersion }, socket => {
        socket.on('data', chunk => received.push(String(chunk)))
        end(closed(socket.raw))
      })
      return { target, received, ended }
    }
  },
)

t.test('send to a server that can be verified: by --ca, --pin, --server-name, with a chain', { skip }, async t => {
  t.jobs = 3
  const ca = ['--ca', files.of('authority').cert]
  const good: [title: string, server: readonly string[], host: string, words: string[]][] = [
    ['--ca', files.of('server').words, '127.0.0.1', ca],
    ['--ca, by name', files.of('nameOnly').words, 'localhost', ca],
    [
      'the certificate itself as --ca',
      files.of('selfSigned').words,
      '127.0.0.1',
      ['--ca', files.of('selfSigned').cert],
    ],
    ['one of two --pin', files.of('expired').words, '127.0.0.1', ['--pin', `${noPin};${files.pin('expired')}`]],
    ['--ca and --pin', files.of('server').words, '127.0.0.1', [...ca, '--pin', files.pin('server')]],
    ['--server-name', files.of('otherName').words, '127.0.0.1', [...ca, '--server-name', 'other.example']],
    ['a chain', files.chain().words, '127.0.0.1', ca],
    ['--insecure', files.of('expired').words, '127.0.0.1', ['--insecure']],
  ]
  for (const [title, server, host, words] of good) {
    t.test(title, async t => {
      const { port, logged } = await serve(t, ['0', '--tls', ...server, '--reply'])
      const { code, stdout, logs } = await run(t, ['send', '--to', `tls://${host}:${port}`, ...words], {
        input: 'hello',
      })
      t.equal(code, 0)
      t.equal(String(stdout), 'hello')
      t.equal(
        logs.some(line => line.level === 40 && line.msg.startsWith('--insecure: ')),
        title === '--insecure',
      )
      await logged('connection closed')
    })
  }

  t.test('--pin and --ca: both must be right', async t => {
    const { port } = await serve(t, ['0', '--tls', ...files.of('expired').words, '--reply'])
    const words = ['send', '--to', `tls://127.0.0.1:${port}`, ...ca, '--pin', files.pin('expired')]
    t.equal((await run(t, words, { input: 'secret', faults: ['CERT_HAS_EXPIRED'] })).code, 1)
  })
})

t.test('serve --client-ca', { skip }, async t => {
  const words = [
    '0',
    '--tls',
    ...files.of('server').words,
    '--client-ca',
    files.of('authority').cert,
    '--from',
    cliFile(t),
  ]
  for (const maxVersion of versions) {
    t.test(`clients without the right certificate get nothing, and give nothing: ${maxVersion} (D-01)`, async t => {
      const server = await serve(t, words)
      for (const [name, code] of [
        [undefined, 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
        ['strangersClient', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
        ['selfSigned', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
      ] as const) {
        const got: Buffer[] = []
        const options = { ...(name && files.of(name).pem), maxVersion }
        await dialTls(t, server.port, options).then(
          socket => {
            socket.on('data', chunk => got.push(chunk)).write('secret')
            return fateOf(socket)
          },
          () => {},
        )
        t.match(await server.logged('TLS handshake failed', line => line.code === code), { level: 40, error: String })
        t.same(got, [])
      }
      t.equal(server.logs.length, 4, 'one line each')
      t.equal(server.stdout().length, 0)
      t.equal(
        String(await exchangeTls(t, server.port, 'hello', { ...files.of('client').pem, maxVersion })),
        'for friends',
      )
      t.match(await server.logged('connection closed'), { tls: { protocol: maxVersion, subject: 'CN=client' } })
      t.equal(String(server.stdout()), 'hello')
    })
  }

  t.test('send without a certificate, with a wrong one, with the right one (D-01)', async t => {
    const server = await serve(t, words)
    const to = ['send', '--to', `tls://${server.to}`, '--ca', files.of('authority').cert]
    const none = await run(t, to, { input: 'secret', faults: ['certificate: see --cert and --key'] })
    t.match(none, { code: 1, logs: [{ code: /^ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED$|^ECONNRESET$|^EPIPE$/ }] })
    const wrong = await run(t, [...to, ...files.of('strangersClient').words], {
      input: 'secret',
      faults: [
        /"code":"(ECONNRESET|EPIPE|ERR_UNEXPECTED_EOF)","error":"[^"]* does not accept the client: it may require/,
      ],
    })
    t.equal(wrong.code, 1)
    const right = await run(t, [...to, ...files.of('client').words], { input: 'hello' })
    t.match([right.code, String(right.stdout)], [0, 'for friends'])
    t.equal(String(server.stdout()), 'hello')
  })
})

t.test('a client that leaves in the handshake while the server stops: the process ends (G-25)', async t => {
  t.jobs = 2
  for (const words of [
    ['serve', '0', '--tls', 'auto'],
    ['proxy', '0', ':1', '--tls', 'auto'],
  ]) {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      t.test(`${words[0]}, ${signal}`, async t => {
        for (let i = 0; i < 4; i++) {
          const server = await (words[0] === 'serve' ? serve : proxy)(t, words.slice(1), { faults: null })
          const client = await dial(t, server.port)
          server.kill(signal)
          client.destroy()
          const { code, signal: killed } = await bounded(server.ended, 'the end of the process', 5000)
          t.same([code, killed], [0, null])
        }
      })
    }
  }
})

t.test('the passphrase of a key is told nowhere (C-14)', { skip }, async t => {
  const secret = 'correct-horse-battery'
  const key = files.locked(secret)
  const right = join(files.directory, 'passphrase')
  const wrong = join(files.directory, 'wrong')
  writeFileSync(right, `${secret}\n`)
  writeFileSync(wrong, 'another-horse-battery\n')
  const identity = ['--cert', files.of('server').cert, '--key', key]

  t.test('with --log-level trace, in /proc, after a reload', async t => {
    const words = ['0', '--tls', ...identity, '--passphrase-file', right, '--reply', '--log-level', 'trace']
    const server = await serve(t, words)
    t.equal(String(await exchangeTls(t, server.port, 'hello')), 'hello')
    server.kill('SIGHUP')
    await server.logged('certificates reloaded')
    const about = ['cmdline', 'environ'].map(file => readFileSync(`/proc/${server.pid}/${file}`, 'latin1'))
    await server.logged('connection closed')
    t.notMatch(`${server.stderr()}${about}`, /horse/)
  })

  t.test('as a client', async t => {
    const server = await serve(t, ['0', '--tls', 'auto', '--reply', '--log-level', 'trace'])
    const to = ['send', '--to', `tls://${server.to}`, '--pin', pinOf(server), ...identity, '--log-level', 'trace']
    const { code, stderr } = await run(t, [...to, '--passphrase-file', right], { input: 'hello' })
    t.equal(code, 0)
    t.notMatch(stderr, /horse/)
  })

  t.test('of a wrong one in an error, nor in the help', async t => {
    for (const [words, code, faults] of [
      [
        ['serve', '0', '--tls', ...identity, '--passphrase-file', wrong, '--log-level', 'trace'],
        2,
        ['is the passphrase'],
      ],
      [['serve', '--help'], 0, []],
      [['send', '--help'], 0, []],
    ] as const) {
      const env = { TCP_PIPE_SERVE_PASSPHRASE_FILE: right, TCP_PIPE_SEND_PASSPHRASE_FILE: right }
      const result = await run(t, words, { faults, env })
      t.equal(result.code, code)
      t.notMatch(`${result.stderr}${result.stdout}`, /horse/)
    }
  })
})

function pinOf({ logs }: ServerProcess): string {
  return String(logs[0]?.pin)
}

function cliFile(t: Test): string {
  return join(t.testdir({ answer: 'for friends' }), 'answer')
}
