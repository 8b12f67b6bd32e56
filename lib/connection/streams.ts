/** The streams of a connection, which are destroyed when it fails. */
import type { Duplex, Readable, Writable } from 'node:stream'
import type { ConnectionInfo, Logger } from '../stages/context.js'
import { partsOf } from '../stages/parts.js'
import { type Plan, plan } from '../stages/plan.js'
import type { Transforms } from '../stages/transforms.js'
import type { RunMeter } from '../stats/meter.js'
import type { FaultNote } from '../stats/summary.js'
import { blame } from '../text/blame.js'
import { errorCode } from '../text/errors.js'
import { fail } from './failure.js'
import type { ConnectionState } from './state.js'

/** Lists at most the first hundred faults. */
const mostFaults = 100

/** Creates the streams of stages, for one direction. */
export function prepare(
  state: ConnectionState,
  log: Logger | undefined,
  transforms: Transforms,
  connection: ConnectionInfo,
): Plan {
  const { warnings, faults, maxRecord } = state
  const warn = (message: string) => void warnings.push(message)
  const noteFault = (fault: FaultNote) => {
    if (faults.length < mostFaults) faults.push(fault)
    state.observer?.faulted(state.identity, fault)
  }
  const planned = plan(partsOf(transforms(connection)), { log, connection, warn, noteFault, maxRecord })
  for (const [i, stream] of planned.streams.entries()) {
    state.streams = [...state.streams, stream]
    // An error after the end of its output counts, too; but `pipeline` itself destroys a stream that is not done by then.
    stream.on('error', error => {
      const code = errorCode(error)
      if (!state.failure && !consequences.includes(code)) blame(error, nameOf(planned, i))
      if (code !== 'ERR_STREAM_DESTROYED') fail(state, error)
    })
  }
  return planned
}

/** Errors of another stream. */
const consequences: (string | undefined)[] = ['ERR_STREAM_DESTROYED', 'ERR_STREAM_PREMATURE_CLOSE']

/** The name of the stage that is a stream of its own; undefined for several ones. */
function nameOf({ meters }: Plan, i: number): string | undefined {
  const { stages } = meters[i] as RunMeter
  return stages.length === 1 ? stages[0]?.name : undefined
}

/** Destroys the stream when the connection fails. Its transfer reports its errors and may have ended before. */
export function adopt(state: ConnectionState, stream: Readable | Writable): void {
  state.streams = [...state.streams, stream.on('error', () => {})]
}

/** Drops the streams of stages that are finished. */
export function forget(state: ConnectionState, plan: Plan): void {
  state.streams = state.streams.filter(stream => !plan.streams.includes(stream as Duplex))
}
