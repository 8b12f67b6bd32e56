import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { lacks, nginxStream, program, runs } from './programs.js'
import {
  bounded,
  dial,
  eventually,
  freePort,
  type LogLine,
  reached,
  root,
  type ServerProcess,
  serve,
  shortDirectory,
} from './support.js'

/** The clients' address, which the balancer passes on. */
const localAddress = '127.0.0.5'

interface Backend extends ServerProcess {
  /** Of `--metrics`. */
  readonly ready: number
}

/** The examples, each with how it is started: its addresses are replaced by those of the test. */
const balancers: Readonly<Record<string, { skip: string | false; start(t: Test, file: string, dir: string): void }>> = {
  'haproxy.cfg': {
    skip: lacks('haproxy'),
    start: (t, file) => void runs(t, program('haproxy') as string, ['-db', '-f', file]),
  },
  'nginx-stream.conf': {
    skip: lacks('nginx') || nginxStream.missing,
    start(t, file, dir) {
      const settings = readFileSync(file, 'utf8').replace(/^load_module .*;$/m, nginxStream.load)
      writeFileSync(file, `daemon off;\nmaster_process off;\npid ${dir}/pid;\nerror_log stderr warn;\n${settings}`)
      runs(t, program('nginx') as string, ['-p', dir, '-c', file, '-e', 'stderr'])
    },
  },
}

for (const [example, { skip, start }] of Object.entries(balancers))
  t.test(`examples/${example}: two servers share the clients, and one is drained without a loss`, { skip }, async t => {
    const servers = [await backend(t), await backend(t)] as const
    const port = await freePort()
    const dir = shortDirectory(t)
    const file = join(dir, example)
    writeFileSync(file, replaced(readFileSync(join(root, 'examples', example), 'utf8'), port, servers))
    start(t, file, dir)
    const probe = await reached(t, port)
    await echoed(probe, 'probe') // haproxy resets a server that has got nothing
    probe.end()
    await bounded(once(probe, 'close'), 'the end of the probe')

    const clients = await connected(t, port, 20)
    for (const server of servers) {
      const own = server.logs.filter(opened)
      t.ok(own.length >= 5, `${own.length} of 20 connections`)
    }

    const [first, second] = servers
    first.kill('SIGTERM')
    await first.logged('draining')
    const before = second.logs.filter(opened).length
    const late = await connected(t, port, 10)
    t.equal(second.logs.filter(opened).length - before, 10, 'new clients come to the other server')

    for (const client of [...clients, ...late]) {
      await echoed(client, 'more')
      client.end()
      await bounded(once(client, 'close'), 'the end')
      t.equal(client.failed, undefined)
    }
    t.equal((await bounded(first.ended, 'the end of the drained server')).code, 0)
    second.kill('SIGTERM')
    t.equal((await bounded(second.ended, 'the end of the other server')).code, 0)
    const lines = servers.flatMap(({ logs }) => logs)
    const closed = lines.filter(line => line.msg === 'connection closed' && isClient(line))
    t.equal(closed.length, 30)
    for (const line of closed)
      t.match(line, { remote: /^127\.0\.0\.5:\d+$/, via: /^127\.0\.0\.1:\d+$/, closedBy: 'peer' })
  })

function opened(line: LogLine): boolean {
  return line.msg === 'connection opened' && isClient(line)
}

function isClient({ remote }: LogLine): boolean {
  return String(remote).startsWith(`${localAddress}:`)
}

async function backend(t: Test): Promise<Backend> {
  const options = ['--proxy-protocol', '127.0.0.1', '--metrics', '127.0.0.1:0', '--drain-timeout', '60s', '-v']
  const server = await serve(t, ['127.0.0.1:0', '--reply', ...options], { timeout: 120_000 })
  const { port } = await server.logged('metrics')
  return Object.assign(server, { ready: Number(port) })
}

/** The example with the addresses of the test. */
function replaced(text: string, port: number, [one, two]: readonly [Backend, Backend]): string {
  return text
    .replaceAll(/^ *#.*$/gm, '')
    .replace(/\b(maxconn|worker_connections) 100000/, '$1 1000')
    .replace('worker_rlimit_nofile 200000;', '')
    .replace('0.0.0.0:3099', `127.0.0.1:${port}`)
    .replace(' check port 9464', ' check')
    .replace('10.0.0.11:3099', `${one.to}${text.includes('option httpchk') ? ` port ${one.ready}` : ''}`)
    .replace('10.0.0.12:3099', `${two.to}${text.includes('option httpchk') ? ` port ${two.ready}` : ''}`)
}

type Client = Socket & { failed?: Error }

/** Clients, one after another, each with an answer. */
async function connected(t: Test, port: number, count: number): Promise<Client[]> {
  const clients: Client[] = []
  for (let i = 0; i < count; i++) {
    const client = await dial(t, { port, host: '127.0.0.1', localAddress })
    await echoed(client, `client ${i}`)
    clients.push(client)
  }
  return clients
}

async function echoed(client: Client, text: string): Promise<void> {
  client.write(text)
  let answer = ''
  const take = (chunk: Buffer) => {
    answer += chunk
  }
  client.on('data', take)
  await eventually(`the answer to ${text}`, () => answer === text, 30_000)
  client.off('data', take)
}
