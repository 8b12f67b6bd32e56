/** How a law runs the samples. */
import { createHash } from 'node:crypto'
import { type Duplex, Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { lazyStream } from '../../lib/stages/compose.js'
import { openContext } from '../../lib/stages/context.js'
import type { Definition } from '../../lib/stages/define.js'
import { plan } from '../../lib/stages/plan.js'
import { parse } from '../../lib/stages/spec.js'
import type { Recipe } from '../../lib/stages/stage.js'
import { errorCode } from '../../lib/text/errors.js'
import { samples } from './samples.js'
import { all, connection, possible } from './support.js'

export const mebibyte = 2 ** 20
export const large = 1.25 * mebibyte

const dir = t.testdir()
let files = 0

/** A log that nobody reads. */
const log = pino({ level: 'trace', base: null, timestamp: false }, { write: () => {} })

/** The stages of a spec in surroundings of their own. */
export function make(text: string): { stream: Duplex; signal: AbortSignal } {
  const { context } = openContext({ log, connection })
  return { stream: lazyStream(recipesOf(text).map(recipe => ({ ...recipe, context }))), signal: context.signal }
}

/** The first stream that a connection has for a spec. */
export function firstStream(text: string): Duplex | undefined {
  return plan(recipesOf(text), { log, connection }).streams[0]
}

function recipesOf(text: string): Recipe[] {
  return parse(text.replace('FILE', `${dir}/${files++}`), all)
}

/** What a run came to: its output, or the code of its error. A large output is told by its hash. */
export async function outcome(text: string, chunks: Iterable<Buffer>, { slowly = false } = {}): Promise<string> {
  return drain(source(chunks), make(text).stream, slowly)
}

export async function drain(from: Readable, stream: Duplex, slowly = false): Promise<string> {
  const hash = createHash('sha256')
  const sink = new Writable({
    highWaterMark: 1,
    async write(chunk, _encoding, callback) {
      hash.update(chunk)
      if (slowly) await setImmediate()
      callback()
    },
  })
  return pipeline(from, stream, sink).then(
    () => hash.digest('hex'),
    error => errorCode(error) ?? String(error),
  )
}

export function source(chunks: Iterable<Buffer>): Readable {
  return Readable.from(chunks, { objectMode: false, highWaterMark: 1 })
}

export function definitions(): Definition[] {
  return Object.values(all).map(({ definition }) => definition)
}

/** The law for each sample of each transform. */
export function law(title: string, check: (t: Test, sample: (typeof samples)[string][number]) => Promise<void>): void {
  t.test(title, async t => {
    for (const sample of Object.values(samples).flat())
      await t.test(sample.spec, possible(sample.spec), t => check(t, sample))
  })
}
