/** What `explain serve` shows. */
import type { Command } from 'commander'
import { formatAddress } from '../lib/endpoints/address.js'
import type { ServeOptions, ServePlan } from '../lib/serve.js'
import { defaultKeep } from '../lib/ui.js'
import { alsoWords } from './also-options.js'
import { type DirectionPlan, type Fact, type Facts, originOf } from './plan.js'
import { proxyProtocolDefaults } from './proxy-protocol-options.js'
import type { Options } from './serve-options.js'
import { serverDefaults } from './server-options.js'
import { tlsFacts } from './tls-facts.js'

export function serveFacts(command: Command, options: Options, given: ServeOptions, plan: ServePlan): Facts {
  const { address, target, limits } = plan
  const { maxRecord, reply, output = '-' } = options
  const to = reply ? 'client' : target ? formatAddress(target) : output === '-' ? 'stdout' : output
  const source = sourceOf(options)
  return {
    endpoints: [
      { name: 'listen', value: formatAddress(address), origin: given.listen ? 'line' : 'default' },
      { name: 'sink', value: to, origin: originOf(command, 'output', 'to', 'reply', 'chat') },
      ...(options.also ?? []).map(each => {
        return { name: 'further sink', value: alsoWords(each), origin: originOf(command, 'also') }
      }),
      ...(source ? sourceFacts(command, options, source) : [endOfInput(options, plan)]),
      ...tlsFacts(command, options, address, target),
    ],
    directions: [
      {
        ...{ name: 'forward', from: 'client', to, transforms: given.transforms, maxRecord },
        origin: originOf(command, 'transform', 'label'),
      },
      ...(source ? [replyDirection(command, options, given, source)] : []),
    ],
    defaults: {
      ...serverDefaults(limits, address, target?.scheme === 'file' ? undefined : target),
      ...(options.ui && defaultKeep),
      ...proxyProtocolDefaults(options),
    },
  }
}

/** What a client gets, if not the result. */
function sourceOf({ from, chat }: Options): string | undefined {
  return chat || from === '-' ? 'stdin' : from
}

function endOfInput({ reply }: Options, { target }: ServePlan): Fact {
  const sink = reply
    ? 'its end'
    : target?.scheme === 'file' || !target
      ? 'the sink has taken everything'
      : "the target's end"
  return { name: 'end of input', value: `the client is ended after ${sink}`, origin: 'default' }
}

/** Where there is a source, its end is that of our side. */
function sourceFacts(command: Command, { chat, onEof, onPeerEnd }: Options, source: string): Fact[] {
  const facts: Fact[] = [
    { name: 'source', value: source, origin: originOf(command, 'from', 'chat') },
    { name: 'end of the source', value: endOfSource(chat, onEof), origin: originOf(command, 'onEof', 'chat') },
    {
      name: 'end of the client',
      value: onPeerEnd === 'stop' ? 'the rest of the source is not sent' : 'the rest of the source is sent',
      origin: originOf(command, 'onPeerEnd'),
    },
  ]
  const clients = { name: 'clients', value: 'one at a time; what is typed between two is sent to the next' } as const
  return chat ? [...facts, { ...clients, origin: originOf(command, 'chat') }] : facts
}

function endOfSource(chat: Options['chat'], onEof: Options['onEof']): string {
  if (!chat) return onEof === 'keep' ? "our side stays open until the client's end" : 'our side ends'
  return process.stdin.isTTY ? 'our side ends; the next client is taken' : 'our side ends; no further client is taken'
}

function replyDirection(
  command: Command,
  { maxRecord }: Options,
  { replyTransforms }: ServeOptions,
  from: string,
): DirectionPlan {
  const origin = originOf(command, 'replyTransform')
  return { name: 'reply', from, to: 'client', transforms: replyTransforms, maxRecord, origin }
}
