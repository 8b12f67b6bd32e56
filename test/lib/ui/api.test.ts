import t from 'tap'
import { serveUi } from '../../../lib/ui.js'
import { cut, delay, limit } from '../../../transforms/index.js'
import { clientOf } from '../network.js'
import { turns } from '../stats/stopped-clock.js'
import { ask, bareServer, exchange, openShown, token } from './support.js'

/** A page of a proxy with one connection in which something was said. */
async function openTalk(t: Parameters<typeof openShown>[0], ...options: [object?, object?]) {
  const shown = await openShown(t, { faults: [delay, cut], ...options[0] }, options[1])
  const talk = await shown.connect()
  await talk.client.say('ask')
  await talk.target.say('answer')
  const { id } = talk.connection
  return { ...shown, ...talk, id, bytes: (query = '') => shown.get(`/api/connections/${id}/bytes${query}`) }
}

t.test('the figures', async t => {
  const about = { name: 'proxy', version: '1', command: 'x', pid: 7, target: 'target:1' }
  const { get, id, post } = await openTalk(t, { about, keep: 5000, keepTotal: 10_000 })
  const changed = await post('/api/breakpoints', { direction: 'forward', on: 'x' })
  t.equal(changed.headers['tcp-pipe-changes'], '1')
  const { json, headers } = await get('/api/stats')
  t.equal(headers['content-type'], 'application/json; charset=utf-8')
  t.match(json, {
    about: { name: 'proxy', version: '1', command: 'x', pid: 7 },
    address: /^memory:/,
    target: 'target:1',
    changes: 1,
    mayChange: false,
    keep: { perConnection: 5000, total: 10_000, tls: false, used: Number },
    stats: { accepted: 1, connections: 1, bytesIn: 3, bytesOut: 6, failed: 0 },
    rates: { in: Number, out: Number },
    segments: { forward: ['breakpoints'], reply: [] },
    pipeline: {},
    breakpoints: [{ id: '1', on: 'x' }],
    held: [],
    faults: [],
  })
  t.ok(json.keep.used > 9)
  t.ok(Math.abs(json.time - Date.now()) < 60_000)
  t.equal((await get(`/api/stats?connection=${id}`)).json.stats.accepted, 1)
})

t.test('the pipeline of all, or of one connection', async t => {
  const { get, client, target, id } = await openTalk(t, {}, { transforms: () => [limit({ size: 1e9 })] })
  await get('/api/stats')
  await client.say('more')
  await target.say('less')
  await new Promise(resolve => setTimeout(resolve, 1000)) // rates are counted over a second
  await client.say('again')
  const { pipeline, rates } = (await get('/api/stats')).json
  t.match(pipeline.forward, { parts: [{ kind: 'source' }, { kind: 'stage', name: 'limit' }, { kind: 'sink' }] })
  t.ok(rates.in > 0)
  t.match((await get(`/api/stats?connection=${id}`)).json.pipeline, { forward: { verdict: String } })
  const none = (await get('/api/stats?connection=other')).json.pipeline
  t.same(none, {})
})

t.test('connections, one of them, and the history', async t => {
  const { get, id } = await openTalk(t)
  const row = { id, number: 1, remote: 'memory', state: 'open', bytesIn: 3, bytesOut: 6, kept: 9, dropped: 0, held: [] }
  const { json } = await get('/api/connections?state=open&limit=1')
  t.match(json, { open: 1, ended: 0, matching: 1, offset: 0, connections: [row] })
  t.match((await get(`/api/connections/${id}`)).json, row)
  t.match((await get('/api/history')).json, { interval: 1000, time: [], in: [], p99: [] })
})

t.test('the bytes of a connection, in order', async t => {
  const { bytes, id } = await openTalk(t)
  const { json } = await bytes()
  t.match(json, {
    ...{ id, state: 'open', keeps: 'yes', dropped: { in: 0, out: 0, marks: 0 }, next: 3, more: false },
    entries: [
      { sequence: 1, mark: 'opened' },
      { sequence: 2, way: 'in', offset: 0, data: Buffer.from('ask').toString('base64') },
      { sequence: 3, way: 'out', offset: 0, data: Buffer.from('answer').toString('base64') },
    ],
  })
  t.match((await bytes('?after=2')).json, { next: 3, entries: [{ sequence: 3 }] })
  t.same((await bytes('?after=3')).json.entries, [])
  t.equal((await bytes('?after=3')).json.next, 3)
})

t.test('an answer has at most 256 KiB of bytes', async t => {
  const { bytes, client } = await openTalk(t, { keep: 1024 ** 2 })
  for (let i = 0; i < 5; i++) await client.say(Buffer.alloc(64 * 1024, i))
  await turns()
  const sizes = []
  for (let after = 0, more = true; more; ) {
    const { json } = await bytes(`?after=${after}`)
    const length = json.entries.reduce((sum: number, { data = '' }) => sum + Buffer.from(data, 'base64').length, 0)
    t.ok(length <= 256 * 1024)
    sizes.push(length)
    after = json.next
    more = json.more
  }
  t.ok(sizes.length > 1)
  t.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    5 * 64 * 1024 + 9,
  )
})

t.test('the kept bytes of one way, as they are', async t => {
  const { bytes, client, get, id } = await openTalk(t, { keep: 10 })
  await client.say('0123456789')
  const answer = await bytes('?way=in')
  t.equal(answer.headers['content-type'], 'application/octet-stream')
  t.equal(answer.headers['tcp-pipe-dropped'], '3')
  t.equal(answer.headers['content-disposition'], `attachment; filename="${id}-in.bin"`)
  t.equal(String(answer.body), '0123456789')
  t.equal((await get('/api/connections/x/bytes?way=in')).status, 404)
  t.equal((await get('/api/connections/x/bytes')).status, 404)
})

t.test('connections are closed and reset', async t => {
  const { post, connect, ends, get } = await openShown(t)
  for (const [how, closedBy] of [
    ['close', 'local'],
    ['reset', 'signal'],
  ]) {
    const { connection, target, client } = await connect()
    const { id } = connection
    t.match(await post(`/api/connections/${id}/${how}`), { status: 200, json: { connection: id } })
    await target.end()
    await client.end()
    const summary = await ends.at(-1)
    t.match(summary, { closedBy })
    t.match((summary?.reason ?? '') + (summary?.error?.message ?? ''), / on the page/)
    t.match((await get(`/api/connections/${id}`)).json, { state: 'ended', closedBy })
    t.match(await post(`/api/connections/${id}/${how}`), {
      status: 409,
      json: { error: { message: 'the connection has ended' } },
    })
    t.equal((await post(`/api/connections/x/${how}`)).status, 404)
  }
})

t.test('faults are switched on and off', async t => {
  const { post, get } = await openTalk(t)
  t.match((await get('/api/faults')).json, { available: [{ name: 'delay' }, { name: 'cut' }], on: [] })
  const wanted = { name: 'delay', direction: 'reply', options: { latency: '1ms' } }
  t.match(await post('/api/faults', wanted), { status: 200, json: { id: '1', spec: 'delay latency=1ms' } })
  t.match((await get('/api/faults')).json.on, [{ id: '1' }])
  t.match((await get('/api/stats')).json.faults, [{ id: '1' }])
  t.match(await post('/api/faults/1/remove'), { status: 200, json: {} })
  t.equal((await post('/api/faults/1/remove')).status, 404)
  const { status, json } = await post('/api/faults', { ...wanted, options: { latency: 'soon' } })
  t.equal(status, 400)
  t.match(json.error.message, /^delay latency: 'soon'/)
})

t.test('what a breakpoint holds is released, edited, dropped or reset', async t => {
  const { post, get, client, target, id } = await openTalk(t)
  t.match((await post('/api/breakpoints', { direction: 'forward', on: 'SET' })).json, { id: '1' })
  const hold = async () => {
    await client.say('SET')
    return (await get('/api/breakpoints')).json.held[0].id
  }
  const first = await hold()
  t.match((await get(`/api/held/${first}`)).json, { bytes: 3, data: Buffer.from('SET').toString('base64') })
  t.same((await get('/api/connections')).json.connections[0].held, ['forward'])
  t.same((await post(`/api/held/${first}/release`)).json, {})
  await post(`/api/held/${await hold()}/release`, { data: Buffer.from('GET').toString('base64') })
  await post(`/api/held/${await hold()}/drop`)
  await turns()
  t.equal(target.heard(), 'askSETGET')
  t.equal((await post(`/api/held/${await hold()}/reset`)).status, 200)
  t.equal((await get(`/api/held/${first}`)).status, 404)
  await turns()
  const marks = (await get(`/api/connections/${id}/bytes`)).json.entries.flatMap(({ mark = [] }) => mark)
  t.same(marks, ['opened', 'held', 'released', 'held', 'edited', 'held', 'dropped', 'held', 'reset', 'closed'])
  t.equal((await post('/api/breakpoints/1/remove')).status, 200)
  t.equal((await post('/api/breakpoints/1/remove')).status, 404)
})

t.test('every error is an answer in JSON', async t => {
  const { port, id } = await openTalk(t)
  const post = { method: 'POST', token }
  for (const [status, path, question] of [
    [404, '/api/'],
    [404, '/api/nothing'],
    [404, '/api/constructor'],
    [404, '/api/connections/'],
    [404, '/api/connections/%'],
    [404, '/api/connections/ID'],
    [404, `/api/connections/${id}/other`],
    [404, `/api/connections/${id}/bytes/more`],
    [404, '/api/held/7/drop', post],
    [404, '/nothing'],
    [404, '//'],
    [404, '//127.0.0.1/api/log'],
    [400, '*', { method: 'OPTIONS' }],
    [400, 'http://127.0.0.1/api/log'],
    [400, 'http://['],
    [400, '/api/connections?limit=0'],
    [400, '/api/history?x=1'],
    [400, `/api/connections/${id}/bytes?way=up`],
    [400, `/api/connections/${id}/bytes?way=in&after=1`],
    [400, '/api/events?interval=199'],
    [400, '/api/breakpoints', { ...post, body: '[]' }],
    [400, '/api/breakpoints', { ...post, body: '7' }],
    [400, '/api/breakpoints', { ...post, body: 'null' }],
    [400, '/api/breakpoints', { ...post, body: '{"on":' }],
    [400, '/api/breakpoints', { ...post, body: '' }],
    [400, '/api/breakpoints', { ...post, body: '{"__proto__":{"on":"x"}}' }],
    [400, '/api/breakpoints', { ...post, body: '['.repeat(500_000) }],
    [405, '/api/stats', post],
    [405, '/api/stats', { method: 'DELETE' }],
    [405, `/api/connections/${id}/close`],
    [405, '/', post],
    [405, '/', { method: 'PUT' }],
    [413, '/api/breakpoints', { ...post, body: 'x'.repeat(1024 ** 2 + 1) }],
  ] as const) {
    const answer = await ask({ port }, path, question)
    t.equal(answer.status, status, path)
    t.match(answer.json, { error: { message: /./ } }, path)
  }
  t.equal(
    (await ask({ port }, '/api/breakpoints', { ...post, body: ' '.repeat(1024 ** 2) })).status,
    400,
    '1 MiB may come',
  )
  t.equal((await ask({ port }, '///api/stats')).status, 404)
  for (const [path, allow] of [
    ['/', 'GET, HEAD'],
    ['/api/stats', 'GET, HEAD'],
    ['/api/faults', 'GET, HEAD, POST'],
    [`/api/connections/${id}/close`, 'POST'],
  ] as const)
    t.equal((await ask({ port }, path, { method: 'PUT' })).headers.allow, allow, path)
  const { headers } = await ask({ port }, '/api/faults', { method: 'POST' })
  t.equal(headers['www-authenticate'], 'Bearer')
})

t.test('what is no answerable request fails no other', async t => {
  const { port, get } = await openTalk(t)
  const head = 'Host: localhost\r\nConnection: close\r\n'
  await exchange(t, port, `GET /${'x'.repeat(100_000)} HTTP/1.1\r\n${head}\r\n`)
  await exchange(t, port, `GET / HTTP/1.1\r\n${head}X: ${'x'.repeat(100_000)}\r\n\r\n`)
  await exchange(t, port, `CONNECT a:1 HTTP/1.1\r\n${head}\r\n`)
  t.match(
    await exchange(t, port, `GET /api/log HTTP/1.1\r\n${head}Upgrade: x\r\nConnection: upgrade\r\n\r\n`),
    /^HTTP\/1.1 200/,
  )
  t.match(await exchange(t, port, 'GET /api/log HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 200/)
  const aborted = clientOf(t, { port })
  aborted.write(`POST /api/breakpoints HTTP/1.1\r\n${head}Authorization: Bearer ${token}\r\nContent-Length: 9\r\n\r\n{`)
  await turns()
  aborted.resetAndDestroy()
  await turns()
  t.equal((await get('/api/stats')).status, 200)
})

t.test('HEAD answers without a body', async t => {
  const { get } = await openTalk(t)
  for (const path of ['/', '/api/stats', '/api/connections']) {
    const [head, full] = [await get(path, { method: 'HEAD' }), await get(path)]
    t.equal(head.status, 200)
    t.equal(head.body.length, 0)
    t.ok(Number(head.headers['content-length']) > 0)
    t.equal(head.headers['content-type'], full.headers['content-type'])
  }
})

t.test('the log', async t => {
  const { get, ui } = await openTalk(t, { ownLog: false })
  ui.log('info', 'a line')
  await turns()
  t.match((await get('/api/log')).json, { dropped: 0, lines: [{ sequence: 1, level: 'info', text: 'a line' }] })
})

t.test('reads and changes need their rights', async t => {
  const { port } = await openShown(t)
  t.equal((await ask({ port }, '/api/breakpoints', { method: 'POST' })).status, 401)
  const far = await openShown(t, { listen: '0.0.0.0:0' })
  t.equal((await ask({ port: far.port }, '/api/breakpoints')).status, 401)
})

t.test('a server without chains has no segments', async t => {
  const ui = await serveUi(await bareServer(t), { listen: '127.0.0.1:0' })
  t.teardown(() => ui.close())
  t.same((await ask(ui.address, '/api/stats')).json.segments, { forward: [], reply: [] })
})
