/** Runs stages that make faults, and tells what they did. */

import type { Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { Test } from 'tap'
import type { Connection } from '../../lib/connection/connection.js'
import { proxy } from '../../lib/proxy.js'
import { serve } from '../../lib/serve.js'
import type { ConnectionInfo } from '../../lib/stages/context.js'
import { plan } from '../../lib/stages/plan.js'
import { parse } from '../../lib/stages/spec.js'
import type { Summary } from '../../lib/stats/summary.js'
import { errorMessage } from '../../lib/text/errors.js'
import { registry, spec } from '../../transforms/spec.js'
import fc from '../fast-check.js'
import { connection, memoryLog } from '../laws/support.js'
import { clientOf, listener, memorySink, outcome, portOf } from './network.js'
import { cutAt, cuts, type Input, source } from './pipes.js'

export interface Faulty {
  data: Buffer
  text: string
  /** The message of what it failed with. */
  error: string | undefined
  /** Where faults came, as they were logged. */
  offsets: number[]
  warnings: string[]
}

/** The stages of a spec between an input and a reader that takes everything. */
export async function faulty(text: string, input: Input, info: ConnectionInfo | null = connection): Promise<Faulty> {
  const { log, lines } = memoryLog()
  const warnings: string[] = []
  const sink = memorySink()
  const warn = (message: string) => void warnings.push(message)
  const { streams } = plan(parse(text, registry), { log, connection: info ?? undefined, warn })
  const error = await pipeline([source(input), ...streams, sink] as never).then(() => undefined, errorMessage)
  const { data } = sink
  const offsets = lines.filter(({ msg }) => msg === 'fault').map(({ offset }) => offset as number)
  return { data, text: String(data), error, offsets, warnings }
}

/** The options of a trigger, as they are written, and for some of them a part of the stage's own. */
const triggers = fc.oneof(
  fc.constant(''),
  fc.nat(300).map(after => `after=${after}`),
  fc
    .record({ on: fc.constantFrom('a', 'ab', 'aba', '\\0'), nth: fc.integer({ min: 1, max: 5 }) })
    .map(({ on, nth }) => `on='${on}' nth=${nth}`),
  fc
    .record({ on: fc.constantFrom('a', 'ab', 'aba', '\\0'), after: fc.nat(100) })
    .map(({ on, after }) => `on='${on}' after=${after}`),
  fc
    .record({ on: fc.constantFrom('a', 'bb'), seed: fc.nat(9) })
    .map(({ on, seed }) => `on=${on} probability=0.2 seed=${seed}`),
  fc
    .record({ seed: fc.nat(9), block: fc.integer({ min: 1, max: 50 }), after: fc.nat(50) })
    .map(({ seed, block, after }) => `probability=0.1 seed=${seed} block=${block} after=${after}`),
)

/** Any input, any trigger, any cuts: what comes out, the faults, the error and the warnings are the same. */
export async function checkCuts(t: Test, stage: string, block = ''): Promise<void> {
  const letters = fc.array(fc.constantFrom('a', 'b', '\0'), { maxLength: 300 })
  const property = fc.asyncProperty(triggers, letters, cuts, async (trigger, array, places) => {
    const bytes = Buffer.from(array.join(''))
    const seed = trigger.includes('seed=') ? '' : 'seed=1'
    const spec = [stage, trigger, seed, trigger.includes('block=') ? '' : block].join(' ')
    t.same(await faulty(spec, cutAt(places, bytes)), await faulty(spec, [bytes]), spec)
  })
  await fc.assert(property, { numRuns: 60, seed: 1 })
}

/** The same seed gives the same faults; another one, another connection and another direction give others. */
export async function checkSeeds(t: Test, stage: string, bytes: Buffer): Promise<void> {
  const at = async (spec: string, info: ConnectionInfo) => (await faulty(spec, bytes, info)).offsets.join()
  const run = () =>
    Promise.all([
      at(`${stage} seed=1`, connection),
      at(`${stage} seed=2`, connection),
      at(`${stage} seed=1`, { ...connection, number: 2 }),
      at(`${stage} seed=1`, { ...connection, direction: 'forward' }),
    ])
  const results = await run()
  t.equal(new Set(results).size, 4, results.join(' / '))
  t.same(await run(), results)
}

/** What clients see of an echo through a stage, one after the other, and the summaries; they end when all has come back. */
export async function throughEcho(t: Test, text: string, inputs: readonly string[]) {
  const summaries: Promise<Summary>[] = []
  const onConnection = ({ closed }: Connection) => void summaries.push(closed)
  const server = await serve({ port: 0, reply: true, transforms: spec(text), onConnection })
  t.teardown(() => server.close({ drain: 0 }))
  const outcomes: { text: string; ended: boolean; code: string | undefined }[] = []
  for (const input of inputs) {
    const client = clientOf(t, server.address)
    const received = outcome(client)
    client.on('data', () => client.bytesRead === input.length && client.end())
    client.once('end', () => client.end()).write(input)
    const { data, ended, code } = await received
    outcomes.push({ text: String(data), ended, code })
  }
  return { outcomes, summaries: await Promise.all(summaries) }
}

/** A proxy with reply transforms before a server that gives back what it gets, and the sockets of that server. */
export async function proxyWith(t: Test, reply: string) {
  const accepted: Socket[] = []
  const target = await listener(t, socket => void accepted.push(socket.pipe(socket)))
  const ends: Promise<Summary>[] = []
  const link = await proxy({
    port: 0,
    to: { port: portOf(target) },
    replyTransforms: spec(reply),
    onConnection: ({ closed }) => ends.push(closed),
  })
  t.teardown(() => link.close({ drain: 0 }))
  return { link, accepted, ends, client: () => clientOf(t, link.address) }
}
