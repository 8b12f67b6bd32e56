/** A real nats-server with JetStream on a free port of loopback, for one test. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JetStreamManager, jetstreamManager, type StreamConfig } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Test } from 'tap'

/** Why tests that need nats-server are skipped, or false. */
export const noServer = spawnSync('nats-server', ['--version']).error ? 'nats-server is not installed' : false

export interface NatsServer {
  readonly port: number
  /** The beginning of an address. */
  readonly url: string
  /** A connection of the test's own, as the user `admin` if there are users. */
  readonly connection: NatsConnection
  readonly manager: JetStreamManager
  /** Ends it without a word. */
  kill(): Promise<void>
  /** Starts it again, on the same port, with what is on the disk. */
  start(): Promise<void>
  /** Halts it, as a machine that is overloaded. */
  signal(name: NodeJS.Signals): void
  /** Makes a stream for the subjects `in.>`, unless the configuration says otherwise. */
  stream(config?: Partial<StreamConfig>): Promise<void>
  /** The payloads of a stream, in the order in which they were stored. */
  payloads(stream?: string): Promise<string[]>
}

export interface NatsServerOptions {
  /** Lines of its configuration. */
  readonly configuration?: string
  /** The user information of the test's own connection, such as `admin:secret@`. */
  readonly admin?: string
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string }
}

export async function natsServer(
  t: Test,
  { configuration = '', admin = '', tls }: NatsServerOptions = {},
): Promise<NatsServer> {
  const folder = mkdtempSync(join(tmpdir(), 'tcp-pipe-nats-'))
  const config = join(folder, 'server.conf')
  writeFileSync(config, configuration)
  let child: ChildProcess | undefined
  let port = -1
  const args = () => ['-a', '127.0.0.1', '-p', `${port}`, '-js', '-sd', folder, '-c', config]
  const start = async () => {
    const started = spawn('nats-server', args(), { stdio: ['ignore', 'ignore', 'pipe'] })
    child = started
    let log = ''
    await new Promise<void>((resolve, reject) => {
      started.stderr.setEncoding('utf8').on('data', text => {
        log = `${log}${text}`.slice(-10_000)
        const [, bound] = /Listening for client connections on .*:(\d+)/.exec(log) ?? []
        if (bound !== undefined) port = Number(bound)
        if (log.includes('Server is ready')) resolve()
      })
      started.once('exit', code => reject(new Error(`nats-server ended with ${code}: ${log}`)))
    })
  }
  const kill = async () => {
    const killed = child
    child = undefined
    if (!killed) return
    const exit = once(killed, 'exit')
    killed.kill('SIGKILL')
    await exit
  }
  t.teardown(async () => {
    await kill()
    rmSync(folder, { recursive: true, force: true })
  })
  await start()
  const [, user, pass] = /^(.*):(.*)@$/.exec(admin) ?? []
  const connection = await connect({
    servers: `localhost:${port}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    ...(user !== undefined && { user, pass: pass as string }),
    ...(tls && { tls }),
  })
  t.teardown(() => connection.close())
  const manager = await jetstreamManager(connection, { checkAPI: false })
  return {
    get port() {
      return port
    },
    get url() {
      return `nats://${admin}127.0.0.1:${port}`
    },
    connection,
    manager,
    kill,
    start,
    signal(name) {
      child?.kill(name)
      while (name === 'SIGSTOP' && process.platform === 'linux' && !isHalted(child?.pid)) {} // each of its threads goes on until it hears of it
    },
    async stream(config) {
      await manager.streams.add({ name: 'records', subjects: ['in.>'], ...config } as StreamConfig & { name: string })
    },
    async payloads(stream = 'records') {
      const { state } = await manager.streams.info(stream)
      const all: string[] = []
      for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq++) {
        const message = await manager.streams.getMessage(stream, { seq })
        if (message) all.push(message.string())
      }
      return all
    },
  }
}

function isHalted(pid: number | undefined): boolean {
  const tasks = `/proc/${pid}/task`
  return readdirSync(tasks).every(task => /^State:\s+T/m.test(readFileSync(`${tasks}/${task}/status`, 'utf8')))
}
