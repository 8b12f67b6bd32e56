// Idle connections: what each costs, and whether all are served. Clients run in processes of their own.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { median } from './support.js'

const file = fileURLToPath(import.meta.url)
const KiB = 1024

export async function run({ quick }) {
  const count = quick ? 1000 : 10_000
  const server = fork(file, ['server'], { execArgv: ['--expose-gc'] })
  const [port] = await once(server, 'message')
  const ask = async question => {
    server.send(question)
    return (await once(server, 'message'))[0]
  }
  const before = await ask('memory')
  const clients = await Promise.all([0, 1].map(() => startClients(port, count / 2)))
  const idle = await ask('memory')
  const used = (await Promise.all(clients.map(client => client.ask('line')))).reduce((sum, served) => sum + served)
  const after = await ask('memory')
  const served = (await Promise.all(clients.map(client => client.ask('end')))).reduce((sum, ended) => sum + ended)
  server.kill()
  const each = ({ rss }) => (rss - before.rss) / count / KiB
  const spent = (from, to) => (to.cpu - from.cpu) / count
  return {
    title: `${count} idle connections, three stages each, RSS of the server`,
    unit: 'KiB each',
    cpu: 'µs each',
    rows: [
      { work: 'before their first byte', figure: each(idle), cpu: spent(before, idle), most: 32 },
      { work: 'idle again after a line there and back', figure: each(after), cpu: spent(idle, after) },
      { work: 'connections not served', figure: count - Math.min(used, served), most: 0 },
      { work: 'ms to connect, median', figure: median(clients.map(client => client.time)) },
    ],
    commands: [],
  }
}

async function startClients(port, count) {
  const child = fork(file, ['clients', String(port), String(count)])
  const [time] = await once(child, 'message')
  const ask = async question => {
    child.send(question)
    return (await once(child, 'message'))[0]
  }
  return { time, ask }
}

async function serverProcess() {
  const { serve } = await import('../dist/bundle/index.js')
  const same = chunk => chunk
  const server = await serve({ port: 0, reply: true, transforms: () => [same, same, same], maxConnections: 100_000 })
  process.on('message', () => {
    globalThis.gc()
    const { user, system } = process.cpuUsage()
    process.send({ rss: process.memoryUsage().rss, cpu: user + system })
  })
  process.send(server.address.port)
}

async function clientProcess(port, count) {
  const sockets = []
  const times = []
  for (let i = 0; i < count; i++) {
    const started = performance.now()
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    await once(socket, 'connect')
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
  if (process.argv[2] === 'server') await serverProcess()
  else await clientProcess(Number(process.argv[3]), Number(process.argv[4]))
}

export const peers = []
