/** A description of a pipeline: its streams as a connection would create them, but without a byte. */
import { defaultMaxRecord } from '../formats/records.js'
import type { ConnectionInfo } from './context.js'
import type { Step } from './fuse.js'
import { partsOf } from './parts.js'
import { plan } from './plan.js'
import type { Transforms } from './transforms.js'

/** One stream of a pipeline. Several stages in it are fused. */
export interface StreamDescription {
  /** Its stages and the codecs between them, in order. */
  readonly steps: readonly Step[]
  /** The bytes after which its input waits, and those after which its output waits. */
  readonly buffers: { readonly input: number; readonly output: number }
}

export interface PipelineDescription {
  readonly streams: readonly StreamDescription[]
  /** Whether the output consists of lines. */
  readonly makesLines: boolean
  /** The maximum length of a line or a JSON value in bytes, if something decodes them. */
  readonly maxRecord: number | undefined
}

/** Plans the stages of a connection, describes the plan and discards it. A stage opens nothing before its first byte. */
export function describePipeline(
  transforms: Transforms | undefined,
  connection: ConnectionInfo,
  maxRecord = defaultMaxRecord,
): PipelineDescription {
  const steps: Step[][] = []
  const { streams, makesLines } = plan(transforms ? partsOf(transforms(connection)) : [], {
    connection,
    maxRecord,
    steps,
  })
  for (const stream of streams) stream.on('error', () => {}).destroy()
  return {
    streams: streams.map(({ writableHighWaterMark, readableHighWaterMark }, i) => ({
      steps: steps[i] as Step[],
      buffers: { input: writableHighWaterMark, output: readableHighWaterMark },
    })),
    makesLines,
    maxRecord: steps.flat().some(({ kind }) => kind === 'decode') ? maxRecord : undefined,
  }
}
