/** The durable consumer of a source, which remembers on the server what was acknowledged: found and checked, or made. */
import {
  AckPolicy,
  type Consumer,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  type JetStreamManager,
} from '@nats-io/jetstream'
import { exactDuration } from '../../text/quantities.js'
import type { NatsAddress } from './address.js'
import { asked } from './asked.js'
import type { Link } from './connection.js'
import { failure, natsError } from './faults.js'
import { covers, streamOf } from './stream.js'

export interface OpenConsumer {
  readonly consumer: Consumer
  /** Milliseconds after which the server delivers again what is not acknowledged. */
  readonly ackWait: number
  /** The number of messages that may be unacknowledged. */
  readonly maxPending: number
  /** The number of messages that others have got and have not acknowledged. */
  readonly pending: number
  readonly warnings: readonly string[]
}

/** Nanoseconds, as the server counts, in a millisecond. */
const nanoseconds = 1_000_000

const defaultAckWait = 30_000
const defaultMaxPending = 1000

/** Rejects with `ERR_NATS` if there is no stream, or if the consumer is of another kind. */
export function openConsumer(link: Link, address: NatsAddress): Promise<OpenConsumer> {
  return asked(() => open(link, address))
}

async function open({ manager, client }: Link, address: NatsAddress): Promise<OpenConsumer> {
  const stream = await streamOf(manager, address)
  const durable = address.durable as string
  const info = await infoOf(manager, stream, durable, address)
  const { config } = info
  const maxPending = config.max_ack_pending && config.max_ack_pending > 0 ? config.max_ack_pending : defaultMaxPending
  return {
    consumer: await client.consumers.get(stream, durable),
    ackWait: (config.ack_wait as number) / nanoseconds, // the server says its own default, too
    maxPending: Math.min(maxPending, address.maxPending ?? maxPending),
    pending: info.num_ack_pending,
    warnings: warningsOf(config),
  }
}

async function infoOf(
  manager: JetStreamManager,
  stream: string,
  durable: string,
  address: NatsAddress,
): Promise<ConsumerInfo> {
  try {
    const info = await manager.consumers.info(stream, durable)
    await check(manager, info, address)
    return info
  } catch (error) {
    if ((error as Error).name !== 'ConsumerNotFoundError')
      throw failure(address, `consumer ${durable} of stream ${stream} cannot be looked at`, error)
  }
  const { subject, deliver, ackWait = defaultAckWait, maxPending = defaultMaxPending } = address
  try {
    return await manager.consumers.add(stream, {
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      ack_wait: ackWait * nanoseconds,
      max_ack_pending: maxPending,
      deliver_policy: deliver === 'new' ? DeliverPolicy.New : DeliverPolicy.All,
      ...(subject && { filter_subject: subject }),
    })
  } catch (error) {
    throw failure(address, `consumer ${durable} of stream ${stream} cannot be made`, error)
  }
}

async function check(manager: JetStreamManager, info: ConsumerInfo, address: NatsAddress): Promise<void> {
  const { config, name, stream_name } = info
  const refuse = (words: string) => {
    const remedy = 'take another durable=, or remove the consumer'
    throw natsError(address, `consumer ${name} of stream ${stream_name} exists, and ${words}; ${remedy}`)
  }
  if (config.deliver_subject) refuse('is a push consumer, not a pull one')
  if (config.ack_policy !== AckPolicy.Explicit) refuse(`acknowledges '${config.ack_policy}', not explicitly`)
  const ackWait = (config.ack_wait as number) / nanoseconds
  if (address.ackWait !== undefined && address.ackWait !== ackWait)
    refuse(`has ack-wait ${exactDuration(ackWait)}, not ${exactDuration(address.ackWait)}`)
  const { subject } = address
  const filters = filtersOf(config)
  if (subject === '' || (filters.length === 1 && filters[0] === subject)) return
  const read = filters.length > 0 ? filters : await subjectsOf(manager, info)
  if (filters.length > 0 || !read.every(each => covers(subject, each)))
    refuse(`reads ${read.join(', ')}, not ${subject}`)
}

function filtersOf({ filter_subject, filter_subjects }: ConsumerConfig): string[] {
  return filter_subjects ?? (filter_subject ? [filter_subject] : [])
}

async function subjectsOf(manager: JetStreamManager, { stream_name }: ConsumerInfo): Promise<string[]> {
  const { config } = await manager.streams.info(stream_name)
  return config.subjects ?? []
}

function warningsOf({ max_deliver }: ConsumerConfig): string[] {
  if (!max_deliver || max_deliver < 0) return []
  return [`the consumer delivers a message at most ${max_deliver} times: one that is not kept by then is lost`]
}
