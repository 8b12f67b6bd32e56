/** The publisher over a link of the test's own; `sink.test.ts` has it over a real server. */
import { errors } from '@nats-io/transport-node'
import t from 'tap'
import { parseAddress } from '../../../../lib/endpoints/address.js'
import type { NatsAddress } from '../../../../lib/endpoints/nats/address.js'
import { Publisher } from '../../../../lib/endpoints/nats/publisher.js'

t.test('while the stream cannot be asked, a message is tried again', async t => {
  const answers = [new errors.TimeoutError(), { duplicate: true }]
  const looks: unknown[] = []
  const link = {
    client: {
      async publish() {
        const answer = answers.shift()
        if (answer instanceof Error) throw answer
        return answer
      },
    },
    manager: {
      streams: {
        async info(name: string) {
          looks.push(name)
          throw new errors.TimeoutError()
        },
      },
    },
    connected: async () => {},
  }
  const publisher = new Publisher({
    ...{
      address: parseAddress('nats://h/in.a') as NatsAddress,
      link: link as never,
      connection: 'c',
      session: undefined,
    },
    ...{ stream: { name: 'records', window: 120_000, warning: undefined }, inFlight: 10, giveUpAfter: 60_000 },
  })
  const stored = new Promise<void>((resolve, reject) => {
    publisher.onStored = resolve
    publisher.onFailed = reject
  })
  publisher.send({ offset: 0, data: Buffer.from('x') })
  await stored
  t.match(publisher, { kept: 1, retries: 1, duplicates: 1, messages: 1, length: 0 })
  t.same(looks, ['records'])
})
