/** What `explain pipe` shows. */
import type { Command } from 'commander'
import { can } from '../lib/endpoints/address.js'
import { defaultTimes } from '../lib/endpoints/endpoint.js'
import { usesTls } from '../lib/endpoints/tls/contexts.js'
import { nameOf } from '../lib/pipe/ends.js'
import type { PipeOptions, PipePlan } from '../lib/pipe/options.js'
import type { Options } from './pipe-options.js'
import { type Facts, originOf } from './plan.js'
import { tlsFacts } from './tls-facts.js'

export function pipeFacts(
  command: Command,
  options: Options,
  { transforms, replyTransforms, maxRecord }: PipeOptions,
  { from, to, isBothWays }: PipePlan,
): Facts {
  const [source, sink] = [nameOf(from, 'stdin'), nameOf(to, 'stdout')]
  const back = { from: to.scheme === 'stdio' ? 'stdin' : sink, to: from.scheme === 'stdio' ? 'stdout' : source }
  const dials = [from, to].some(each => can('dial', each))
  return {
    endpoints: [
      { name: 'from', value: source, origin: 'line' },
      { name: 'to', value: sink, origin: originOf(command, 'to', 'output') },
      {
        name: 'directions',
        value: isBothWays ? 'both; an end of one is the end of that one only' : 'one',
        origin: originOf(command, 'oneWay'),
      },
      ...tlsFacts(command, options, undefined, usesTls(from) ? from : to),
    ],
    directions: [
      { name: 'forward', from: source, to: sink, transforms, maxRecord, origin: originOf(command, 'transform') },
      ...(isBothWays
        ? [
            {
              ...{ name: 'reply' as const, ...back, transforms: replyTransforms, maxRecord },
              origin: originOf(command, 'replyTransform'),
            },
          ]
        : []),
    ],
    defaults: {
      idleTimeout: 0,
      ...(dials && { retry: 0, connectTimeout: defaultTimes.connect }),
      ...([from, to].some(usesTls) && { handshakeTimeout: defaultTimes.handshake }),
    },
  }
}
