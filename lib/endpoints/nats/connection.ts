/** One connection for each set of servers and credentials, which all sinks and sources of the process share. */
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import {
  type Authenticator,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
} from '@nats-io/transport-node'
import { errorMessage } from '../../text/errors.js'
import { formatHostAndPort } from '../tcp.js'
import type { NatsAddress } from './address.js'
import { questionTimeout } from './asked.js'
import { finalWords, natsError } from './faults.js'

/** A share of a connection. It stays open until every user has released it, and comes back by itself when it breaks. */
export interface Link {
  readonly connection: NatsConnection
  readonly client: JetStreamClient
  readonly manager: JetStreamManager
  /** Resolves when the connection is there, or closed: what is sent while it is away could come too late. */
  connected(): Promise<void>
  /** The number of times that the connection has broken: what was on its way is lost then. */
  breaks(): number
  /** Calls back with the reason if the connection ends and does not come back, unless it is released before. */
  onLost(callback: (error: unknown) => void): void
  /** Resolves when what was sent is on its way to the server. */
  release(): Promise<void>
}

interface Shared {
  readonly name: string
  readonly opened: Promise<NatsConnection>
  users: number
  breaks: number
  back?: Promise<void> | undefined
  readonly lost: Set<(error: unknown) => void>
}

const open = new Map<string, Shared>()

/** Milliseconds to wait for a server. */
const patience = 10_000

/** Milliseconds that the server may take for what was sent last. */
const farewell = 5000

/** Rejects with `ERR_NATS` if no server can be reached, or if it refuses the credentials. */
export async function connectTo(address: NatsAddress): Promise<Link> {
  const shared = sharedFor(address)
  shared.users++
  try {
    return await linkTo(shared, await shared.opened)
  } catch (error) {
    if (leave(shared)) void shared.opened.then(connection => connection.close(), ignore)
    throw error
  }
}

function sharedFor(address: NatsAddress): Shared {
  const { servers, tls, user, password, token, creds, nkey, ca, cert, key } = address
  const name = JSON.stringify({ servers, tls, user, password, token, creds, nkey, ca, cert, key })
  const known = open.get(name)
  if (known) return known
  const shared: Shared = { name, opened: opened(address), users: 0, breaks: 0, lost: new Set() }
  open.set(name, shared)
  shared.opened.then(connection => watch(shared, connection), ignore)
  return shared
}

/** Returns whether the last user has left. */
function leave(shared: Shared): boolean {
  shared.users--
  if (shared.users === 0) forget(shared)
  return shared.users === 0
}

function forget(shared: Shared): void {
  if (open.get(shared.name) === shared) open.delete(shared.name)
}

async function linkTo(shared: Shared, connection: NatsConnection): Promise<Link> {
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: questionTimeout })
  let isReleased = false
  let callback: ((error: unknown) => void) | undefined
  return {
    connection,
    client: jetstream(connection),
    manager,
    breaks: () => shared.breaks,
    connected() {
      if (!isAway(connection)) return Promise.resolve()
      shared.back ??= whileAway(connection).then(() => {
        shared.back = undefined
      })
      return shared.back
    },
    onLost(given) {
      callback = given
      shared.lost.add(given)
    },
    async release() {
      if (isReleased) return
      isReleased = true
      if (callback) shared.lost.delete(callback)
      if (leave(shared)) await drained(connection)
    },
  }
}

/** Counts the breaks of a connection, and tells its users when it does not come back. */
async function watch(shared: Shared, connection: NatsConnection): Promise<void> {
  void connection.closed().then(reason => {
    forget(shared)
    for (const callback of shared.lost) callback(reason ?? new Error('it was closed'))
  })
  for await (const { type } of connection.status()) if (type === 'disconnect') shared.breaks++
}

async function opened(address: NatsAddress): Promise<NatsConnection> {
  const options = await optionsOf(address)
  try {
    return await connect(options)
  } catch (error) {
    const words = finalWords(error)
    if (words) throw natsError(address, words, error)
    const remedy = 'start nats-server with -js there, or correct the address'
    throw natsError(address, `no server can be reached (${errorMessage(error)}); ${remedy}`, error)
  }
}

async function optionsOf(address: NatsAddress): Promise<ConnectionOptions> {
  const { servers, tls, user, password, token, ca, cert, key } = address
  const authenticator = await authenticatorOf(address)
  return {
    servers: servers.map(formatHostAndPort),
    name: 'tcp-pipe',
    noRandomize: true,
    timeout: patience,
    pingInterval: 10_000,
    maxReconnectAttempts: -1,
    ...pacing(),
    noAsyncTraces: true,
    ...(authenticator && { authenticator }),
    ...(user !== undefined && { user, pass: password as string }), // they come together
    ...(token !== undefined && { token }),
    ...(tls && {
      tls: {
        ...(ca !== undefined && { ca: await content(address, 'ca', ca) }),
        ...(cert !== undefined && { cert: await content(address, 'cert', cert) }),
        ...(key !== undefined && { key: await content(address, 'key', key) }),
      },
    }),
  }
}

/**
 * Each server is tried again after 250 to 500 ms. The client would measure this by the time of day: after a jump back it
 * would wait until the clock is where it was.
 */
export function pacing(now = () => performance.now()) {
  let tries: number[] = []
  return {
    reconnectDelayHandler: () => Number.NEGATIVE_INFINITY,
    /** Its first server is the one whose turn it is. */
    reconnectToServer<S>(servers: readonly S[]) {
      const before = tries.at(-servers.length) ?? Number.NEGATIVE_INFINITY
      const delay = Math.max(0, before + 250 + 250 * Math.random() - now())
      tries = [...tries, now() + delay].slice(-servers.length)
      return { server: servers[0] as S, delay }
    },
  }
}

async function authenticatorOf(address: NatsAddress): Promise<Authenticator | undefined> {
  const { creds, nkey } = address
  if (creds !== undefined) return credsAuthenticator(Buffer.from(await content(address, 'creds', creds)))
  if (nkey === undefined) return undefined
  const lines = (await content(address, 'nkey', nkey)).split(/\s+/)
  const seed = lines.find(line => /^SU[A-Z2-7]{56}$/.test(line))
  if (seed === undefined)
    throw natsError(address, `nkey=${nkey} has no seed of a user; expected a line that begins with SU`)
  return nkeyAuthenticator(Buffer.from(seed))
}

async function content(address: NatsAddress, name: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw natsError(address, `${name}=${path} cannot be read (${errorMessage(error)})`, error)
  }
}

/** The bytes that the server takes in one message; while it is away, its default. */
export function payloadOf({ info }: Pick<NatsConnection, 'info'>): number {
  return info?.max_payload ?? 1024 * 1024
}

/** Closes the connection after what was sent, unless the server takes nothing. */
async function drained(connection: NatsConnection): Promise<void> {
  const close = () => void connection.close().catch(ignore)
  const timer = setTimeout(close, farewell)
  if (isAway(connection)) close()
  else connection.drain().catch(close)
  await connection.closed()
  clearTimeout(timer)
}

async function whileAway(connection: NatsConnection): Promise<void> {
  while (isAway(connection)) await delay(50)
}

/** The client knows its server while it is connected. */
function isAway(connection: NatsConnection): boolean {
  return connection.info === undefined && !connection.isClosed()
}

function ignore(): void {}
