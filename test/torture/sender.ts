/** A sender of the torture: takes orders, and tells what has become of them. */
import { createReadStream } from 'node:fs'
import { PassThrough, Readable } from 'node:stream'
import { Link } from '../../lib/endpoints/session/link.js'
import { type SendOptions, send, transferLinks } from '../../lib/index.js'
import { letClockJump } from './clock.js'
import { mask } from './mask.js'
import type { Receipted, SendOrder, Sent } from './orders.js'

letClockJump()

/** How many of the next digests are wrong. */
let wrong = 0

const proper = Link.prototype.send
Link.prototype.send = function (type, offset, facts) {
  const sha256 = (facts as { sha256?: string } | undefined)?.sha256
  if (!sha256 || type === 'welcome' || wrong === 0) return proper.call(this, type, offset, facts)
  wrong--
  return proper.call(this, type, offset, {
    ...facts,
    sha256: sha256.replace(/^./, digit => (digit === '0' ? '1' : '0')),
  })
}

async function carryOut({ base, port, certificate, pieces, isMasked, wrong: digests }: SendOrder): Promise<Sent> {
  wrong = digests
  const links = transferLinks()
  const sent: (Receipted | { error: string })[] = []
  for (const { name, path, offset, size } of pieces) {
    const stream = () =>
      size > 0 ? createReadStream(base, { start: offset, end: offset + size - 1 }) : Readable.from([])
    const options: SendOptions & { reliable: true } = {
      ...{
        reliable: true,
        port,
        name,
        links,
        output: new PassThrough().resume(),
        from: path ? { scheme: 'file', path } : stream(),
      },
      ...{ linkTimeout: 1000, giveUpAfter: 30_000, retry: 60, retryInterval: 200 },
      ...(certificate && { tls: { ca: certificate, serverName: 'localhost' } }),
      ...(isMasked && { transforms: () => [mask()] }),
      ...(path && { resumeKey: 'torture' }),
    }
    try {
      const { bytes, sha256, written, reconnects } = await send(options)
      sent.push({ bytes, sha256, written, reconnects })
    } catch (error) {
      sent.push({ error: (error as Error).message })
    }
  }
  links.end()
  return sent
}

process.once('disconnect', () => process.exit())
process.on('message', async (order: SendOrder) => process.send?.(await carryOut(order)))
process.send?.('ready')
