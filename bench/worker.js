// Small echoes beside a bulk connection, all through the same heavy stage: how long an echo takes, with and without a thread.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compare, freePort, listening, spentByOne, tcpPipe } from './support.js'

export const peers = []

/** Milliseconds of work for each 64 KiB. */
const work = 10

const heavy = `export default chunk => {
  const end = performance.now() + (chunk.length / 65536) * ${work}
  while (performance.now() < end);
  return chunk
}
`

const kinds = [
  { name: 'idle', isAlone: true },
  { name: 'without', words: '' },
  { name: 'worker=true', words: ' worker=true' },
]

export async function run({ runs, quick }) {
  const folder = mkdtempSync(join(tmpdir(), 'tcp-pipe-bench-'))
  const module = join(folder, 'heavy.mjs')
  writeFileSync(module, heavy)
  const command = ({ words = '' }) => `${tcpPipe} serve 127.0.0.1:PORT -q --reply -t '${module}${words}'`
  try {
    const times = await compare(kinds, runs, kind => measure(command(kind), kind, quick ? 20 : 1000))
    const row = (name, most) => ({
      work: name,
      figure: times.get(name).p99 / times.get('idle').p99,
      cpu: times.get(name).cores,
      most,
    })
    return [
      {
        title: 'A light connection beside a heavy one: p99 of an echo, as a multiple of that of an idle server',
        unit: '×',
        cpu: 'cores',
        rows: [row('without'), row('worker=true', 3)],
        commands: kinds.slice(1).map(kind => [command(kind)]),
      },
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The 99th percentile of the time of an echo in milliseconds, and the cores that the server has kept busy. */
async function measure(command, { isAlone }, count) {
  const port = await freePort()
  const server = spawn('sh', ['-c', `exec ${command.replace('PORT', port)}`], { stdio: 'ignore' })
  try {
    await listening(port)
    const bulk = isAlone ? undefined : flood(port)
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    const times = []
    const before = { time: performance.now(), spent: spentByOne(server.pid) }
    for (let i = -count / 10; i < count; i++) {
      const started = performance.now()
      socket.write('x'.repeat(64))
      for (let left = 64; left > 0; ) left -= (await once(socket, 'data'))[0].length
      if (i >= 0) times.push(performance.now() - started)
      await new Promise(resolve => setTimeout(resolve, 2))
    }
    const cores = (spentByOne(server.pid) - before.spent) / ((performance.now() - before.time) / 1000)
    socket.destroy()
    bulk?.destroy()
    return { p99: times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)], cores }
  } finally {
    server.kill()
    await once(server, 'exit')
  }
}

function flood(port) {
  const socket = connect({ port, host: '127.0.0.1' }).resume()
  const block = Buffer.alloc(65536)
  const write = () => {
    while (socket.write(block));
  }
  socket.on('connect', write).on('drain', write)
  return socket
}
