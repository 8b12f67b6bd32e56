/** What `explain send` shows. */
import type { Command } from 'commander'
import { type Address, formatAddress } from '../lib/endpoints/address.js'
import { defaultTimes } from '../lib/endpoints/endpoint.js'
import { usesTls } from '../lib/endpoints/tls/contexts.js'
import { peerEndPolicy, type SendOptions, waitPolicy } from '../lib/send/options.js'
import { defaultKeep } from '../lib/ui.js'
import { type Facts, originOf } from './plan.js'
import { sessionDefaultsOf } from './reliable-options.js'
import type { Options } from './send-options.js'
import { tlsFacts } from './tls-facts.js'

const ends = {
  'half-close': "our side ends, then the peer's end is awaited",
  keep: "our side stays open until the peer's end",
  close: "our side ends, and the peer's end is awaited for the time of --wait at most",
}

const receipts = 'our side ends, then the receipt is awaited: the receiver has compared and written everything'

const peerEnds = { send: 'the rest of the input is sent', stop: 'the rest of the input is not sent' }

export function sendFacts(
  command: Command,
  options: Options,
  given: SendOptions,
  address: Address,
  files: readonly string[],
): Facts {
  const { receiveOnly, maxRecord } = options
  const isTerminal = process.stdin.isTTY === true && (files.length === 0 || files[0] === '-')
  const from = receiveOnly
    ? 'nothing'
    : files.length > 0
      ? files.map(file => (file === '-' ? 'stdin' : file)).join(', ')
      : 'stdin'
  const to = formatAddress(address)
  return {
    endpoints: [
      { name: 'source', value: from, origin: files.length > 0 ? 'line' : originOf(command, 'receiveOnly') },
      { name: 'peer', value: to, origin: originOf(command, 'to', 'tls') },
      {
        name: 'end of input',
        value: address.scheme === 'reliable' ? receipts : ends[given.onEof ?? 'half-close'],
        origin: originOf(command, 'onEof', 'receiveOnly'),
      },
      {
        name: 'end of the peer',
        value: peerEnds[peerEndPolicy(given, isTerminal)],
        origin: originOf(command, 'onPeerEnd'),
      },
      ...tlsFacts(command, options, undefined, address),
    ],
    directions: [
      { name: 'forward', from, to, transforms: given.transforms, maxRecord, origin: originOf(command, 'transform') },
      {
        name: 'reply',
        from: to,
        to: 'stdout',
        transforms: given.replyTransforms,
        maxRecord,
        origin: originOf(command, 'replyTransform'),
      },
    ],
    defaults: {
      ...{ retry: 0, connectTimeout: defaultTimes.connect, idleTimeout: 0, wait: waitPolicy(given), maxDuration: 0 },
      ...(usesTls(address) && { handshakeTimeout: defaultTimes.handshake }),
      ...sessionDefaultsOf([address], 'transfer'),
      ...(options.ui && defaultKeep),
    },
  }
}
