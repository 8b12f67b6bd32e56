/** The page against pages of the web, other users, and clients that want to hold it up or to change something. */
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import {
  bounded,
  cleanup,
  closed,
  dial,
  eventually,
  exchange,
  listen,
  type Options,
  proxy,
  residentBytes,
  serve,
  shortDirectory,
} from './support.js'

const token = 'the-token-of-the-test'
const local = 'Host: 127.0.0.1\r\n'
const right = `Authorization: Bearer ${token}\r\n`
const breakpoint = '{"direction":"forward","on":"a text that never comes"}'

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
  // biome-ignore lint/suspicious/noExplicitAny: the checks tell what it is
  json(): any
}

/** A proxy in front of an echo, with a page. */
async function open(
  t: Test,
  args: readonly string[] = [],
  { address = '127.0.0.1:0', ...options }: { address?: string } & Options = {},
) {
  const echo = await listen(t, socket => void socket.pipe(socket))
  const running = await proxy(t, ['0', echo.to, '--ui', address, '--ui-token', token, ...args], options)
  const url = String((await running.logged('page')).url)
  const port = Number(/:(\d+)\/#/.exec(url)?.[1])
  const ask = (
    path: string,
    { body, ...options }: { method?: string; headers?: Record<string, string>; body?: string } = {},
  ) =>
    bounded(
      new Promise<Answer>((resolve, reject) => {
        const asked = request({ host: '127.0.0.1', port, path, agent: false, ...options }, async response => {
          const body = await text(response).catch(String)
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body, json: () => JSON.parse(body) })
        })
        asked.on('error', reject).end(body)
      }),
      `an answer to ${path}`,
    )
  const change = (path: string, body = '{}') =>
    ask(path, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body })
  /** The code of the answer to a request as it stands here; 0 without one, or if a reset has overtaken it. */
  const raw = async (bytes: string | Buffer) => {
    const client = await dial(t, port)
    let answer = ''
    client.on('data', data => {
      answer += data
    })
    client.end(bytes)
    await bounded(gone(client), 'an answer')
    return Number(/^HTTP\/1\.1 (?!100)(\d+)/m.exec(answer)?.[1] ?? 0)
  }
  return { running, port, url, ask, change, raw, echo: (data: string) => exchange(t, running.port, data) }
}

/** Whoever is disconnected hears of the end, or of a reset. */
function gone(socket: Socket): Promise<void> {
  return new Promise(resolve => {
    if (socket.readableEnded || socket.closed) resolve()
    else for (const event of ['end', 'close']) socket.resume().once(event, resolve)
  })
}

/** A connection in which something has been said. */
async function talk(t: Test, { running, ask }: Awaited<ReturnType<typeof open>>, said: string | Buffer) {
  const client = await dial(t, running.port)
  client.write(said)
  await once(client, 'data')
  const [{ id }] = (await ask('/api/connections?limit=1')).json().connections
  return { client, id: String(id) }
}

t.test('pages of the web neither read nor change anything (F-11)', async t => {
  const page = await open(t)
  const { raw, ask } = page
  for (const host of [
    'evil.example',
    `evil.example:${page.port}`,
    'localhost.evil.example',
    '127.0.0.1.nip.io',
    '2130706433',
    'localhost.',
  ])
    for (const path of ['/', '/api/stats', '/api/events'])
      t.equal(await raw(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${right}\r\n`), 403, `${host} ${path}`)
  const size = `Content-Length: ${breakpoint.length}\r\n`
  const upgrade =
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  for (const [status, what, asked] of [
    [403, 'fetch', `GET /api/stats HTTP/1.1\r\n${local}Origin: http://evil.example\r\n\r\n`],
    [
      403,
      'a form',
      `POST /api/breakpoints HTTP/1.1\r\n${local}Origin: http://evil.example\r\nContent-Type: text/plain\r\n${size}\r\n${breakpoint}`,
    ],
    [403, 'a file', `POST /api/breakpoints HTTP/1.1\r\n${local}${right}Origin: null\r\n${size}\r\n${breakpoint}`],
    [403, 'another port', `GET /api/stats HTTP/1.1\r\n${local}Origin: http://127.0.0.1:1\r\n\r\n`],
    [
      403,
      'no-cors',
      `GET /api/events HTTP/1.1\r\n${local}Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n\r\n`,
    ],
    [
      403,
      'a preflight',
      `OPTIONS /api/faults HTTP/1.1\r\n${local}Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n`,
    ],
    [403, 'a WebSocket', `GET /api/events HTTP/1.1\r\n${local}${upgrade}Origin: http://evil.example\r\n\r\n`],
    [
      403,
      'two origins',
      `GET /api/log HTTP/1.1\r\n${local}Origin: http://127.0.0.1\r\nOrigin: http://evil.example\r\n\r\n`,
    ],
    [403, 'another host', `GET /api/log HTTP/1.1\r\nHost: evil.example\r\n${local}\r\n`],
    [400, 'an absolute form', `GET http://evil.example/api/log HTTP/1.1\r\n${local}\r\n`],
    [404, 'two slashes', `GET //evil.example/api/log HTTP/1.1\r\n${local}\r\n`],
    [400, 'a folded origin', `GET /api/log HTTP/1.1\r\n${local}Origin:\r\n http://evil.example\r\n\r\n`],
    [0, 'CONNECT', `CONNECT 127.0.0.1:${page.running.port} HTTP/1.1\r\n${local}${right}\r\n`],
  ] as const)
    t.equal(await raw(asked), status, what)
  t.same((await ask('/api/breakpoints')).json().breakpoints, [])
  t.notMatch((await ask('/')).headers, { 'access-control-allow-origin': /./ })
})

t.test('nothing changes without the token, by any path, method or header (F-11)', async t => {
  const page = await open(t)
  const { ask, change } = page
  const { client, id } = await talk(t, page, 'hello')
  t.equal((await change('/api/breakpoints', breakpoint)).status, 200)
  t.equal((await change('/api/faults', '{"name":"delay","direction":"reply","options":{"latency":"1ms"}}')).status, 200)
  const before = (await ask('/api/stats')).json()
  const paths = [
    '/api/breakpoints',
    '/api/faults',
    '/api/breakpoints/1/remove',
    '/api/faults/1/remove',
    `/api/connections/${id}/close`,
  ]
  paths.push(`/api/connections/${id}/reset`, '/api/held/1/release', '/api/held/1/drop', '/api/held/1/reset')
  const basic = Buffer.from(`:${token}`).toString('base64')
  const wrong = [`${token}x`, token.slice(1), token.toUpperCase(), `${token} x`, `x ${token}`, `"${token}"`, '']
  for (const path of paths) {
    for (const headers of [
      ...wrong.map(each => ({ authorization: `Bearer ${each}` })),
      { authorization: `Basic ${basic}` },
      { authorization: token },
      { 'proxy-authorization': `Bearer ${token}`, cookie: `token=${token}`, 'x-token': token },
      {},
    ])
      t.equal((await ask(`${path}?token=${token}`, { method: 'POST', headers, body: breakpoint })).status, 401, path)
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']) {
      const override = { 'x-http-method-override': 'POST', 'x-http-method': 'POST', 'x-method-override': 'POST' }
      const { status } = await ask(path, { method, headers: { ...override, authorization: `Bearer ${token}` } })
      const isRead = ['/api/breakpoints', '/api/faults'].includes(path) && ['GET', 'HEAD'].includes(method)
      t.equal(status, isRead ? 200 : 405, `${method} ${path}`)
    }
  }
  const after = (await ask('/api/stats')).json()
  t.same([after.breakpoints, after.faults, after.stats.connections], [before.breakpoints, before.faults, 1])
  t.notOk(client.destroyed)
})

t.test('on another address nothing but the files of the page is read without the token (F-11)', async t => {
  const { ask } = await open(t, [], { address: '0.0.0.0:0' })
  const paths = [
    'stats',
    'history',
    'connections',
    'connections/x',
    'connections/x/bytes',
    'events',
    'log',
    'faults',
    'breakpoints',
    'held/1',
  ]
  for (const path of paths)
    for (const method of ['GET', 'HEAD'])
      t.equal((await ask(`/api/${path}`, { method })).status, 401, `${method} ${path}`)
  t.equal((await ask('/')).status, 200)
  t.equal((await ask('/api/log', { headers: { authorization: `Bearer ${token}` } })).status, 200)
})

t.test('smuggled, malformed and huge requests (F-11)', async t => {
  const { raw, ask, echo } = await open(t)
  const post = `POST /api/breakpoints HTTP/1.1\r\n${local}${right}`
  const chunked = `${post}Transfer-Encoding: chunked\r\n\r\n`
  const deep = `{"on":${'['.repeat(400_000)}${']'.repeat(400_000)}}`
  for (const [status, what, asked] of [
    [400, 'two lengths', `${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
    [400, 'a length and chunks', `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    [400, 'chunked, identity', `${post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
    [400, 'a length beyond all', `${post}Content-Length: 99999999999999999999\r\n\r\n`],
    [401, 'two tokens', `POST /api/breakpoints HTTP/1.1\r\n${local}Authorization: Bearer x\r\n${right}\r\n`],
    [
      401,
      'a token behind the body',
      `POST /api/faults HTTP/1.1\r\n${local}Transfer-Encoding: chunked\r\n\r\n0\r\n${right}\r\n`,
    ],
    [400, 'a deep body', `${post}Content-Length: ${deep.length}\r\n\r\n${deep}`],
    [400, 'bare line feeds', 'GET / HTTP/1.1\nHost: 127.0.0.1\n\n'],
    [400, 'a space behind a name', `GET / HTTP/1.1\r\n${local}Origin : http://evil.example\r\n\r\n`],
    [400, 'zeros', '\0'.repeat(5000)],
    [400, 'TLS', Buffer.from('16030100c8010000c40303', 'hex')],
    [200, 'HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n'],
    [400, 'a body that is awaited', `${post}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}`],
    [400, 'what nobody expects', `${post}Expect: miracles\r\nContent-Length: 2\r\n\r\n{}`],
  ] as const)
    t.equal(await raw(asked), status, what)
  for (const [status, what, asked] of [
    [431, 'a header of 100 KB', `GET / HTTP/1.1\r\n${local}X: ${'x'.repeat(100_000)}\r\n\r\n`],
    [413, 'a body of 3 MiB', `${chunked}${`fffff\r\n${'a'.repeat(0xfffff)}\r\n`.repeat(3)}`],
    [413, 'an endless extension of a chunk', `${chunked}2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`],
  ] as const)
    t.ok([status, 0].includes(await raw(asked)), what)
  const twice = `GET /api/log HTTP/1.1\r\n${local}\r\n`.repeat(2)
  t.equal((await ask('/api/log')).status, 200)
  t.ok((await raw(twice)) === 200)
  t.equal(String(await echo('alive')), 'alive')
})

t.test('names that all objects have, and paths that lead elsewhere (F-11)', async t => {
  const { ask, change, raw } = await open(t)
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '%00']) {
    for (const path of [
      name,
      `api/${name}`,
      `api/connections/${name}`,
      `api/connections/${name}/bytes`,
      `api/held/${name}`,
    ])
      t.equal((await ask(`/${path}`)).status, 404, path)
    for (const action of [
      `connections/${name}/close`,
      `held/${name}/drop`,
      `faults/${name}/remove`,
      `breakpoints/${name}/remove`,
    ])
      t.equal((await change(`/api/${action}`)).status, 404, action)
    t.equal((await ask(`/api/stats?${name}=1`)).status, 400)
    t.equal((await change('/api/faults', JSON.stringify({ name, direction: name }))).status, 400)
    t.equal((await change('/api/breakpoints', `{"direction":"forward","on":"x","${name}":{}}`)).status, 400)
    t.equal(
      (await change('/api/faults', `{"name":"delay","direction":"reply","options":{"latency":"1s","${name}":"x"}}`))
        .status,
      400,
    )
  }
  for (const path of [
    '/../package.json',
    '/%2e%2e/package.json',
    '/..%2fpackage.json',
    '/..\\package.json',
    '/page/../../cli.js',
    '//cli.js',
    '/index.html%00.js',
    '/types.d.ts',
    '/uplot',
  ])
    t.equal(await raw(`GET ${path} HTTP/1.1\r\n${local}\r\n`), 404, path)
})

t.test('clients that stall, say nothing or send byte by byte hold up nobody, and are disconnected (F-11)', async t => {
  const { port, ask, echo, running } = await open(t)
  const before = residentBytes(running.pid)
  const page = await dial(t, port)
  page.resume().write(`GET /api/events HTTP/1.1\r\n${local}\r\n`)
  await once(page, 'data')
  const silent = await Promise.all(Array.from({ length: 200 }, () => dial(t, port)))
  t.notOk(page.readableEnded, 'they do not replace a page')
  t.equal((await ask('/api/log')).status, 200)
  const slow = await dial(t, port)
  const timer = setInterval(() => slow.write('x'), 200)
  cleanup(t, () => clearInterval(timer))
  slow.write('GET / HTTP/1.1\r\nX: ')
  const body = await dial(t, port)
  body.resume().write(`POST /api/faults HTTP/1.1\r\n${local}${right}Content-Length: 1000\r\n\r\n{`)
  const left = await dial(t, port)
  left.write(`POST /api/faults HTTP/1.1\r\n${local}${right}Transfer-Encoding: chunked\r\n\r\n5\r\n{`)
  left.resetAndDestroy()
  await bounded(Promise.all([...silent, slow, body].map(gone)), 'the end of all that stall', 18_000)
  t.notOk(page.readableEnded)
  const stalled = await Promise.all(Array.from({ length: 200 }, () => dial(t, port)))
  for (const each of stalled) each.pause().write(`GET /api/events?interval=200 HTTP/1.1\r\n${local}\r\n`)
  const flood = await dial(t, port)
  flood.resume().write(`GET /api/events HTTP/1.1\r\n${local}\r\n`.repeat(3000))
  await bounded(gone(flood), 'the end of the flood')
  t.equal(String(await echo('alive')), 'alive')
  t.equal((await ask('/api/log')).status, 200)
  t.ok(residentBytes(running.pid) - before < 150 * 1024 ** 2)
})

t.test('bytes that look like markup, scripts or escapes stay bytes (F-11)', async t => {
  const page = await open(t, ['-v'])
  const said = Buffer.from('<img src=x onerror=alert(1)></script>\x1b[2J\u202egnp.exe\0"\r\nSet-Cookie: a=b\r\n\r\n')
  const { id, client } = await talk(t, page, said)
  const path = `/api/connections/${id}/bytes`
  const listed = await page.ask(path)
  t.match(listed.headers, { 'content-type': 'application/json; charset=utf-8', 'x-content-type-options': 'nosniff' })
  const data = listed.json().entries.filter((each: { way?: string }) => each.way === 'in')
  t.same(Buffer.concat(data.map((each: { data: string }) => Buffer.from(each.data, 'base64'))), said)
  t.match((await page.ask(`${path}?way=in`)).headers, {
    'content-type': 'application/octet-stream',
    'content-disposition': /^attachment; filename="\w+-in\.bin"$/,
    'content-security-policy': /default-src 'none'/,
    'set-cookie': undefined,
  })
  for (const where of [
    `/<script>alert(1)</script>`,
    `/api/connections/<b>%1b[2J`,
    '/api/stats?<b>=1',
    '/api/events?sort=<b>',
  ]) {
    const { status, headers, body } = await page.ask(where)
    t.ok(status === 400 || status === 404, where)
    t.match(headers, { 'content-type': 'application/json; charset=utf-8', 'x-content-type-options': 'nosniff' })
    t.notMatch(body, /\p{Cc}/u)
  }
  const isOver = closed(client)
  client.end()
  await isOver
  const { lines } = (await page.ask('/api/log')).json()
  for (const { text } of lines) t.notMatch(text, /[\p{Cc}\p{Bidi_Control}]/u)
})

t.test('the token stands in the line of the page, and nowhere else (F-11)', async t => {
  const last = `${token}-the-last`
  const { running, ask, echo, url } = await open(t, ['-v', '--ui-token', last])
  t.match(url, `#token=${last}`)
  await echo('something')
  const answers = await Promise.all(
    ['stats', 'log', 'connections', 'history', 'faults'].map(each => ask(`/api/${each}`)),
  )
  t.notMatch(answers.map(({ body }) => body).join(), token)
  t.equal(running.stderr().split(token).length - 1, 1)
  const server = await serve(t, ['0', '--ui', '127.0.0.1:0'], { env: { TCP_PIPE_SERVE_UI_TOKEN: token } })
  await server.logged('page')
  t.equal(server.stderr().split(token).length - 1, 1)
})

t.test('the socket of a page has the permissions of the umask (F-11)', async t => {
  const path = join(shortDirectory(t), 's')
  const server = await serve(t, ['0', '--ui', `unix:${path}`])
  await server.logged('page')
  t.equal(statSync(path).mode & 0o777, 0o777 & ~process.umask())
})

t.test('what is held does not outlive its connection, and there is a limit to all (F-11)', async t => {
  const page = await open(t, [], { faults: null })
  const { change, ask, running } = page
  const { client, id } = await talk(t, page, 'hello')
  client.resetAndDestroy()
  await eventually('the end', async () => (await ask(`/api/connections/${id}`)).json().state === 'ended')
  for (const action of ['close', 'reset']) t.equal((await change(`/api/connections/${id}/${action}`)).status, 409)
  t.equal((await change('/api/breakpoints', '{"direction":"forward","turn":true,"time":3600000}')).status, 200)
  const clients = await Promise.all(Array.from({ length: 50 }, () => dial(t, running.port)))
  for (const each of clients) each.write(Buffer.alloc(100_000))
  const held = async () => (await ask('/api/breakpoints')).json().held
  await eventually('50 that are held', async () => (await held()).length === 50)
  const [first] = await held()
  for (const each of clients) each.resetAndDestroy()
  await eventually('none that is held', async () => (await held()).length === 0)
  for (const action of ['release', 'drop', 'reset'])
    t.equal((await change(`/api/held/${first.id}/${action}`)).status, 404)
  const statuses = async (path: string, body: string, count: number) => {
    const answers = await Promise.all(Array.from({ length: count }, () => change(path, body)))
    return answers.filter(({ status }) => status === 200).length
  }
  let added = 0
  for (let i = 0; i < 6; i++) added += await statuses('/api/breakpoints', breakpoint, 20)
  t.equal(added, 99)
  let on = 0
  for (let i = 0; i < 4; i++)
    on += await statuses('/api/faults', '{"name":"drop","direction":"reply","options":{"on":"never"}}', 10)
  t.equal(on, 32)
  t.equal(
    (await change('/api/breakpoints', '{"direction":"forward","on":"x","connection":9007199254740992}')).status,
    400,
  )
  t.equal((await change('/api/breakpoints', '{"direction":"forward","on":"x","time":1e400}')).status, 400)
  for (const number of ['9007199254740992', '-1', '1e3', '0x10', ''])
    t.equal((await ask(`/api/connections?offset=${number}`)).status, 400, number)
})
