import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { formatAddress } from '../../lib/endpoints/address.js'
import { type SendConnection, send, serve, serveUi, type Ui, type UiOptions } from '../../lib/index.js'
import { openDesk } from '../../lib/ui/desk.js'
import { shownOf } from '../../lib/ui/shown.js'
import { delay } from '../../transforms/index.js'
import { clientOf, memorySink, socketPath, until } from './network.js'
import { soon, turns } from './stats/stopped-clock.js'
import { ask, bareServer, openShown, token } from './ui/support.js'

async function page(t: Test, server: Parameters<typeof serveUi>[0], options: UiOptions = {}): Promise<Ui> {
  const ui = await serveUi(server, { listen: '127.0.0.1:0', token, ...options })
  t.teardown(() => ui.close())
  return ui
}

async function echo(t: Test) {
  const server = await serve({ listen: '127.0.0.1:0', reply: true })
  t.teardown(() => server.close({ drain: 0 }))
  return server
}

/** The figures may be those of 250 ms ago. */
async function onlyConnection(ui: Ui) {
  for (;;) {
    const [first] = (await ask(ui.address, '/api/connections')).json.connections
    if (first) return first
  }
}

const refused = { code: 'ECONNREFUSED' }

t.test('a page of a server', async t => {
  const server = await echo(t)
  const ui = await page(t, server)
  const { port } = ui.address
  t.equal(ui.token, token)
  t.equal(ui.url, `http://127.0.0.1:${port}/#token=${token}`)
  const { body, headers } = await ask({ port }, '/')
  t.match(String(body), /<!doctype html>/i)
  t.equal(headers['content-type'], 'text/html; charset=utf-8')
  t.match((await ask({ port }, '/api/stats')).json, {
    about: {},
    address: `127.0.0.1:${server.address.port}`,
    target: undefined,
    keep: { perConnection: 256 * 1024, total: 64 * 1024 ** 2, tls: false },
  })
  const client = clientOf(t, server.address)
  client.write('hello')
  await once(client, 'data')
  const { id } = await onlyConnection(ui)
  t.match((await ask({ port }, `/api/connections/${id}/bytes`)).json.entries, [
    { mark: 'opened' },
    { way: 'in', data: Buffer.from('hello').toString('base64') },
    { way: 'out', data: Buffer.from('hello').toString('base64') },
  ])
})

t.test('each page has a token of its own, and what is default', async t => {
  const server = await echo(t)
  const [one, other] = [await page(t, server, { token: undefined }), await page(t, server, { token: undefined })]
  t.match(one.token, /^[\w-]{32}$/)
  t.not(one.token, other.token)
  t.same((await ask(one.address, '/api/faults')).json, { available: [], on: [] })
})

t.test('the default address', async t => {
  const opened = await serveUi(await echo(t)).catch(error => ({ address: error })) // another program may have it
  t.match(opened.address, { address: '127.0.0.1', port: 3098 })
  if ('close' in opened) await opened.close()
})

t.test('unix sockets', async t => {
  const path = socketPath(t)
  const ui = await page(t, await echo(t), { listen: `unix:${path}` })
  t.equal(ui.url, `unix:${path}`)
  t.equal((await ask({ socketPath: path }, '/api/stats')).status, 200)
  const server = await serve({ listen: `unix:${socketPath(t)}`, reply: true })
  t.teardown(() => server.close())
  const other = await page(t, server)
  t.equal((await ask(other.address, '/api/stats')).json.address, `unix:${server.address.address}`)
})

t.test('options that are wrong, before anything is opened', async t => {
  const server = await echo(t)
  for (const [options, message] of [
    [{ listen: 7 }, 'listen: 7 is not allowed; expected an address'],
    [{ token: 7 }, 'token: 7 is not allowed; expected a text'],
    [{ token: 'short' }, /^token is not allowed; expected 16 to 200 /],
    [{ token: 'a token with spaces' }, /^token is not allowed; expected 16 to 200 /],
    [{ keep: -1 }, 'keep: -1 is not allowed; expected a number of bytes'],
    [{ keep: '1' }, 'keep: a string is not allowed; expected a number of bytes'],
    [{ keepTotal: 0.5 }, /^keepTotal: 0.5/],
    [{ keepTotal: Number.POSITIVE_INFINITY }, /^keepTotal: Infinity/],
    [{ keepTls: 1 }, 'keepTls: 1 is not allowed; expected true or false'],
    [{ ownLog: 'no' }, /^ownLog: 'no'/],
    [{ about: 'x' }, /^about: 'x'/],
    [{ faults: 'delay' }, 'faults: a string is not allowed; expected an array of transforms'],
    [{ faults: [delay, {}] }, 'faults[1]: an object (Object) is not allowed; expected a transform'],
    [7, 'options: 7 is not allowed; expected an object'],
  ] as const)
    await t.rejects(serveUi(server, options as never), { code: 'ERR_OPTION', message })
  for (const wrong of [undefined, null, 7, {}, 'server'])
    await t.rejects(serveUi(wrong as never), { code: 'ERR_OPTION', message: /expected a server or a connection/ })
  for (const listen of ['tls://127.0.0.1:0', 'memory:x', 'no port'])
    await t.rejects(serveUi(server, { listen }), { code: 'ERR_ADDRESS' }, listen)
})

t.test('an address in use leaves nothing behind', async t => {
  const server = await echo(t)
  let observers = 0
  const counted = {
    ...server,
    connections: server.connections,
    observe(observer: object) {
      const stop = server.observe(observer)
      observers++
      return () => {
        observers--
        stop()
      }
    },
  }
  const first = await page(t, server)
  const listen = `127.0.0.1:${first.address.port}`
  await t.rejects(serveUi(counted, { listen }), { code: 'EADDRINUSE' })
  await until(() => observers === 0)
  const failing = Promise.reject(new Error('no server'))
  failing.catch(() => {})
  await t.rejects(serveUi(failing, { listen }), { code: 'EADDRINUSE' })
})

t.test('requests wait for the server', async t => {
  let begin: (server: Awaited<ReturnType<typeof echo>>) => void = () => {}
  const ui = await page(
    t,
    new Promise(resolve => {
      begin = resolve
    }),
  )
  t.equal((await ask(ui.address, '/')).status, 200, 'the page is there')
  const asked = ask(ui.address, '/api/stats')
  ui.log('info', 'early')
  t.equal(await soon(asked), undefined)
  begin(await echo(t))
  t.equal((await asked).status, 200)
  t.match((await ask(ui.address, '/api/log')).json.lines, [{ text: 'early' }])
})

t.test('a server that fails to start closes the page', async t => {
  let fail: (error: Error) => void = () => {}
  const ui = await page(
    t,
    new Promise<never>((_, reject) => {
      fail = reject
    }),
  )
  const asked = ask(ui.address, '/api/stats')
  t.equal(await soon(asked), undefined)
  fail(new Error('no server'))
  t.match(await asked, { status: 500, json: { error: { message: 'no server' } } })
  await t.rejects(ask(ui.address, '/'), refused)
  ui.log('info', 'nobody hears it')
  await ui.close()
})

t.test('a page is closed while its server has not come', async t => {
  let begin: (server: Awaited<ReturnType<typeof echo>>) => void = () => {}
  const ui = await page(
    t,
    new Promise(resolve => {
      begin = resolve
    }),
  )
  await ui.close()
  await t.rejects(ask(ui.address, '/'), refused)
  const server = await echo(t)
  let isObserved = true
  const observe = (observer: object) => {
    const stop = server.observe(observer)
    return () => {
      isObserved = false
      stop()
    }
  }
  begin({ ...server, connections: server.connections, observe })
  await until(() => !isObserved)
  await ui.close()
})

t.test('it closes with its server, on close, and when it is disposed of', async t => {
  const server = await echo(t)
  const [one, two, three] = [await page(t, server), await page(t, server), await page(t, server)]
  await one.close()
  await t.rejects(ask(one.address, '/'), refused)
  await two[Symbol.asyncDispose]()
  await t.rejects(ask(two.address, '/'), refused)
  t.equal((await ask(three.address, '/')).status, 200)
  await server.close()
  await three.close()
  await t.rejects(ask(three.address, '/'), refused)
})

t.test('close lets go what is held, and switches the faults off', async t => {
  const { ui, post, connect, link } = await openShown(t, { faults: [delay] })
  const { client, target } = await connect()
  await post('/api/breakpoints', { direction: 'forward', on: 'x' })
  await post('/api/faults', { name: 'delay', direction: 'reply', options: { latency: '1ms' } })
  await client.say('x')
  t.equal(target.heard(), '')
  t.same([link.forward.list().length, link.reply.list().length], [1, 1])
  await Promise.all([ui.close(), ui.close()])
  await turns()
  t.equal(target.heard(), 'x')
  t.same([link.forward.list(), link.reply.list()], [[], []])
})

t.test('the connection of a send', async t => {
  const server = await echo(t)
  const from = new PassThrough()
  let connected: (connection: SendConnection) => void = () => {}
  const ui = await page(
    t,
    new Promise(resolve => {
      connected = resolve
    }),
  )
  const to = formatAddress({ scheme: 'tcp', host: '127.0.0.1', port: server.address.port } as never)
  const output = memorySink()
  const sent = send({ to, from, output, onConnect: connected })
  from.write('hello')
  await until(() => output.data.length === 5)
  const { json } = await ask(ui.address, '/api/stats')
  t.match(json, { target: to, stats: { accepted: 1, connections: 1, bytesIn: 5, bytesOut: 5 } })
  t.notOk('address' in json)
  const { id } = await onlyConnection(ui)
  t.match((await ask(ui.address, `/api/connections/${id}/bytes`)).json, {
    keeps: 'yes',
    entries: [{ mark: 'opened' }, { way: 'out', offset: 0 }, { way: 'in', offset: 0 }],
  })
  const post = (path: string, body: object = {}) =>
    ask(ui.address, path, { method: 'POST', token, body: JSON.stringify(body) })
  for (const [direction, word, way] of [
    ['reply', 'world', 'in'],
    ['forward', 'again', 'out'],
  ] as const) {
    const { json: breakpoint } = await post('/api/breakpoints', { direction, on: word })
    const length = output.data.length + word.length
    from.write(word)
    let held: { id: string } | undefined
    while (!held) [held] = (await ask(ui.address, '/api/breakpoints')).json.held
    await post(`/api/held/${held.id}/release`)
    await until(() => output.data.length === length)
    await post(`/api/breakpoints/${breakpoint.id}/remove`)
    const { entries } = (await ask(ui.address, `/api/connections/${id}/bytes?after=3`)).json
    t.same(
      entries.flatMap((each: { mark?: string; way: string }) => (each.mark ? [[each.mark, each.way]] : [])).slice(-2),
      [
        ['held', way],
        ['released', way],
      ],
    )
  }
  from.end()
  await sent
  await ui.close()
  await t.rejects(ask(ui.address, '/'), refused)
})

t.test('a send that has begun has no bytes, but figures; it closes the page', async t => {
  const server = await echo(t)
  const from = new PassThrough()
  const output = memorySink()
  let opened: SendConnection | undefined
  const sent = send({
    to: `127.0.0.1:${server.address.port}`,
    ...{ from, output },
    onConnect: connection => {
      opened = connection
    },
  })
  from.write('hello')
  await until(() => output.data.length === 5)
  const connection = opened as SendConnection
  // A send has no chains of its own if its owner shows none.
  const { id: own, number, remote, port, closed: over, observe } = connection
  const work = { stats: () => connection.stats(), measure: () => connection.measure() }
  const bare = { id: own, number, remote, port, closed: over, observe, ...work } as SendConnection
  const [ui, other] = [await page(t, connection), await page(t, bare)]
  t.same((await ask(other.address, '/api/stats')).json.segments, { forward: [], reply: [] })
  const { id, bytesIn } = await onlyConnection(ui)
  t.equal(bytesIn, 5)
  t.match((await ask(ui.address, `/api/connections/${id}/bytes`)).json, { keeps: 'no', entries: [{ mark: 'opened' }] })
  await ask(ui.address, '/api/stats')
  from.end()
  await sent
  await Promise.all([ui.close(), other.close()])
  await t.rejects(ask(ui.address, '/'), refused)
})

t.test('neither a page nor its clients keep a process alive', async t => {
  const script = `
    import { serve, serveUi } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}
    import { request } from 'node:http'
    const server = await serve({ listen: '127.0.0.1:0', reply: true })
    const ui = await serveUi(server, { listen: '127.0.0.1:0' })
    const asked = request({ port: ui.address.port, path: '/api/events' }).end()
    asked.on('response', response => {
      response.on('data', () => {}).on('error', () => {})
      server.close()
    })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  t.same(await once(child, 'exit'), [0, null])
})

t.test('what fails within a request is an answer', async t => {
  const server = await echo(t)
  const stats = () => {
    throw new Error('no figures')
  }
  const ui = await page(t, { ...server, connections: server.connections, stats })
  t.match(await ask(ui.address, '/api/stats'), { status: 500, json: { error: { message: 'no figures' } } })
  await t.rejects(ask(ui.address, '/api/events'), { code: 'ECONNRESET' })
  const again = ask(ui.address, '/api/log')
  t.equal((await again).status, 200)
})

t.test('paths that are none, and methods', async t => {
  const ui = await page(t, await echo(t), { ownLog: false })
  for (const [path, method, status] of [
    ['//', 'GET', 404],
    ['http://[', 'GET', 400],
    ['/nothing', 'GET', 404],
    ['/../package.json', 'GET', 404],
    ['/%2e%2e/package.json', 'GET', 404],
    ['/index.html', 'POST', 405],
    ['/index.html', 'HEAD', 200],
  ] as const)
    t.equal((await ask(ui.address, path, { method })).status, status, path)
})

t.test('errors of stages and options', async t => {
  const { link, ui } = await openShown(t)
  for (const [code, status] of [
    ['ERR_STAGE', 409],
    ['ERR_OPTION', 400],
    ['ERR_SPEC', 400],
    ['ENOENT', 500],
  ] as const) {
    t.intercept(link.forward, 'set', { value: () => Promise.reject(Object.assign(new Error('not now'), { code })) })
    const body = JSON.stringify({ direction: 'forward', on: 'x' })
    const answer = await ask(ui.address, '/api/breakpoints', { method: 'POST', token, body })
    t.match(answer, { status, json: { error: { message: 'not now' } } })
  }
})

t.test('a server without chains has figures, and no faults', async t => {
  const ui = await page(t, await bareServer(t))
  t.same((await ask(ui.address, '/api/stats')).json.segments, { forward: [], reply: [] })
  const body = JSON.stringify({ direction: 'forward', on: 'x' })
  t.match(await ask(ui.address, '/api/breakpoints', { method: 'POST', token, body }), {
    status: 400,
    json: { error: { message: /no stages can be changed/ } },
  })
})

t.test('processes as one server', async t => {
  const server = await echo(t)
  const desk = openDesk(shownOf(server), { keep: { perConnection: 100, total: 1000, tls: false }, faults: [] })
  t.teardown(() => desk.close())
  let refreshed = 0
  const { address, closed } = server
  const processes = {
    ...{ address, closed, desk, observe: () => t.fail('nobody but the desk observes') },
    stats: () => server.stats(),
    measure: (on?: boolean) => server.measure(on),
    refresh: async () => void refreshed++,
  }
  const ui = await page(t, processes, { keep: 100, keepTotal: 2000 })
  const client = clientOf(t, address)
  client.write('hello')
  await once(client, 'data')
  const { json } = await ask(ui.address, '/api/stats')
  t.match(json, {
    address: `127.0.0.1:${(address as { port: number }).port}`,
    keep: { total: 2000 },
    stats: { bytesIn: 5, connections: 1 },
  })
  t.equal(refreshed, 1)
  t.match((await ask(ui.address, '/api/connections')).json, { connections: [{ bytesIn: 5 }] })
  await ui.close()
  t.match(await desk.counts(), { accepted: 1 }, 'the desk is closed by its process')
})
