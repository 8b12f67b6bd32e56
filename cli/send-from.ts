/** `send --from` and `send --follow`: a pipe from one end to the peer, one way. */
import type { Command } from 'commander'
import { defaultPort } from '../lib/endpoints/address.js'
import { TcpPipeError } from '../lib/text/errors.js'
import { pipePlan } from './pipe.js'
import type { Plan } from './plan.js'
import type { Options } from './send-options.js'
import { loadStages } from './stages.js'
import { readSendTls } from './tls.js'

export async function sendFrom(command: Command, options: Options, files: readonly string[]): Promise<Plan> {
  check(options, files)
  const { to = { scheme: 'tcp', host: '127.0.0.1', port: defaultPort } as const, from, connectTimeout } = options
  const { handshakeTimeout, idleTimeout, retry, retryInterval, maxRecord } = options
  const transforms = await loadStages(options.transform)
  const tls = await readSendTls(options, to)
  return pipePlan(command, options, {
    from: from ?? { scheme: 'file', path: files[0] as string, follow: true },
    ...{ to, oneWay: true, transforms, connectTimeout, handshakeTimeout, idleTimeout, retry, retryInterval, maxRecord },
    ...(typeof tls === 'object' && { targetTls: tls }),
  })
}

/** What has no effect would be relied on: nothing comes back, and what is sent has no end that is known. */
function check(options: Options, files: readonly string[]): void {
  const name = options.from ? '--from' : '--follow'
  const { from, follow, reliable, receiveOnly, replyTransform, onEof, onPeerEnd, wait, size, ui, bind, maxDuration } =
    options
  const rivals = {
    ...{ '--follow': from && follow, '--reliable': reliable, '--receive-only': receiveOnly, '--bind': bind },
    ...{ '--reply-transform': replyTransform, '--on-eof': onEof, '--on-peer-end': onPeerEnd, '--wait': wait },
    ...{
      '--size': size,
      '--ui': ui,
      '--max-duration': maxDuration,
      '--tls': options.tls,
      '-4': options[4],
      '-6': options[6],
    },
  }
  const [rival] = Object.entries(rivals).find(([, given]) => given !== undefined && given !== false) ?? []
  if (rival === '--tls') fault(`${name} and --tls exclude each other; use --to tls://…`)
  if (rival) fault(`${name} and ${rival} exclude each other`)
  if (from && files.length > 0) fault(`--from and file '${files[0]}' exclude each other: the data comes from one place`)
  if (!from && (files.length !== 1 || files[0] === '-')) fault('--follow needs one file')
}

function fault(message: string): never {
  throw new TcpPipeError('ERR_OPTION', message)
}
