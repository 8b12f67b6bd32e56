/** `--workers`: several processes that share one address and do the same. This one begins them, and speaks for all. */
import { availableParallelism } from 'node:os'
import { type Address, endpointFor, formatAddress } from '../lib/endpoints/address.js'
import type { SecureContexts } from '../lib/index.js'
import type { Limits } from '../lib/serve.js'
import { refusalLog } from '../lib/stats/refusal-log.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { type Log, type LogOptions, openLog } from './log.js'
import { exitAfter } from './process.js'
import { runServer } from './server.js'
import type { Aims, CommonOptions, ServerOptions } from './server-options.js'
import type { Standing } from './standing.js'
import type { WorkerProcess } from './workers/member.js'

/** A command that listens, resolved. */
export interface Job<O, G> {
  readonly options: O
  readonly aims: Aims
  /** The options of the library. */
  readonly given: G
  readonly plan: { readonly address: Address; readonly limits: Limits }
}

/** Runs a command in this process or, with `--workers`, in others. */
export async function spread<O extends ServerOptions & LogOptions, G extends CommonOptions>(
  job: Job<O, G>,
  run: (options: O, given: G) => Promise<void>,
): Promise<void> {
  const { options, given } = job
  if (options.workers === undefined) return run(options, given)
  const { default: cluster } = await import('node:cluster')
  if (cluster.isPrimary) return lead(job)
  const { takeSeat } = await import('./workers/seat.js')
  const seat = await takeSeat(options)
  const { openedLevel } = seat
  await run({ ...options, seat, logFormat: 'json', openedLevel }, { ...given, ...seat.given })
}

async function lead(job: Job<ServerOptions & LogOptions, CommonOptions>): Promise<void> {
  const { options, aims, given } = job
  const log = openLog(options)
  try {
    const { server, closed } = await runServer({ options, aims, common: given, log, start: () => begin(job, log) })
    await closed
    refusalLog(log.log).end(server.stats().refused)
  } catch (error) {
    exitAfter(0) // a worker that does not end would keep this process alive
    throw error
  }
}

async function begin({ options, aims, given, plan }: Job<LogOptions & ServerOptions, CommonOptions>, logging: Log) {
  const { workers, maxConnections, maxPerIp } = options
  const { log, openedLevel, relay } = logging
  const { openWorkers } = await import('./workers/merged.js')
  const place = await reserve(plan.address)
  const count = workers === 'auto' ? availableParallelism() : (workers as number)
  const server: Standing = await openWorkers({
    ...{ count, log, relay, fork: await forking(), begin: place.free },
    limits: { maxConnections, maxPerIp },
    common: {
      listen: place.address,
      contexts: await sharedContexts(given),
      isLimited: (maxConnections ?? maxPerIp) !== undefined,
      openedLevel,
    },
    prepare: sharedContexts,
  })
  const pin = server.pin === undefined ? {} : { pin: server.pin }
  const to = aims.target && { to: formatAddress(aims.target) }
  const { maxConnections: most } = plan.limits
  log.info({ ...server.address, ...pin, ...to, maxConnections: most, workers: count }, 'listening')
  return server
}

/** Each connection goes to the next worker. What one writes to stderr comes here. */
async function forking(): Promise<() => WorkerProcess> {
  const { default: cluster } = await import('node:cluster')
  cluster.schedulingPolicy = cluster.SCHED_RR
  cluster.setupPrimary({ stdio: ['ignore', 'inherit', 'pipe', 'ipc'], serialization: 'advanced' })
  const { watchHandover } = await import('./workers/handover.js')
  return () => watchHandover(cluster.fork())
}

/** Finds out whether the address is free, and keeps a port that the system chooses until the workers listen on it. */
async function reserve(address: Address): Promise<{ address: Address; free(): Promise<void> }> {
  const carrier = ('path' in address ? { ...address, scheme: 'unix' } : { ...address, scheme: 'tcp' }) as Address
  const early = new TcpPipeError('ERR_CLOSED', 'no worker listens yet')
  const listener = await endpointFor('listen', carrier).listen(carrier, ({ refuse }) => refuse(early), {
    accept: undefined,
  })
  const free = () => listener.close()
  if ('port' in address && address.port === 0) return { address: { ...address, port: listener.bound.port }, free }
  await free()
  return { address, free: async () => {} }
}

let own: Promise<{ cert: string; key: string }> | undefined

/** With `--tls auto`, all workers have the same certificate. */
async function sharedContexts({ tls, targetTls }: Pick<CommonOptions, 'tls' | 'targetTls'>): Promise<SecureContexts> {
  const target = targetTls && { targetTls }
  if (typeof tls !== 'object') return { ...target }
  if (!tls.auto) return { tls, ...target }
  own ??= import('../lib/endpoints/tls/self-signed.js').then(({ selfSigned }) => selfSigned())
  return { tls: { ...tls, auto: false, ...(await own) }, ...target }
}
