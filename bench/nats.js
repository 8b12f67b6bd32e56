// Lines into NATS JetStream and out of it, against the bare client: with the same batching, and with one line a message.
// One server, one replica, in memory where there is a folder for that. The peers need no sockets of clients and cut no lines.
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compare, freePort, has, listening, memoryFolder, shell, spentBy, spentByOne, tcpPipe } from './support.js'

export const peers = ['nats-server', 'nc']

const clients = 4
const lineLength = 200
const batch = 64 * 1024

const clientPath = fileURLToPath(new URL('nats-client.js', import.meta.url))

/** The processor time is that of our processes or of the clients, without the server's. */
const figure = (lines, { seconds, cpu }) => ({ value: lines / 1000 / seconds, cpu: (cpu * 1e6) / lines })

/** Lines that the end-to-end rate has to reach, on a quiet machine. */
const leastLines = 200_000

export async function run({ runs, quick }) {
  if (!peers.every(has)) return []
  const { connect } = await import('@nats-io/transport-node')
  const { jetstreamManager } = await import('@nats-io/jetstream')
  const folder = mkdtempSync(join(existsSync(memoryFolder) ? memoryFolder : tmpdir(), 'tcp-pipe-bench-'))
  const port = await freePort()
  const server = shell(`exec nats-server -a 127.0.0.1 -p ${port} -js -sd ${folder}`, { ends: false })
  try {
    await listening(port)
    const connection = await connect({ servers: `127.0.0.1:${port}` })
    const manager = await jetstreamManager(connection)
    const lines = quick ? 200_000 : 1_000_000
    const file = join(folder, 'lines')
    writeFileSync(file, `${'x'.repeat(lineLength - 1)}\n`.repeat(lines / clients))
    /** The seconds of a measurement with a new stream. */
    const fresh = async measure => {
      await manager.streams.add({ name: 'bench', subjects: ['bench.lines'], num_replicas: 1 })
      try {
        return await measure()
      } finally {
        await manager.streams.delete('bench')
      }
    }
    const bench = { folder, file, port, address: `nats://127.0.0.1:${port}/bench.lines`, fresh }
    const sections = [await into(bench, runs, lines), await through(bench, runs, lines)]
    await connection.close()
    return sections
  } finally {
    server.kill()
    await server.done
    rmSync(folder, { recursive: true })
  }
}

async function into(bench, runs, lines) {
  const candidates = [
    { name: 'serve', measure: () => served(bench) },
    { name: 'relay', measure: () => relayedBare(bench) },
    { name: 'client', measure: () => published(bench, { lines, size: batch }) },
  ]
  const results = await compare(candidates, runs, ({ measure }) => bench.fresh(measure))
  const rate = name => figure(lines, results.get(name))
  const ours = rate('serve')
  const work = 'serve --to nats://…'
  const batching = 'messages of 64 KiB, 200 in flight'
  return {
    title: `NATS JetStream: ${lines} lines of ${lineLength} bytes from ${clients} clients into a stream`,
    unit: 'thousand lines/s',
    cpu: 'µs/line',
    rows: [
      { work, ours, peer: `the client behind a bare TCP server, ${batching}`, theirs: rate('relay'), atLeast: 0.8 },
      { work, ours, peer: `the client alone, from memory, ${batching}`, theirs: rate('client') },
    ],
    commands: [`tcp-pipe serve PORT -q --to ${bench.address.replace(/:\d+/, ':4222')}`],
  }
}

async function through(bench, runs, lines) {
  const single = lines / 20
  const candidates = [
    { name: 'pipe', measure: () => piped(bench, lines) },
    { name: 'client', measure: () => relayed(bench, single) },
  ]
  const results = await compare(candidates, runs, ({ measure }) => bench.fresh(measure))
  const ours = figure(lines, results.get('pipe'))
  const theirs = figure(single, results.get('client'))
  const peer = 'the client, one line a message, 200 in flight'
  const work = 'serve --to nats://… and pipe nats://… -o FILE'
  return {
    title: `NATS JetStream: ${lines} lines of ${lineLength} bytes from ${clients} clients through a stream into a file`,
    unit: 'thousand lines/s',
    cpu: 'µs/line',
    rows: [
      { work, ours, peer, theirs, atLeast: 10 },
      { work, ours, peer: 'the goal of a quiet machine', theirs: { value: leastLines / 1000 }, aim: 1 },
    ],
    commands: [`tcp-pipe pipe ${bench.address.replace(/:\d+/, ':4222')}?durable=bench -q -o FILE`],
  }
}

/** Seconds until each client has its end answered: then everything is stored. */
async function served({ file, address }) {
  const port = await freePort()
  const server = shell(`exec ${tcpPipe} serve 127.0.0.1:${port} -q --to ${address}`, { ends: false })
  await listening(port)
  const before = spentBy(server.child.pid)
  const seconds = await sent(file, port)
  const cpu = spentBy(server.child.pid) - before
  server.kill()
  await server.done
  return { seconds, cpu }
}

async function relayedBare({ file, port }) {
  const relay = fork(clientPath, ['relay', String(port)])
  const [own] = await once(relay, 'message')
  const before = spentByOne(relay.pid)
  const seconds = await sent(file, own)
  const cpu = spentByOne(relay.pid) - before
  relay.kill()
  await once(relay, 'exit')
  return { seconds, cpu }
}

async function sent(file, port) {
  const started = performance.now()
  const nc = `exec nc -N 127.0.0.1 ${port} < ${file}`
  await Promise.all(Array.from({ length: clients }, () => shell(nc).done))
  return (performance.now() - started) / 1000
}

/** Seconds until the file has all lines. */
async function piped(bench, lines) {
  const path = join(bench.folder, 'out')
  closeSync(openSync(path, 'w'))
  const words = ['pipe', `${bench.address}?durable=bench`, '-q', '--append', '-o', path]
  const [node, cli] = tcpPipe.split(' ')
  const reader = spawn(node, [cli, ...words], { stdio: 'inherit' })
  const started = performance.now()
  const writing = served(bench)
  while (statSync(path).size < lines * lineLength) await new Promise(resolve => setTimeout(resolve, 5))
  const seconds = (performance.now() - started) / 1000
  const cpu = spentByOne(reader.pid) + (await writing).cpu
  reader.kill('SIGTERM')
  await once(reader, 'exit')
  rmSync(path)
  return { seconds, cpu }
}

async function published(bench, options) {
  return answer(await peer('publish', bench), { ...options, lineLength })
}

/** Seconds from the first publication to the last acknowledgement of the reader. */
async function relayed(bench, lines) {
  const reader = await peer('consume', bench)
  const writer = await peer('publish', bench)
  const started = performance.now()
  const both = await Promise.all([answer(reader, { lines }), answer(writer, { lines, size: lineLength, lineLength })])
  return { seconds: (performance.now() - started) / 1000, cpu: both[0].cpu + both[1].cpu }
}

async function peer(role, { port }) {
  const child = fork(clientPath, [role, String(port)])
  await once(child, 'message')
  return child
}

async function answer(child, order) {
  child.send(order)
  const [spent] = await once(child, 'message')
  await once(child, 'exit')
  return spent
}
