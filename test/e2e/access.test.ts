import { readdirSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bounded, closed, dial, exchange, listen, proxy, run, type ServerProcess, serve } from './support.js'

const hasIpv6 = Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === '::1'))

for (const [what, args, allowed, denied] of [
  ['an address', ['--allow', '127.0.0.2'], ['127.0.0.2'], ['127.0.0.1', '127.0.0.3']],
  ['a CIDR', ['--allow', '127.0.0.8/30'], ['127.0.0.8', '127.0.0.11'], ['127.0.0.7', '127.0.0.12']],
  ['a range', ['--allow', '127.0.0.5-127.0.0.7'], ['127.0.0.5', '127.0.0.7'], ['127.0.0.4', '127.0.0.8']],
  ['several', ['--allow', '127.0.0.2,127.0.0.4 127.0.0.6'], ['127.0.0.2', '127.0.0.4', '127.0.0.6'], ['127.0.0.3']],
  ['repeated', ['--allow', '127.0.0.2', '--allow', '127.0.0.4'], ['127.0.0.2', '127.0.0.4'], ['127.0.0.3']],
  ['denied', ['--deny', '127.0.0.2', '--deny', '127.0.0.4'], ['127.0.0.1', '127.0.0.3'], ['127.0.0.2', '127.0.0.4']],
  [
    'deny wins, in whatever order',
    ['--deny', '127.0.0.2', '--allow', '127.0.0.0/24', '--deny', '127.0.0.16/28'],
    ['127.0.0.1', '127.0.0.15', '127.0.0.32'],
    ['127.0.0.2', '127.0.0.16', '127.0.0.31', '127.0.1.1'],
  ],
  ['deny wins over the same rule', ['--allow', '127.0.0.2', '--deny', '127.0.0.2'], [], ['127.0.0.2', '127.0.0.1']],
  ['IPv4-mapped rules', ['--allow', '::ffff:127.0.0.2'], ['127.0.0.2'], ['127.0.0.1']],
  ['IPv6 rules have no IPv4 addresses', ['--deny', '::/0'], ['127.0.0.1'], []],
] as const) {
  t.test(`--allow and --deny: ${what}`, async t => {
    const server = await serve(t, ['127.0.0.1:0', '--reply', ...args])
    for (const address of allowed) t.equal(await visit(t, server, address), 'served', address)
    for (const address of denied) t.equal(await visit(t, server, address), 'reset', address)
    server.kill('SIGTERM')
    const { code, logs } = await server.ended
    t.equal(code, 0)
    if (denied.length > 0)
      t.match(
        logs.find(({ msg }) => msg === 'connections refused in total'),
        { level: 40, refused: { access: denied.length }, total: denied.length },
      )
  })
}

t.test('--allow @file: a rule a line, comments and blank lines; several files and rules together', async t => {
  const dir = t.testdir({
    office: '# the office\n127.0.0.2\n\n  127.0.0.16/28   # the lab\r\n',
    home: '127.0.0.4-127.0.0.5',
  })
  const args = ['--allow', '@office', '--allow', '@home', '--allow', '127.0.0.9', '--deny', '@office2']
  writeFileSync(join(dir, 'office2'), '127.0.0.31')
  const server = await serve(t, ['127.0.0.1:0', '--reply', ...args], { cwd: dir })
  for (const address of ['127.0.0.2', '127.0.0.16', '127.0.0.30', '127.0.0.4', '127.0.0.5', '127.0.0.9'])
    t.equal(await visit(t, server, address), 'served', address)
  for (const address of ['127.0.0.1', '127.0.0.3', '127.0.0.31', '127.0.0.6'])
    t.equal(await visit(t, server, address), 'reset', address)
})

t.test('IPv4 clients of [::] are matched as IPv4', { skip: hasIpv6 ? false : 'there is no ::1' }, async t => {
  for (const [args, v4, v6] of [
    [['--deny', '127.0.0.0/8'], 'reset', 'served'],
    [['--allow', '127.0.0.1'], 'served', 'reset'],
    [['--deny', '::1'], 'served', 'reset'],
    [['--allow', '::/0'], 'reset', 'served'],
    [['--allow', '::/0', '--allow', '0.0.0.0/0'], 'served', 'served'],
  ] as const) {
    const server = await serve(t, ['[::]:0', '--reply', ...args])
    t.equal(await visit(t, server, '127.0.0.1'), v4, args.join(' '))
    t.equal(await visit(t, server, '::1'), v6, args.join(' '))
  }
})

t.test('the environment stands for the options, and the line replaces it', async t => {
  const env = { TCP_PIPE_SERVE_ALLOW: '127.0.0.2, 127.0.0.3', TCP_PIPE_SERVE_DENY: '127.0.0.3' }
  const server = await serve(t, ['127.0.0.1:0', '--reply'], { env })
  t.equal(await visit(t, server, '127.0.0.2'), 'served')
  t.equal(await visit(t, server, '127.0.0.3'), 'reset')
  t.equal(await visit(t, server, '127.0.0.1'), 'reset')
  const other = await serve(t, ['127.0.0.1:0', '--reply', '--allow', '127.0.0.1'], { env })
  t.equal(await visit(t, other, '127.0.0.1'), 'served')
  t.equal(await visit(t, other, '127.0.0.2'), 'reset')
  const file = join(t.testdir({ rules: '127.0.0.4\n' }), 'rules')
  const target = await listen(t, socket => void socket.pipe(socket))
  const link = await proxy(t, ['127.0.0.1:0', target.to], { env: { TCP_PIPE_PROXY_ALLOW: `@${file}` } })
  t.equal(await visit(t, link, '127.0.0.4'), 'served')
  t.equal(await visit(t, link, '127.0.0.1'), 'reset')
  const { code, stderr } = await run(t, ['serve', '0'], {
    env: { TCP_PIPE_SERVE_ALLOW: 'nonsense' },
    faults: ["--allow: 'nonsense'"],
  })
  t.equal(code, 2)
  t.notMatch(stderr, 'listening')
})

t.test('a denied client: nothing that it sends is read, and it gets nothing', async t => {
  t.test('serve to stdout', async t => {
    const server = await serve(t, ['127.0.0.1:0', '--deny', '127.0.0.2'])
    const denied = await dialled(t, server, '127.0.0.2')
    denied?.write('from the one who is denied')
    await gone(t, denied)
    const good = await dial(t, { port: server.port, host: '127.0.0.1' })
    good.end('from the one who is not')
    await server.logged('connection closed')
    server.kill('SIGTERM')
    t.equal(String((await server.ended).stdout), 'from the one who is not')
  })

  t.test('serve --from: not a byte of the file', async t => {
    const server = await serve(t, ['127.0.0.1:0', '--from', 'package.json', '--deny', '127.0.0.2'])
    await gone(t, await dialled(t, server, '127.0.0.2'))
  })

  t.test('serve --tls: not a byte of the handshake', async t => {
    const server = await serve(t, ['127.0.0.1:0', '--tls', 'auto', '--from', 'package.json', '--deny', '127.0.0.2'])
    const denied = await dialled(t, server, '127.0.0.2')
    denied?.write(Buffer.from('16030100050100000100', 'hex')) // TLS would answer it, at least with an alert
    await gone(t, denied)
    server.kill('SIGTERM')
    const { logs } = await server.ended
    t.notOk(logs.some(({ msg }) => msg === 'TLS handshake failed'))
  })

  t.test('proxy: the target is never dialled', async t => {
    let dials = 0
    const target = await listen(t, socket => {
      dials++
      socket.pipe(socket)
    })
    const server = await proxy(t, ['127.0.0.1:0', target.to, '--deny', '127.0.0.2'])
    for (let i = 0; i < 5; i++) {
      const denied = await dialled(t, server, '127.0.0.2')
      denied?.write('x')
      await gone(t, denied)
    }
    t.equal(String(await exchange(t, server.port, 'good')), 'good')
    t.equal(dials, 1, 'once, for the one who may')
  })

  t.test('serve --once: it is not the one', async t => {
    const server = await serve(t, ['127.0.0.1:0', '--once', '--deny', '127.0.0.2'])
    await gone(t, await dialled(t, server, '127.0.0.2'))
    const good = await dial(t, { port: server.port, host: '127.0.0.1' })
    good.end('served')
    const { code, stdout } = await server.ended
    t.equal(code, 0)
    t.equal(String(stdout), 'served')
  })

  t.test('serve --output: no file', async t => {
    const dir = t.testdir()
    const server = await serve(t, ['127.0.0.1:0', '-o', '{remote}', '--deny', '127.0.0.2'], { cwd: dir })
    await gone(t, await dialled(t, server, '127.0.0.2'))
    const good = await dial(t, { port: server.port, host: '127.0.0.1' })
    good.end('x')
    await server.logged('connection closed')
    t.strictSame(readdirSync(dir), ['127.0.0.1'])
  })
})

t.test('an invalid rule: exit 2 with its position, before anything listens (B-08)', async t => {
  const dir = t.testdir({
    rules: '# fine\n127.0.0.1\n\n10.0.0.0/33 # not fine\n',
    binary: Buffer.alloc(5000, 0xff),
    empty: '# nothing\n\n',
    folder: {},
  })
  const places = [
    ['10.0.0.300', "'10.0.0.300' is not an address, a CIDR or a range"],
    ['10.0.0.0/33', "'10.0.0.0/33'"],
    ['10.0.0.0/08', "'10.0.0.0/08'"],
    ['10.0.0.9-10.0.0.1', 'the lower end first'],
    ['10.0.0.1-fd00::1', "'10.0.0.1-fd00::1'"],
    ['010.0.0.1', "'010.0.0.1'"],
    ['example.org', "'example.org'"],
    ['127.0.0.1:80', "'127.0.0.1:80'"],
    ['10.0.0.1,nonsense', "'nonsense'"],
    ['', "''"],
    [',', "','"],
    ['@', "'@' is not allowed; expected '@file'"],
    ['@missing', 'missing cannot be read: ENOENT'],
    ['@folder', 'folder cannot be read: EISDIR'],
    ['@rules', "rules:4: '10.0.0.0/33'"],
    ['@binary', 'binary:1: '],
  ] as const
  for (const [i, [rule, place]] of places.entries()) {
    const flag = i % 2 ? '--allow' : '--deny'
    const command = i % 4 < 2 ? ['serve', '0'] : ['proxy', '0', '127.0.0.1:9']
    const { code, logs, stderr } = await run(t, [...command, `${flag}=${rule}`], { cwd: dir, faults: [place] })
    t.equal(code, 2, `${flag} ${rule}`)
    t.match(stderr, `tcp-pipe: ${flag}: `)
    t.equal(stderr.trim().split('\n').length, 1, 'one line')
    t.ok(stderr.length < 700, 'which is short')
    t.same(logs, [])
  }
  const { code } = await run(t, ['serve', '0', '--allow', '@empty'], { cwd: dir, faults: ['would deny everyone'] })
  t.equal(code, 2)
  t.equal((await run(t, ['serve', '0', '--allow'], { faults: ['--allow'] })).code, 2, 'no value')
  t.equal((await run(t, ['serve', '0', '--alow', '::1'], { faults: ["did you mean '--allow'"] })).code, 2)
})

t.test('clients of a unix socket have no address: exit 2 (B-08)', async t => {
  for (const flag of ['--allow', '--deny']) {
    for (const command of [
      ['serve', 'unix:never'],
      ['proxy', 'unix:never', '127.0.0.1:9'],
    ]) {
      const { code } = await run(t, [...command, flag, '127.0.0.1'], { faults: ['unix socket'] })
      t.equal(code, 2)
    }
  }
})

/** What becomes of a client that has this address. */
async function visit(t: Test, { port }: ServerProcess, localAddress: string): Promise<'served' | 'reset'> {
  const host = localAddress.includes(':') ? '::1' : '127.0.0.1'
  try {
    return String(await exchange(t, { port, host, localAddress }, 'hello')) === 'hello' ? 'served' : 'reset'
  } catch (error) {
    t.match(error, { code: /ECONNRESET|EPIPE/ })
    return 'reset'
  }
}

/** A connection; undefined if the reset has come before we were told that it stands. */
async function dialled(t: Test, { port }: ServerProcess, localAddress: string): Promise<Socket | undefined> {
  return dial(t, { port, host: '127.0.0.1', localAddress }).catch(error => {
    t.match(error, { code: 'ECONNRESET' })
    return undefined
  })
}

/** It was reset, and has got nothing. */
async function gone(t: Test, socket: (Socket & { failed?: Error }) | undefined): Promise<void> {
  if (!socket) return
  if (socket.listenerCount('data') === 0) socket.resume()
  await bounded(closed(socket), 'the reset')
  t.match(socket.failed, { code: /ECONNRESET|EPIPE/ })
  t.equal(socket.bytesRead, 0)
}
