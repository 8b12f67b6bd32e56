/** Runs stages between given chunks and a reader. */
import { type Duplex, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { toParts } from '../../lib/stages/parts.js'
import { type Plan, type PlanOptions, plan } from '../../lib/stages/plan.js'
import type { Stage } from '../../lib/stages/stage.js'
import fc from '../fast-check.js'

export type Input = string | Buffer | Iterable<string | Buffer>

export interface Ran extends Plan {
  /** What had come when it ended. */
  chunks: Buffer[]
  text: string
  error: unknown
}

/** Source → stages → reader, as `serve` and `send` make it. Never rejects. */
export async function run(stages: readonly Stage[], input: Input, options?: PlanOptions): Promise<Ran> {
  const planned = plan(stages.flatMap(toParts), options)
  const chunks: Buffer[] = []
  const read = async (output: AsyncIterable<Buffer>) => {
    for await (const chunk of output) chunks.push(chunk)
  }
  const error = await pipeline([source(input), ...planned.streams, read] as never).catch((error: unknown) => error)
  return { ...planned, chunks, text: Buffer.concat(chunks).toString(), error }
}

/** The text that stages make of an input; rejects with their error. */
export async function textOf(stages: readonly Stage[], input: Input, options?: PlanOptions): Promise<string> {
  const { text, error } = await run(stages, input, options)
  if (error !== undefined) throw error
  return text
}

/** The error that stages end with. */
export async function errorOf(stages: readonly Stage[], input: Input, options?: PlanOptions): Promise<unknown> {
  return (await run(stages, input, options)).error
}

export function source(input: Input): Readable {
  const chunks = typeof input === 'string' || Buffer.isBuffer(input) ? [input] : input
  const filled = [...chunks].filter(chunk => chunk.length > 0).map(chunk => Buffer.from(chunk as string))
  return Readable.from(filled, { objectMode: false })
}

/** The bytes in chunks of `size`. */
export function cutEvery(size: number, bytes: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
}

/** The bytes in chunks that end at the positions. */
export function cutAt(positions: readonly number[], bytes: Buffer): Buffer[] {
  const ends = [...positions].map(position => position % (bytes.length + 1)).sort((a, b) => a - b)
  return [...ends, bytes.length].map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
}

/** Where an arbitrary cutting cuts, for `cutAt`. */
export const cuts = fc.array(fc.nat(), { maxLength: 12 })

export function planned(stages: readonly Stage[], options?: PlanOptions): Plan {
  return plan(stages.flatMap(toParts), options)
}

/** The only stream of stages that are fused. */
export function fused(stages: readonly Stage[], options?: PlanOptions): Duplex {
  return planned(stages, options).streams[0] as Duplex
}

/** What `value` is when it has stopped to change: all that can run without the reader has run. */
export async function settled(value: () => number): Promise<number> {
  for (let same = 0, last = value(); same < 50; last = value()) {
    await new Promise(resolve => setImmediate(resolve))
    same = value() === last ? same + 1 : 0
  }
  return value()
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes that somebody still has, in the heap and in buffers. */
export function memoryInUse(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
