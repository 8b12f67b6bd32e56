// Idle connections: what each costs, and whether all are served. Clients run in processes of their own.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { median } from './support.js'

const file = fileURLToPath(import.meta.url)
const KiB = 1024

export async function run({ quick }) {
  const [count, few] = quick ? [1000, 500] : [10_000, 2000]
  const plain = await measured('plain', count)
  const beside = await measured('plain', few)
  const tls = await measured('TLS', few)
  const title = (count, what) => `${count} idle connections, three stages each, ${what}`
  return [
    {
      title: title(count, 'RSS of the server'),
      unit: 'KiB each',
      cpu: 'µs each',
      rows: [
        { work: 'before their first byte', ...plain.idle, most: 12 },
        { work: 'idle again after a line there and back', ...plain.after, most: 24 },
        { work: 'connections not served', figure: plain.unserved, most: 0 },
        { work: 'ms to connect, median', figure: plain.time },
      ],
      commands: [],
    },
    {
      title: title(few, 'RSS of the server, which includes the growth of its own code'),
      unit: 'KiB each',
      cpu: 'µs each',
      rows: [
        { work: 'TLS, before their first byte', ...tls.idle, most: 45 },
        { work: 'TLS, idle again after a line there and back', ...tls.after, most: 64 },
        { work: 'TLS, connections not served', figure: tls.unserved, most: 0 },
        { work: 'plain, before their first byte', ...beside.idle },
        { work: 'plain, idle again after a line there and back', ...beside.after },
      ],
      commands: [],
    },
  ]
}

async function measured(mode, count) {
  const server = fork(file, ['server', mode], { execArgv: ['--expose-gc'] })
  const [port] = await once(server, 'message')
  const ask = async question => {
    server.send(question)
    return (await once(server, 'message'))[0]
  }
  const before = await ask('memory')
  const clients = await Promise.all([0, 1].map(() => startClients(mode, port, count / 2)))
  const idle = await ask('memory')
  const used = (await Promise.all(clients.map(client => client.ask('line')))).reduce((sum, served) => sum + served)
  const after = await ask('memory')
  const served = (await Promise.all(clients.map(client => client.ask('end')))).reduce((sum, ended) => sum + ended)
  server.kill()
  const each = ({ rss }) => (rss - before.rss) / count / KiB
  const spent = (from, to) => (to.cpu - from.cpu) / count
  return {
    idle: { figure: each(idle), cpu: spent(before, idle) },
    after: { figure: each(after), cpu: spent(idle, after) },
    unserved: count - Math.min(used, served),
    time: median(clients.map(client => client.time)),
  }
}

async function startClients(mode, port, count) {
  const child = fork(file, ['clients', mode, String(port), String(count)])
  const [time] = await once(child, 'message')
  const ask = async question => {
    child.send(question)
    return (await once(child, 'message'))[0]
  }
  return { time, ask }
}

async function serverProcess(mode) {
  const { serve } = await import('../dist/bundle/index.js')
  const same = chunk => chunk
  const server = await serve({
    ...{ port: 0, reply: true, transforms: () => [same, same, same], maxConnections: 100_000 },
    ...(mode === 'TLS' && { tls: 'auto' }),
  })
  process.on('message', () => {
    globalThis.gc()
    const { user, system } = process.cpuUsage()
    process.send({ rss: process.memoryUsage().rss, cpu: user + system })
  })
  process.send(server.address.port)
}

async function clientProcess(mode, port, count) {
  const to = { port, host: '127.0.0.1', allowHalfOpen: true }
  const dial = mode === 'TLS' ? () => connectTls({ ...to, rejectUnauthorized: false }) : () => connect(to)
  const sockets = []
  const times = []
  for (let i = 0; i < count; i++) {
    const started = performance.now()
    const socket = dial()
    await once(socket, mode === 'TLS' ? 'secureConnect' : 'connect')
    times.push(performance.now() - started)
    sockets.push(socket)
  }
  process.on('message', async question => {
    const answers = await Promise.all(sockets.map(question === 'line' ? line : end))
    process.send(answers.filter(Boolean).length)
    if (question === 'end') process.disconnect()
  })
  process.send(median(times))
}

async function line(socket) {
  socket.write('a line\n')
  return String((await once(socket, 'data'))[0]) === 'a line\n'
}

async function end(socket) {
  socket.end()
  await once(socket, 'end')
  return true
}

if (process.argv[1] === file) {
  const [, , role, mode, ...rest] = process.argv
  if (role === 'server') await serverProcess(mode)
  else await clientProcess(mode, ...rest.map(Number))
}

export const peers = []
