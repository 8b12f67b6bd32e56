import t from 'tap'
import { newToken, securityHeaders } from '../../../lib/ui/guard.js'
import { serveUi } from '../../../lib/ui.js'
import { socketPath } from '../network.js'
import { ask, openProxy, openShown, type Question, token } from './support.js'

const change: Question = { method: 'POST', body: '{"direction":"forward","on":"x"}' }
const path = '/api/breakpoints'

t.test('on a loopback address anybody reads, and the token changes', async t => {
  const { port } = await openShown(t)
  t.equal((await ask({ port }, path)).status, 200)
  t.equal((await ask({ port }, path, { token })).status, 200)
  t.match(await ask({ port }, path, change), {
    status: 401,
    json: { error: { message: 'the token is missing; changes need it' } },
  })
  t.equal((await ask({ port }, path, { ...change, token })).status, 200)
  t.equal((await ask({ port }, '/api/stats', {})).json.mayChange, false)
  t.equal((await ask({ port }, '/api/stats', { token })).json.mayChange, true)
})

t.test('on another address the token also reads, however it is reached', async t => {
  const { port } = await openShown(t, { listen: '0.0.0.0:0' })
  t.match(await ask({ port }, path), { status: 401, json: { error: { message: 'the token is missing' } } })
  t.equal((await ask({ port }, '/api/events')).status, 401)
  t.equal((await ask({ port }, path, change)).status, 401)
  t.equal((await ask({ port }, path, { token })).status, 200)
  t.equal((await ask({ port }, path, { token, headers: { host: 'name.example' } })).status, 200, 'by a name')
  t.equal((await ask({ port }, '/')).status, 200, 'the page itself asks for the token')
})

t.test('on a unix socket as on loopback, with any host', async t => {
  const { link } = await openProxy(t)
  const socket = socketPath(t)
  const ui = await serveUi(link, { listen: `unix:${socket}`, token })
  t.teardown(() => ui.close())
  const headers = { host: 'anything' }
  t.equal((await ask({ socketPath: socket }, path, { headers })).status, 200)
  t.equal((await ask({ socketPath: socket }, path, { ...change, headers })).status, 401)
  t.equal((await ask({ socketPath: socket }, path, { ...change, token, headers })).status, 200)
})

t.test('a wrong token is refused even where none is needed', async t => {
  const { port } = await openShown(t)
  for (const authorization of [
    `Bearer ${token}x`,
    'Bearer',
    'Bearer ',
    `Basic ${token}`,
    token,
    `Bearer x ${token}`,
    '',
  ])
    for (const question of [{}, change]) {
      const answer = await ask({ port }, path, { ...question, headers: { authorization } })
      t.match(answer, { status: 401, json: { error: { message: 'the token is wrong' } } }, `'${authorization}'`)
    }
  t.equal((await ask({ port }, path, { ...change, headers: { authorization: `bearer  ${token}` } })).status, 200)
})

t.test('a page whose name resolves to loopback is refused, with and without the token', async t => {
  const { port } = await openShown(t)
  for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example'])
    for (const where of ['/', path, '/api/events', '/nothing'])
      t.match(await ask({ port }, where, { token, headers: { host } }), {
        status: 403,
        json: { error: { message: 'the host of the request is not an IP address or localhost' } },
      })
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, '[::1]', '192.0.2.1'])
    t.equal((await ask({ port }, path, { headers: { host } })).status, 200, host)
})

t.test('a request that another page makes is refused', async t => {
  const { port } = await openShown(t)
  const host = `localhost:${port}`
  for (const origin of [
    'http://evil.example',
    'null',
    `https://localhost:${port + 1}`,
    `http://127.0.0.1:${port}`,
    'http://localhost',
  ])
    for (const question of [{ token }, { ...change, token }])
      t.match(await ask({ port }, path, { ...question, headers: { host, origin } }), {
        status: 403,
        json: { error: { message: 'the origin of the request is another page' } },
      })
  for (const origin of [`http://${host}`, `https://${host}`]) // https: a proxy with TLS stands in front
    t.equal((await ask({ port }, path, { ...change, token, headers: { host, origin } })).status, 200)
})

t.test('a request without an origin that another page makes is refused: an image, a frame, no-cors', async t => {
  const { port } = await openShown(t)
  const from = (site: string, destination: string) => ({
    headers: { 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': destination },
  })
  for (const site of ['cross-site', 'same-site', 'other'])
    for (const destination of ['empty', 'image', 'iframe'])
      t.match(await ask({ port }, '/api/events', from(site, destination)), {
        status: 403,
        json: { error: { message: 'the origin of the request is another page' } },
      })
  t.equal((await ask({ port }, '/', from('cross-site', 'document'))).status, 200, 'a link')
  t.equal((await ask({ port }, '/', from('none', 'document'))).status, 200, 'what the user types')
  t.equal((await ask({ port }, path, from('same-origin', 'empty'))).status, 200, 'the page itself')
})

t.test('a request without an origin that another page makes is refused: an image, a frame, no-cors', async t => {
  const { port } = await openShown(t)
  const from = (site: string, destination: string) => ({
    headers: { 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': destination },
  })
  for (const site of ['cross-site', 'same-site', 'other'])
    for (const destination of ['empty', 'image', 'iframe'])
      t.match(await ask({ port }, '/api/events', from(site, destination)), {
        status: 403,
        json: { error: { message: 'the origin of the request is another page' } },
      })
  t.equal((await ask({ port }, '/', from('cross-site', 'document'))).status, 200, 'a link')
  t.equal((await ask({ port }, '/', from('none', 'document'))).status, 200, 'what the user types')
  t.equal((await ask({ port }, path, from('same-origin', 'empty'))).status, 200, 'the page itself')
})

t.test('every answer keeps other pages out, whatever it is', async t => {
  const { port } = await openShown(t)
  const questions: [string, Question?][] = [
    ['/'],
    ['/api/stats'],
    ['/nothing'],
    ['//'],
    [path, change],
    [path, { method: 'DELETE' }],
    ['/', { method: 'POST' }],
    ['/', { headers: { host: 'evil.example' } }],
    ['/', { method: 'HEAD' }],
    ['/api/events', { method: 'HEAD' }],
    [path, { ...change, token, body: 'x'.repeat(2 * 1024 ** 2) }],
  ]
  for (const [where, question] of questions) {
    const { headers } = await ask({ port }, where, question)
    t.match(headers, securityHeaders, where)
  }
  t.match(securityHeaders, {
    'cache-control': 'no-store',
    'content-security-policy': /default-src 'none'.*frame-ancestors 'none'/,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  })
  t.notMatch(securityHeaders['content-security-policy'], /unsafe|\*/)
})

t.test('a token is long, and can stand in a URL', async t => {
  t.match(newToken(), /^[\w-]{32}$/)
  t.not(newToken(), newToken())
})
