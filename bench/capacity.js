// What a server costs, for docs/scaling.md: processor time for each GB, connection and request, and memory for each connection.
// Clients run in processes of their own; only the server is measured. Its time includes that of the kernel on its behalf.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { MiB, median } from './support.js'

const file = fileURLToPath(import.meta.url)
const KiB = 1024

/** How data passes: as it is, through a function that gets chunks or lines of 80 bytes and returns them, and with TLS. */
const modes = {
  plain: 'plain',
  function: 'a function over chunks',
  lines: 'a function over lines of 80 bytes',
  tls: 'TLS 1.3',
}

const line = Buffer.from(`${'x'.repeat(79)}\n`)

export async function run({ runs, quick }) {
  const scale = quick ? 0.1 : 1
  const time = 'Processor time of serve for each'
  const memory = 'Memory of serve for each connection'
  const works = [
    { title: `${time} GB received, to /dev/null`, unit: 'ms', measure: perGigabyte('discard') },
    { title: `${time} GB received and sent back`, unit: 'ms', measure: perGigabyte('reply') },
    { title: `${time} connection: connect, 80 bytes there and back, end`, unit: 'µs', measure: perConnection },
    { title: `${time} request of 80 bytes, with its answer`, unit: 'µs', measure: perRequest },
    { title: `${memory} that is idle, after a request`, unit: 'KiB', measure: perClient('idle', 'rss') },
    { title: `${memory} that is idle, in the heap of V8`, unit: 'KiB', measure: perClient('idle', 'heapUsed') },
    { title: `${memory} that is busy in both directions`, unit: 'KiB', measure: perClient('busy', 'rss') },
  ]
  const sections = []
  for (const { title, unit, measure } of works) {
    const rows = []
    for (const [mode, work] of Object.entries(modes)) {
      const figures = []
      for (let i = 0; i < Math.min(runs, 3); i++) figures.push(await measure(mode, scale))
      rows.push({ work, figure: median(figures) })
      process.stderr.write('.')
    }
    sections.push({ title, unit, rows, commands: [] })
  }
  process.stderr.write('\n')
  return sections
}

function perGigabyte(sink) {
  return async (mode, scale) => {
    const server = await startServer(mode, sink)
    await server.clients('bulk', 16)
    const megabytes = Math.round(500 * scale)
    const spent = await server.spent(() => server.clients('bulk', megabytes))
    server.end()
    return (spent / 1000 / (megabytes * MiB)) * 1e9
  }
}

async function perConnection(mode, scale) {
  const server = await startServer(mode, 'reply')
  const count = Math.round((mode === 'tls' ? 1000 : 5000) * scale)
  await server.clients('connections', 500) // the code is compiled by then
  const spent = await server.spent(() => server.clients('connections', count))
  server.end()
  return spent / count
}

async function perRequest(mode, scale) {
  const server = await startServer(mode, 'reply')
  const count = Math.round(100_000 * scale)
  await server.clients('requests', 10_000)
  const spent = await server.spent(() => server.clients('requests', count))
  server.end()
  return spent / count
}

/** What so many connections take of a kind of memory. */
function perClient(work, kind) {
  return async (mode, scale) => {
    const count = Math.round((work === 'idle' ? 2000 : 200) * scale)
    const server = await startServer(mode, 'reply')
    await server.clients('connections', 500)
    const before = (await server.ask('memory'))[kind]
    const clients = await server.startClients(work, count)
    const used = (await server.ask('memory'))[kind] - before
    clients.kill()
    server.end()
    return used / count / KiB
  }
}

/** The server, and the clients that it is measured with. */
async function startServer(mode, sink) {
  const child = fork(file, ['server', mode, sink], { execArgv: ['--expose-gc'] })
  const [port] = await once(child, 'message')
  const ask = async question => {
    child.send(question)
    return (await once(child, 'message'))[0]
  }
  /** Resolves when the clients have done their work, or are busy with it. */
  async function startClients(work, count) {
    const client = fork(file, ['clients', mode, String(port), work, String(count)])
    await once(client, 'message')
    return client
  }
  return {
    ask,
    startClients,
    clients: async (work, count) => void (await startClients(work, count)).kill(),
    /** Microseconds of processor time while the work is done. */
    async spent(work) {
      const before = await ask('time')
      await work()
      return (await ask('time')) - before
    },
    end: () => child.kill(),
  }
}

async function serverProcess(mode, sink) {
  const { eachLine, serve } = await import('../dist/bundle/index.js')
  const stages = { function: [chunk => chunk], lines: [eachLine(text => text)] }[mode] ?? []
  const server = await serve({
    ...{ port: 0, maxConnections: 100_000, transforms: () => stages },
    ...(mode === 'tls' && { tls: 'auto' }),
    ...(sink === 'reply' ? { reply: true } : { to: { scheme: 'file', path: '/dev/null' } }),
  })
  process.on('message', question => {
    globalThis.gc()
    const { user, system } = process.cpuUsage()
    process.send(question === 'time' ? user + system : process.memoryUsage())
  })
  process.send(server.address.port)
}

async function clientProcess(mode, port, work, count) {
  const dial = async () => {
    const to = { port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true }
    const socket = mode === 'tls' ? connectTls({ ...to, rejectUnauthorized: false }) : connect(to)
    await once(socket, mode === 'tls' ? 'secureConnect' : 'connect')
    return socket
  }
  await { bulk, connections, requests, idle, busy }[work](dial, count)
  process.send('done')
  process.once('disconnect', () => process.exit())
}

async function bulk(dial, megabytes) {
  const socket = await dial()
  socket.resume()
  const block = Buffer.alloc(MiB, line)
  for (let i = 0; i < megabytes; i++) if (!socket.write(block)) await once(socket, 'drain')
  socket.end()
  await once(socket, 'end')
}

/** Fifty at a time. */
async function connections(dial, count) {
  let left = count
  const worker = async () => {
    while (left-- > 0) {
      const socket = await dial()
      await request(socket)
      socket.resume().end()
      await once(socket, 'end')
    }
  }
  await Promise.all(Array.from({ length: 50 }, worker))
}

/** On fifty connections, on each one after another. */
async function requests(dial, count) {
  const sockets = await Promise.all(Array.from({ length: 50 }, dial))
  let left = count
  await Promise.all(
    sockets.map(async socket => {
      while (left-- > 0) await request(socket)
    }),
  )
}

function request(socket) {
  return new Promise(resolve => {
    let size = 0
    socket.on('data', function take(chunk) {
      size += chunk.length
      if (size < line.length) return
      socket.off('data', take)
      resolve()
    })
    socket.write(line)
  })
}

async function idle(dial, count) {
  for (let i = 0; i < count; i++) await request(await dial())
}

/** Each client writes as fast as it can, and reads as slowly as the others let it. */
async function busy(dial, count) {
  const block = Buffer.alloc(64 * KiB, line)
  for (let i = 0; i < count; i++) {
    const socket = await dial()
    const offer = () => {
      while (socket.write(block));
    }
    socket.on('drain', offer).resume()
    offer()
  }
  await new Promise(resolve => setTimeout(resolve, 3000))
}

if (process.argv[1] === file) {
  const [, , role, mode, ...rest] = process.argv
  if (role === 'server') await serverProcess(mode, rest[0])
  else await clientProcess(mode, Number(rest[0]), rest[1], Number(rest[2]))
}

export const peers = []
