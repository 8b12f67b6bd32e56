/** What `from`, `to`, `output` and a stage may be, as the compiler sees it. Nothing here is run. */
import { PassThrough, Readable } from 'node:stream'
import type { Connection } from '../../lib/index.js'
import { compose, eachLine, type SendOptions, type ServeOptions, type SourceInput } from '../../lib/index.js'

/** Compiles if both are the same type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <_T extends true>() => {}

const sources: SourceInput[] = [
  Readable.from(['x']),
  new PassThrough() as NodeJS.ReadableStream,
  new Blob(['x']).stream(),
  new Response('x').body ?? 'x',
  new Blob(['x']),
  ['x', Buffer.from('x'), new Uint8Array(1), new DataView(new ArrayBuffer(1)), new ArrayBuffer(1)],
  (function* () {
    yield 'x'
  })(),
  (async function* () {
    yield Buffer.from('x')
  })(),
  new Set(['x']),
  'x',
  Buffer.from('x'),
  new Uint8Array(1),
  new ArrayBuffer(1),
]
// @ts-expect-error a number
sources.push(1)
// @ts-expect-error numbers
sources.push([1])

export const sends: SendOptions[] = [
  ...sources.map(from => ({ from })),
  { output: new WritableStream() },
  { output: new PassThrough() },
]
// @ts-expect-error a number
sends.push({ output: 3 })

export const serves: ServeOptions[] = [
  { from: () => 'x' },
  { from: async () => new Blob(['x']) },
  { to: new WritableStream() },
  { to: () => new WritableStream() },
  { to: async () => new PassThrough() },
  { to: () => ({ port: 1 }) },
  { to: async ({ id }) => `unix:${id}` },
  { transforms: () => new CompressionStream('gzip') },
  { transforms: () => [new TextDecoderStream(), eachLine(line => line)] },
  { onConnection: (connection: Connection) => void connection.closed },
]
// @ts-expect-error one source for all connections
serves.push({ from: 'x' })

compose(new DecompressionStream('gzip'), chunk => {
  same<Same<typeof chunk, Buffer>>()
  return chunk
})
compose(new TextDecoderStream(), chunk => {
  same<Same<typeof chunk, Buffer>>()
  return chunk
})
