/** The example of docs/protocol.md is what two sides of a session send. */
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { relay } from '../lib/endpoints/session/relay.js'
import { dialled, sessionListener } from '../lib/endpoints/session/sessions.js'
import { closed } from '../lib/network.js'
import { read } from './support.js'

/** The bytes of each direction of a transfer of six bytes. */
async function exchange(t: Test): Promise<Record<'up' | 'down', string>> {
  const sent = { up: [] as Buffer[], down: [] as Buffer[] }
  const listener = await sessionListener(t, { linkTimeout: 0 })
  const path = await relay(t, listener.port, (_link, direction, bytes) => {
    sent[direction].push(bytes)
    return bytes
  })
  const reading = listener.leg().then(({ stream }) => void stream.resume().once('end', () => stream.end()))
  const near = await dialled(t, path.port, {
    ...{ kind: 'transfer', name: 'a.txt', size: 6, linkTimeout: 0 },
    ...{
      id: '00112233445566778899aabbccddeeff',
      secret: 'ffeeddccbbaa99887766554433221100',
      group: '0123456789abcdef'.repeat(2),
    },
  })
  await reading
  near.stream.resume().end('hello\n')
  await once(near.stream, 'end')
  await Promise.all([closed(near.stream), closed((await listener.leg()).stream)])
  return { up: Buffer.concat(sent.up).toString('hex'), down: Buffer.concat(sent.down).toString('hex') }
}

/** The bytes of a hex dump: an offset, then pairs of digits up to two spaces. */
function bytesOf(dump: string): string {
  return [...dump.matchAll(/^[0-9a-f]{8} {2}((?:[0-9a-f]{2} ?)+)/gm)]
    .map(match => (match[1] as string).replace(/\s/g, ''))
    .join('')
}

t.test('the example of docs/protocol.md is what is sent', async t => {
  const sent = await exchange(t)
  if (process.env.SHOW) process.stdout.write(`${JSON.stringify(sent)}\n`)
  const text = read('docs/protocol.md')
  for (const [direction, title] of [
    ['up', 'dialler'],
    ['down', 'listener'],
  ] as const) {
    const [, section] = text.split(`### The ${title} sends\n`) as [string, string]
    t.equal(bytesOf((section as string).split('\n### ')[0]?.split('\n## ')[0] as string), sent[direction], title)
  }
})
