/** `--ui` with `--workers`: one page for all worker processes. */
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { dial, eventually, exchange, proxy, type ServerProcess, serve } from './support.js'

const token = 'a-token-of-the-test'

/** The API of the page. */
async function pageOf(server: ServerProcess) {
  const { url } = await server.logged('page')
  const { origin } = new URL(String(url))
  const ask = async (path: string, question?: RequestInit) => {
    const answer = await fetch(`${origin}/api/${path}`, question)
    // biome-ignore lint/suspicious/noExplicitAny: an answer has whatever members it has
    return { status: answer.status, json: (await answer.json()) as any }
  }
  return {
    origin,
    get: async (path: string) => (await ask(path)).json,
    post: (path: string, body: object = {}) =>
      ask(path, { method: 'POST', body: JSON.stringify(body), headers: { authorization: `Bearer ${token}` } }),
  }
}

const shown = ['--workers', '2', '--ui', '127.0.0.1:0', '--ui-token', token]

/** A proxy of two workers before a server that answers with what it gets. */
async function openProxy(t: Test, faults: readonly string[] = []) {
  const target = await serve(t, ['0', '--reply'], { faults: null })
  const server = await proxy(t, ['0', `127.0.0.1:${target.port}`, ...shown], { faults })
  return { server, ...(await pageOf(server)) }
}

/** A client whose connection is in the list, and has said something. */
async function talking(t: Test, port: number, text: string) {
  const client = await dial(t, port)
  let heard = ''
  client.on('data', chunk => {
    heard += chunk
  })
  client.write(text)
  return { client, heard: () => heard }
}

function workersOf({ pid }: ServerProcess): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
}

t.test('connections, bytes, figures and the log of all workers', async t => {
  const { server, get, post } = await openProxy(t, ['reset on the page'])
  const texts = ['one', 'two', 'three', 'four']
  for (const text of texts) {
    const { heard } = await talking(t, server.port, text)
    await eventually('its answer', () => heard() === text)
  }
  const { connections, open } = await get('connections?sort=number&order=asc')
  t.equal(open, 4)
  const numbers: number[] = connections.map(({ number }: { number: number }) => number)
  t.same([...new Set(numbers.map(number => number % 2))].sort(), [0, 1], 'both workers have some')
  for (const { id, bytesIn } of connections) {
    t.match(await get(`connections/${id}`), { id, bytesIn })
    const { entries } = await get(`connections/${id}/bytes`)
    t.equal(Buffer.from(entries[1].data, 'base64').length, bytesIn)
  }
  const all = texts.join('').length
  t.match(await get('stats'), {
    ...{ about: { name: 'proxy' }, stats: { accepted: 4, connections: 4, bytesIn: all, bytesOut: all } },
    ...{ keep: { perConnection: 256 * 1024, total: 64 * 1024 ** 2 }, segments: { forward: ['transforms'] } },
    pipeline: { forward: { parts: [{ kind: 'source' }, { kind: 'sink' }] } },
  })
  t.match((await get('log')).lines[0].text, /^listening on .*workers$/)
  const [first] = connections
  t.same((await post(`connections/${first.id}/reset`)).status, 200)
  await eventually('the end of it', async () => (await get('connections?state=ended')).ended === 1)
  t.match(await get('connections?state=ended'), { connections: [{ id: first.id, error: 'reset on the page' }] })
  t.equal((await post('connections/none/close')).status, 404)
  await eventually('seconds with all of it', async () => {
    const { accepted, in: bytes } = await get('history')
    const sum = (column: number[]) => column.reduce((one, other) => one + other, 0)
    return sum(accepted) === 4 && sum(bytes) > 0
  })
})

t.test('a fault is on in all workers, also in one that comes later', async t => {
  const { server, get, post } = await openProxy(t, ['worker died'])
  const fault = { name: 'corrupt', direction: 'forward', options: { after: '0' } }
  t.match(await post('faults', fault), { status: 200, json: { name: 'corrupt' } })
  t.match(await post('faults', { ...fault, options: { bits: 'x' } }), { status: 400 })
  const [worker] = workersOf(server)
  process.kill(Number(worker), 'SIGKILL')
  await server.logged('worker died')
  await eventually(
    'another worker',
    () => workersOf(server).every(pid => pid !== worker) && workersOf(server).length === 2,
  )
  await eventually('the fault in all', async () => {
    const heard = [await exchange(t, server.port, 'text'), await exchange(t, server.port, 'text')]
    return heard.every(each => String(each) !== 'text')
  })
  t.match(await get('faults'), { on: [{ name: 'corrupt' }] })
  const { id, fired } = (await get('faults')).on[0]
  t.ok(fired >= 2)
  t.equal((await post(`faults/${id}/remove`)).status, 200)
  t.equal(String(await exchange(t, server.port, 'text')), 'text')
})

t.test('a breakpoint holds in all workers, and once in one of them', async t => {
  const { server, get, post } = await openProxy(t)
  await post('breakpoints', { direction: 'forward', on: '!' })
  const clients = [await talking(t, server.port, '1!'), await talking(t, server.port, '2!')]
  const held = async () => (await get('breakpoints')).held as { id: string; number: number }[]
  await eventually('two that are held', async () => (await held()).length === 2)
  t.match((await get('breakpoints')).breakpoints, [{ hits: 2 }])
  const all = await Promise.all((await held()).map(({ id }) => get(`held/${id}`)))
  const first = Buffer.from('1!').toString('base64')
  const [one, other] = [all.find(({ data }) => data === first), all.find(({ data }) => data !== first)]
  await post(`held/${one?.id}/release`, { data: Buffer.from('edited').toString('base64') })
  await post(`held/${other?.id}/release`)
  await eventually('their answers', () => clients[0]?.heard() === 'edited' && clients[1]?.heard() === '2!')
  const { id } = (await get('breakpoints')).breakpoints[0]
  await post(`breakpoints/${id}/remove`)
  await post('breakpoints', { direction: 'forward', on: '?', once: true })
  const askers = [await talking(t, server.port, '1?'), await talking(t, server.port, '2?')]
  await eventually('one that passes', () => askers.some(({ heard }) => heard().endsWith('?')))
  await eventually('one that is held', async () => (await held()).length === 1)
  for (const { id } of await held()) await post(`held/${id}/release`)
  await eventually('both', () => askers.every(({ heard }) => heard().endsWith('?')))
})

t.test('a worker that hangs does not stop the page', async t => {
  const { server, get, post } = await openProxy(t)
  const clients = [await talking(t, server.port, 'one'), await talking(t, server.port, 'two')]
  await eventually('both answers', () => clients.every(({ heard }) => heard() !== ''))
  await get('stats')
  const known = await get('connections')
  const [worker] = workersOf(server)
  process.kill(Number(worker), 'SIGSTOP')
  const { connections } = await get('connections')
  t.equal(connections.length, 1, 'that of the other one')
  const [{ id }] = known.connections.filter(({ id }: { id: string }) => id !== connections[0].id)
  t.match(await post(`connections/${id}/reset`), { status: 409, json: { error: { message: /does not answer$/ } } })
  t.match(await get('stats'), { stats: { connections: 2 } }, 'what is known')
  t.match(await post('faults', { name: 'corrupt', direction: 'forward' }), {
    status: 409,
    json: { error: { message: /^worker \d does not answer$/ } },
  })
  process.kill(Number(worker), 'SIGCONT')
  await eventually('both connections', async () => (await get('connections')).connections.length === 2)
  t.equal((await get(`connections/${id}`)).state, 'open', 'a reset that came too late is none')
  await eventually('no fault anywhere', async () => {
    const { faults, segments } = await get('stats')
    return faults.length === 0 && segments.forward.length === 1
  })
})

t.test('serve has a page over its workers, too; the end of the server is its end', async t => {
  const server = await serve(t, ['0', '--reply', ...shown])
  const { get, origin } = await pageOf(server)
  await exchange(t, server.port, 'hello')
  await eventually('its end', async () => (await get('connections')).ended === 1)
  t.match(await get('faults'), { available: [], on: [] })
  const events = await fetch(`${origin}/api/events`)
  server.kill('SIGTERM')
  t.match(await events.text(), /event: end\n/)
  t.match(await server.ended, { code: 0 })
})
