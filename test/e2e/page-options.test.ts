/** `--ui` and what belongs to it, without a browser: options, log lines, failures, sockets, and the end. */
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { json, text } from 'node:stream/consumers'
import t from 'tap'
import {
  bounded,
  closed,
  dial,
  eventually,
  exchange,
  listen,
  missing,
  onTerminal,
  type Process,
  proxy,
  run,
  serve,
  shortDirectory,
  tcpPipe,
} from './support.js'

const token = 'a-token-of-the-test'

type Place = { port: number } | { socketPath: string }

/** Asks the API. */
// biome-ignore lint/suspicious/noExplicitAny: an answer has whatever members it has
async function ask(place: Place, path: string, given?: string, body?: object): Promise<{ status: number; json: any }> {
  const headers = { host: 'localhost', ...(given && { authorization: `Bearer ${given}` }) }
  const asked = request({ host: '127.0.0.1', ...place, path, headers, agent: false, method: body ? 'POST' : 'GET' })
  asked.end(body && JSON.stringify(body))
  return new Promise((resolve, reject) => {
    asked.on('error', reject).on('response', answer => {
      json(answer).then(value => resolve({ status: Number(answer.statusCode), json: value }), reject)
    })
  })
}

/** Where the page is, and its token. */
async function pageOf(process: Process): Promise<{ port: number; token: string; url: string }> {
  const { url } = await process.logged('page')
  const { port, hash } = new URL(String(url))
  return { port: Number(port), token: hash.replace('#token=', ''), url: String(url) }
}

t.test('mistakes are found before anything is opened', async t => {
  const target = await listen(t, socket => void socket.end())
  for (const [words, message] of [
    [['serve', '0', '--ui', '--keep', '1x'], "--keep: '1x' is not allowed; expected bytes"],
    [['serve', '0', '--ui', '--keep-total', '-1'], '--keep-total'],
    [['proxy', '0', target.to, '--keep', '5'], '--keep needs --ui: it is for the page'],
    [['send', '--to', target.to, '--keep-total', '5'], '--keep-total needs --ui: it is for the page'],
    [['send', '--to', target.to, '--keep-tls'], '--keep-tls needs --ui: it is for the page'],
    [['serve', '0', '--ui-token', token], '--ui-token needs --ui: it is for the page'],
    [['serve', '0', '--ui', '--ui-token', 'short-secret'], '--ui-token: the token is not allowed; expected 16 to 200'],
    [['serve', '0', '--ui', 'tls://127.0.0.1:1'], "--ui: 'tls://127.0.0.1:1' is not allowed; expected host:port"],
    [['serve', '0', '--ui', 'memory:x'], "--ui: 'memory:x' is not allowed; expected host:port"],
    [['serve', '0', '--ui', '70000'], "--ui: '70000': the port must be a whole number from 0 to 65535"],
  ] as const) {
    const { code, stderr } = await run(t, words, { faults: null })
    t.equal(code, 2, words.join(' '))
    t.ok(stderr.startsWith(`tcp-pipe: ${message}`), stderr)
    t.notMatch(stderr, 'short-secret', 'the token is not shown')
    t.equal(stderr.trimEnd().split('\n').length, 1)
  }
})

t.test('environment variables', async t => {
  const target = await listen(t, socket => void socket.pipe(socket))
  const env = { TCP_PIPE_PROXY_UI: '127.0.0.1:0', TCP_PIPE_PROXY_UI_TOKEN: token, TCP_PIPE_PROXY_KEEP: '4k' }
  const server = await proxy(t, ['0', target.to], { env })
  const page = await pageOf(server)
  t.equal(page.token, token)
  t.match((await ask(page, '/api/stats', token)).json, { mayChange: true, keep: { perConnection: 4096 } })
  const wrong = { env: { ...env, TCP_PIPE_PROXY_UI_TOKEN: 'short' }, faults: ['TCP_PIPE_PROXY_UI_TOKEN'] }
  t.equal((await run(t, ['proxy', '0', target.to], wrong)).code, 2)
})

t.test('the last --ui counts; the page says what runs, without the token', async t => {
  const server = await serve(t, ['0', '--reply', '--ui', '1', '--ui', '127.0.0.1:0', '--ui-token', token])
  const page = await pageOf(server)
  t.equal(page.url, `http://127.0.0.1:${page.port}/#token=${token}`)
  const { about, address, segments } = (await ask(page, '/api/stats')).json
  t.match(about, { name: 'serve', version: /^\d+\.\d+\.\d+/, pid: server.pid, command: /^tcp-pipe serve 0 --reply / })
  t.notMatch(about.command, token)
  t.equal(address, server.to)
  t.same(segments, { forward: ['transforms'], reply: [] })
  t.same((await ask(page, '/api/faults')).json, { available: [], on: [] }, 'only a proxy offers faults')
})

t.test('a proxy offers its faults', async t => {
  const target = await listen(t, socket => void socket.pipe(socket))
  const server = await proxy(t, ['0', target.to, '--ui', '127.0.0.1:0'])
  const page = await pageOf(server)
  t.match((await ask(page, '/api/stats')).json, { about: { name: 'proxy' }, target: target.to, mayChange: false })
  const { available } = (await ask(page, '/api/faults')).json
  const names = available.map(({ name }: { name: string }) => name)
  t.same(names, ['delay', 'throttle', 'cut', 'reset', 'stall', 'corrupt', 'drop'])
  const fault = { name: 'delay', direction: 'reply', options: { latency: '1ms' } }
  t.equal((await ask(page, '/api/faults', undefined, fault)).status, 401)
  t.match(await ask(page, '/api/faults', page.token, fault), { status: 200, json: { spec: 'delay latency=1ms' } })
  t.equal(String(await exchange(t, server.port, 'hello')), 'hello')
})

t.test('a page that cannot listen: exit code 1, and the server does not listen either', async t => {
  const used = await listen(t, socket => void socket.end())
  const faults = [`tcp-pipe: --ui: listen EADDRINUSE: address already in use ${used.to}`]
  for (const words of [
    ['serve', '0'],
    ['proxy', '0', used.to],
  ]) {
    const { code, logs } = await run(t, [...words, '--ui', used.to], { faults })
    t.same([code, logs], [1, []], words.join(' '))
  }
  // Its stdin is open: it would keep the process alive.
  const { code, logs } = await run(t, ['send', '--to', used.to, '--ui', used.to], { faults, input: null })
  t.same([code, logs], [1, []], 'send')
  const path = join(shortDirectory(t), 'file')
  writeFileSync(path, 'mine')
  const other = await run(t, ['serve', '0', '--ui', `unix:${path}`], {
    faults: ['the path exists and is not a socket'],
  })
  t.equal(other.code, 2)
})

t.test('--metrics on the same port: the error names one of them', async t => {
  const used = await listen(t, socket => void socket.end())
  await new Promise<void>(resolve => used.close(() => resolve()))
  const { code, logs } = await run(t, ['serve', '0', '--metrics', used.to, '--ui', used.to], {
    faults: [`tcp-pipe: --ui: listen EADDRINUSE: address already in use ${used.to}`],
  })
  t.equal(code, 1)
  t.same(
    logs.map(({ msg }) => msg),
    ['metrics'],
  )
})

t.test('a unix socket: its log line has the token, and it is removed at every end', async t => {
  const path = join(shortDirectory(t), 'page')
  const target = await listen(t, socket => void socket.pipe(socket))
  const words = ['--ui', `unix:${path}`]
  const server = await serve(t, ['0', '--once', '--reply', ...words])
  const { url, token } = await server.logged('page')
  t.equal(url, `unix:${path}`)
  t.equal((await ask({ socketPath: path }, '/api/stats')).status, 200, 'reads need no token')
  t.match((await ask({ socketPath: path }, '/api/stats', String(token))).json, { mayChange: true })
  t.equal(String(await exchange(t, server.port, 'hello')), 'hello')
  t.equal((await server.ended).code, 0)
  t.notOk(existsSync(path), '--once')

  const stopped = await proxy(t, ['0', target.to, ...words])
  stopped.kill('SIGTERM')
  t.equal((await stopped.ended).code, 0)
  t.notOk(existsSync(path), 'SIGTERM')

  const used = `tcp-pipe: listen EADDRINUSE: address already in use ${target.to}`
  t.equal((await run(t, ['serve', target.to, ...words], { faults: [used] })).code, 1)
  t.notOk(existsSync(path), 'a server that cannot listen')

  const nobody = await listen(t, () => {})
  await new Promise<void>(resolve => nobody.close(() => resolve()))
  const failed = await run(t, ['send', '--to', nobody.to, ...words], { faults: null })
  t.equal(failed.code, 1)
  t.match(failed.stderr, 'cannot connect')
  t.notOk(existsSync(path), 'a send that cannot connect')

  const connected = once(target, 'connection')
  const sender = tcpPipe(t, ['send', '--to', target.to, ...words], { input: null, faults: null })
  await bounded(connected, 'the connection')
  t.ok(existsSync(path))
  sender.kill('SIGINT')
  t.equal((await sender.ended).signal, 'SIGINT')
  t.notOk(existsSync(path), 'SIGINT')

  const killed = await serve(t, ['0', ...words], { faults: null })
  killed.kill('SIGKILL')
  await killed.ended
  t.ok(existsSync(path))
  const next = await serve(t, ['0', ...words])
  t.equal((await ask({ socketPath: path }, '/api/stats')).status, 200, 'what was left behind is replaced')
  next.kill('SIGTERM')
  await next.ended
})

t.test('a random token is shown even if nothing is logged', async t => {
  const target = await listen(t, socket => void socket.pipe(socket))
  const path = join(shortDirectory(t), 'page')
  for (const [words, shown] of [
    [['--ui', '127.0.0.1:0'], /^tcp-pipe: page at http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{32}\n$/],
    [['--ui', `unix:${path}`], /^tcp-pipe: page at unix:\S+, token [\w-]{32}\n$/],
    [['--ui', '127.0.0.1:0', '--ui-token', token], /^$/],
  ] as const) {
    const server = tcpPipe(t, ['proxy', '0', target.to, '--once', '--quiet', '--control', ...words], {
      input: null,
      faults: null,
      env: { XDG_RUNTIME_DIR: shortDirectory(t) },
    })
    await eventually('its line', () => shown.test(server.stderr()))
    t.match(server.stderr(), shown, words.join(' '))
    server.kill('SIGTERM')
    await server.ended
  }
})

t.test('the line of the log on a terminal', { skip: missing('script') }, async t => {
  const { stdout } = await onTerminal(t, 'tcp-pipe send --to 127.0.0.1:1 --ui 127.0.0.1:0').ended
  t.match(String(stdout), /● page at http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{32}/)
})

t.test('a page hears of the end, also while the server drains', async t => {
  const target = await listen(t, socket => void socket.pipe(socket))
  const server = await proxy(t, ['0', target.to, '--ui', '127.0.0.1:0'])
  const page = await pageOf(server)
  const client = await dial(t, server.port)
  const events = request({ host: '127.0.0.1', port: page.port, path: '/api/events', agent: false })
  events.end()
  const all = new Promise<string>((resolve, reject) => {
    events.on('error', reject).on('response', answer => text(answer).then(resolve, reject))
  })
  server.kill('SIGTERM')
  await server.logged('draining')
  t.match((await ask(page, '/api/stats')).json, { stats: { connections: 1 } }, 'it is there until the end')
  client.end()
  await closed(client.resume())
  t.match(await all, /\nevent: end\ndata: \{\}\n\n$/)
  t.equal((await server.ended).code, 0)
})

t.test('explain shows what is kept, and no token', async t => {
  const env = { TCP_PIPE_SERVE_UI_TOKEN: token }
  for (const words of [['serve'], ['proxy', '0', '127.0.0.1:1'], ['send']]) {
    const { stdout } = await run(t, ['explain', ...words, '--ui', '--keep', '10k', '--json'], { env })
    const { settings } = JSON.parse(String(stdout))
    const shown = settings.filter(({ name }: { name: string }) => /^--(ui|keep)/.test(name))
    t.match(shown[0], { name: '--ui', value: '127.0.0.1:3098' })
    t.match(shown.at(-2), { name: '--keep', value: '10k', origin: 'line', given: 10240 })
    t.match(shown.at(-1), { name: '--keep-total', value: '64m', origin: 'default' })
    if (words[0] === 'serve') t.match(shown[1], { name: '--ui-token', value: '…', origin: 'environment', given: '…' })
    t.notMatch(String(stdout), token)
    t.notMatch(String((await run(t, ['explain', ...words])).stdout), '--keep', 'without a page it has no effect')
  }
})
