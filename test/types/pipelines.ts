/** What the compiler infers of the stages that `serve`, `send`, `proxy` and `use` are given. Nothing here is run. */
import { createGunzip } from 'node:zlib'
import { type ProxyServer, proxy } from '../../lib/proxy.js'
import type { SendOptions } from '../../lib/send/options.js'
import { send } from '../../lib/send.js'
import { type ServeOptions, serve } from '../../lib/serve.js'
import type { ConnectionInfo } from '../../lib/stages/context.js'
import type { Stage } from '../../lib/stages/stage.js'
import type { Transforms } from '../../lib/stages/transforms.js'
import { grep, gunzip, hex, loadSpec, spec } from '../../transforms/index.js'

/** Compiles if both are the same type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <_T extends true>() => {}
const lines = () => grep({ pattern: /x/ })

// What a stage receives, wherever its function is written.
void serve({ transforms: () => [lines(), line => line.toUpperCase()] })
void serve({
  port: 0,
  transforms: () => [
    lines(),
    line => {
      same<Same<typeof line, string>>()
      return line.length
    },
    async length => {
      same<Same<typeof length, number>>()
      return [length]
    },
    numbers => {
      same<Same<typeof numbers, number[]>>()
      return numbers
    },
    createGunzip(),
    chunk => {
      same<Same<typeof chunk, Buffer>>()
      return chunk
    },
  ],
  from: () => createGunzip(),
  replyTransforms: () => {
    return [
      lines(),
      line => {
        same<Same<typeof line, string>>()
        return line.length
      },
      length => {
        same<Same<typeof length, number>>()
        return length
      },
    ]
  },
})
void send({
  transforms: () => [
    chunk => {
      same<Same<typeof chunk, Buffer>>()
      return chunk.length
    },
    length => {
      same<Same<typeof length, number>>()
      return length
    },
  ],
  replyTransforms: () => [lines(), line => line.toUpperCase(), line => line.length],
})
void proxy({
  to: { port: 1 },
  transforms: () => [lines(), line => line.toUpperCase()],
  replyTransforms() {
    return [lines(), line => line.toUpperCase(), line => line.length]
  },
})
async function change({ forward, reply }: ProxyServer) {
  await reply.use(() => [lines(), line => line.toUpperCase(), line => line.length])
  await forward.use(() => {
    return [lines(), line => line.toUpperCase()]
  })
  await forward.use(spec('hex'))
  await forward.use(() => hex())
  // @ts-expect-error lines, not numbers
  await forward.use(() => [lines(), (n: number) => n])
}
void change
void serve({
  transforms: (info: ConnectionInfo) => [
    lines(),
    line => {
      same<Same<typeof line, string>>()
      return `${info.remote} ${line}`
    },
  ],
})
// Without its type the function is inferred as a whole, and what the stages receive is left open.
void serve({ transforms: ({ remote }) => [lines(), line => `${remote} ${line}`] })

void serve({
  transforms: () => [
    lines(),
    {
      write(line) {
        same<Same<typeof line, string>>()
        return line.length
      },
      flush: () => 0,
    },
    length => {
      same<Same<typeof length, number>>()
      return length
    },
  ],
})

// One stage.
void serve({ transforms: () => hex() })
void serve({
  transforms: () => chunk => {
    same<Same<typeof chunk, Buffer>>()
    return chunk
  },
})
void serve({ transforms: () => ({ write: (chunk: Buffer) => chunk }) })

// What makes any number of stages.
declare const stages: Stage[]
declare const frozen: readonly Stage[]
declare const make: () => Stage[]
declare const makeOne: () => Stage
declare const transforms: Transforms
declare const options: ServeOptions & SendOptions
declare const isZipped: boolean
void serve({ transforms: () => [], replyTransforms: () => stages })
void serve({ transforms: make, replyTransforms: makeOne })
void serve({ transforms, replyTransforms: undefined })
void serve({ transforms: spec('gunzip | hex'), replyTransforms: await loadSpec('gunzip') })
void serve({ transforms: () => frozen, replyTransforms: () => [...spec('gunzip')(), hex()] })
void serve({ transforms: () => [gunzip(), ...stages], replyTransforms: () => (isZipped ? [gunzip(), lines()] : []) })
void serve({ transforms: () => [hex(), hex(), hex(), hex(), hex(), hex(), hex(), hex(), lines(), hex(), hex()] })
void serve(options)
void send({ ...options, transforms })
const kept: Transforms = () => [lines(), (line: string) => line]
void kept
function logged<S extends Stage>(stage: S) {
  return serve({ transforms: () => [stage, hex()] })
}
void logged

// @ts-expect-error lines, not numbers
void serve({ transforms: () => [lines(), (n: number) => n] })
// @ts-expect-error bytes at the start, not lines
void serve({ transforms: () => [(line: string) => line] })
// @ts-expect-error a text is no stage
void serve({ transforms: () => ['hex'] })
// @ts-expect-error an array instead of a function
void serve({ transforms: [hex()] })
// @ts-expect-error a number is no stage
void send({ replyTransforms: () => 7 })
// @ts-expect-error an option that there is not
void serve({ transforms: () => [hex()], prot: 1 })
