/** The stream that stores what is written to a subject: found, checked, or made. */
import {
  DiscardPolicy,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import { exactBytes, exactDuration, formatDuration } from '../../text/quantities.js'
import type { NatsAddress } from './address.js'
import { asked } from './asked.js'
import { failure, natsError } from './faults.js'
import type { StreamLimits } from './parameters.js'

/** What a sink needs to know of its stream. */
export interface Stream {
  readonly name: string
  /** Milliseconds for which the server recognizes a message that is sent again. */
  readonly window: number
  /** How the stream may lose what it has stored, as it was made. */
  readonly warning: string | undefined
}

/** Nanoseconds, as the server counts, in a millisecond. */
const nanoseconds = 1_000_000

/** Finds the stream of a subject, or makes it. Rejects with `ERR_NATS` if nothing can be stored in it. */
export function openStream(manager: JetStreamManager, address: NatsAddress): Promise<Stream> {
  return asked(() => lookAt(manager, address))
}

/** The same, with one question. */
export async function lookAt(manager: JetStreamManager, address: NatsAddress): Promise<Stream> {
  const config = await configOf(manager, address)
  if (!config.subjects?.some(each => covers(each, address.subject))) {
    const subjects = config.subjects?.join(', ') || 'none'
    throw natsError(address, `stream ${config.name} does not store the subject; it has ${subjects}`)
  }
  if (config.no_ack)
    throw natsError(address, `stream ${config.name} acknowledges nothing (no_ack); expected one that does`)
  const window = config.duplicate_window / nanoseconds
  return { name: config.name, window, warning: warningOf(config) }
}

/** The stream that has the subject. Rejects with `ERR_NATS` if there is none. */
export async function streamOf(manager: JetStreamManager, address: NatsAddress): Promise<string> {
  const { stream, subject } = address
  if (stream !== undefined) return stream
  try {
    return await manager.streams.find(subject)
  } catch (error) {
    if (!isMissing(error)) throw failure(address, 'its stream cannot be found', error)
    const remedy = 'make one, or add stream=NAME&create=true'
    throw natsError(address, `no stream stores the subject; ${remedy}`, error)
  }
}

async function configOf(manager: JetStreamManager, address: NatsAddress): Promise<StreamConfig> {
  const name = await streamOf(manager, address)
  try {
    const { config } = await manager.streams.info(name)
    if (address.create) compare(address, config)
    return config
  } catch (error) {
    if (!isMissing(error)) throw failure(address, `stream ${name} cannot be looked at`, error)
    if (!address.create) throw natsError(address, `there is no stream ${name}; make it, or add create=true`, error)
  }
  try {
    const { config } = await manager.streams.add(configFor(name, address))
    return config
  } catch (error) {
    throw failure(address, `stream ${name} cannot be made`, error)
  }
}

function isMissing(error: unknown): boolean {
  return (error as Error).name === 'StreamNotFoundError'
}

function limitsOf({ create }: NatsAddress): StreamLimits {
  return typeof create === 'object' ? create : {}
}

function configFor(name: string, address: NatsAddress) {
  const { replicas = 1, maxBytes = -1, maxMessages = -1, maxAge = 0, storage, discard, duplicates } = limitsOf(address)
  return {
    name,
    subjects: [address.subject],
    num_replicas: replicas,
    max_bytes: maxBytes,
    max_msgs: maxMessages,
    max_age: maxAge * nanoseconds,
    storage: storage === 'memory' ? StorageType.Memory : StorageType.File,
    discard: discard === 'old' ? DiscardPolicy.Old : DiscardPolicy.New,
    ...(duplicates !== undefined && { duplicate_window: duplicates * nanoseconds }),
  }
}

/** What was asked for and is not so would be missed when it is needed. */
function compare(address: NatsAddress, config: StreamConfig): void {
  const { replicas, maxBytes, maxMessages, maxAge, storage, discard, duplicates } = limitsOf(address)
  const rows: readonly (readonly [string, unknown, unknown, (value: never) => string])[] = [
    ['replicas', replicas, config.num_replicas, String],
    ['max-bytes', maxBytes, config.max_bytes, exactBytes],
    ['max-messages', maxMessages, config.max_msgs, String],
    ['max-age', maxAge, config.max_age / nanoseconds, exactDuration],
    ['storage', storage, config.storage, String],
    ['discard', discard, config.discard, String],
    ['duplicates', duplicates, config.duplicate_window / nanoseconds, exactDuration],
  ]
  for (const [key, asked, is, show] of rows) {
    if (asked === undefined || asked === is) continue
    const found = typeof is === 'number' && is <= 0 ? 'no limit' : show(is as never)
    const remedy = 'change the stream, or leave that out of create='
    throw natsError(
      address,
      `stream ${config.name} exists with ${key} ${found}, not ${show(asked as never)}; ${remedy}`,
    )
  }
}

function warningOf(config: StreamConfig): string | undefined {
  const { name, discard, max_bytes, max_msgs, max_msgs_per_subject, max_age, retention, storage } = config
  const reasons: string[] = []
  const isBounded = [max_bytes, max_msgs, max_msgs_per_subject].some(limit => limit > 0)
  if (discard === DiscardPolicy.Old && isBounded)
    reasons.push('drops its oldest messages when it is full (discard old)')
  if (max_age > 0) reasons.push(`drops messages that are older than ${formatDuration(max_age / nanoseconds)}`)
  if (retention === RetentionPolicy.Interest)
    reasons.push('drops messages that no consumer waits for (retention interest)')
  if (storage === StorageType.Memory) reasons.push('is in memory, and is lost with its servers')
  return reasons.length === 0 ? undefined : `stream ${name} ${reasons.join(', and ')}`
}

/** Whether a subject with wildcards has all of another one. */
export function covers(pattern: string, subject: string): boolean {
  const words = subject.split('.')
  const parts = pattern.split('.')
  for (const [i, part] of parts.entries()) {
    if (part === '>') return words.length > i
    const word = words[i]
    if (word === undefined || word === '>' || (part !== word && part !== '*')) return false
  }
  return words.length === parts.length
}
