/** Three servers of NATS with a stream of three replicas. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type JetStreamManager, jetstreamManager, StorageType, type StreamInfo } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { freePort } from '../e2e/support.js'
import { Program } from './program.js'

export const streamName = 'ingest'
export const subject = 'ingest.lines'

/** Milliseconds between two looks. */
const look = 200

export class Cluster {
  readonly servers: readonly Program[]
  /** Its servers, as they stand in an address. */
  readonly hosts: string
  readonly #connection: NatsConnection
  readonly #manager: JetStreamManager

  private constructor(
    servers: readonly Program[],
    hosts: string,
    connection: NatsConnection,
    manager: JetStreamManager,
  ) {
    this.servers = servers
    this.hosts = hosts
    this.#connection = connection
    this.#manager = manager
  }

  static async open(folder: string): Promise<Cluster> {
    const names = ['a', 'b', 'c']
    const ports = await Promise.all(names.map(freePort))
    const routePorts = await Promise.all(names.map(freePort))
    const routes = routePorts.map(port => `nats://127.0.0.1:${port}`)
    const servers = names.map((name, i) => {
      const store = join(folder, `nats-${name}`)
      mkdirSync(store)
      const words = ['-n', name, '-a', '127.0.0.1', '-p', `${ports[i]}`, '-js', '-sd', store]
      const cluster = ['--cluster_name', 'torture', '--cluster', `${routes[i]}`, '--routes', routes.join(',')]
      return new Program({
        name: `nats-server ${name}`,
        command: () => ['nats-server', ...words, ...cluster],
        log: join(folder, `nats-${name}.log`),
      })
    })
    for (const server of servers) server.start()
    const hosts = ports.map(port => `127.0.0.1:${port}`)
    const connection = await connect({
      servers: hosts,
      waitOnFirstConnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 200,
    })
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: 3000 })
    const cluster = new Cluster(servers, hosts.join(','), connection, manager)
    await cluster.#makeStream()
    return cluster
  }

  /** The server that leads the stream; undefined while none does. */
  async leader(): Promise<Program | undefined> {
    const leader = (await this.#info())?.cluster?.leader
    return this.servers.find(({ name }) => name === `nats-server ${leader}`)
  }

  /** Lets another server lead the stream. */
  async elect(): Promise<void> {
    await this.#connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${streamName}`).catch(() => {})
  }

  /** Resolves when every replica has everything: a stream of three keeps what it has if one is lost, not two. */
  async whole(): Promise<void> {
    for (let good = 0; good < 5; ) {
      const cluster = (await this.#info())?.cluster
      const replicas = cluster?.replicas ?? []
      const isWhole = cluster?.leader !== undefined && replicas.length === 2 && replicas.every(each => each.current)
      good = isWhole ? good + 1 : 0
      await delay(look)
    }
  }

  /** Resolves when the consumer has delivered everything. */
  async delivered(durable: string): Promise<void> {
    for (;;) {
      const info = await this.#manager.consumers.info(streamName, durable).catch(() => undefined)
      if (info?.num_pending === 0) return
      await delay(look)
    }
  }

  /** How many messages of a consumer are not acknowledged. */
  async pending(durable: string): Promise<number> {
    const { num_pending, num_ack_pending } = await this.#manager.consumers.info(streamName, durable)
    return num_pending + num_ack_pending
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  async #makeStream(): Promise<void> {
    for (;;) {
      const config = { name: streamName, subjects: ['ingest.>'], num_replicas: 3, storage: StorageType.File }
      const made = await this.#manager.streams.add(config).catch(() => undefined)
      if (made) return
      await delay(look)
    }
  }

  async #info(): Promise<StreamInfo | undefined> {
    return this.#manager.streams.info(streamName).catch(() => undefined)
  }
}
