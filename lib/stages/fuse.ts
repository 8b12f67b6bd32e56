/** Fuses adjacent function stages into one byte-mode Duplex, with codecs between stages of different units. */
import { flushable, many, none } from 'stream-chain/defs.js'
import { areLines, encoder } from '../formats/encoder.js'
import {
  type Batch,
  type BatchFunction,
  decoder,
  type Ending,
  type LineFilter,
  type Rest,
  toBuffer,
  type Unit,
} from '../formats/records.js'
import { type RunMeter, runMeter, type StageMeter, stageMeter } from '../stats/meter.js'
import { type Family, lift } from './lift.js'
import { type Memory, type Output, Run } from './run.js'
import type { FunctionStage } from './stage.js'

/** A step of a stream: a stage, or the codec before or after it. `recode` converts only what is of another unit. */
export interface Step {
  readonly kind: 'stage' | 'decode' | 'encode' | 'recode'
  /** The name of the stage; undefined for a codec. */
  readonly name?: string
  /** What a stage receives, a decoder makes, and an encoder takes; undefined for a stream of bytes of its own. */
  readonly unit?: Unit
}

/** Fuses function stages into one Duplex and its meter. `steps` collects what it consists of. */
export function fuse(
  stages: readonly FunctionStage[],
  maxRecord: number,
  output: Output = 'bytes',
  rest?: Rest,
  steps?: Step[],
): { stream: Run; meter: RunMeter } {
  const functions: BatchFunction[] = []
  const aborts: (() => Promise<void>)[] = []
  const meters = stages.map(stage => stageMeter(stage.name))
  const run = runMeter(meters)
  let unit: Unit = 'bytes' // the output unit of the last function
  let ending: Ending = { unterminated: false }

  stages.forEach((stage, i) => {
    const next = stage.unit ?? unit
    const meter = meters[i] as StageMeter
    const encode = stages[i - 1]?.encode
    if (next !== unit && unit !== 'bytes') {
      functions.push(encoder(ending, encode))
      steps?.push({ kind: 'encode', unit })
    }
    if (next !== unit && next !== 'bytes') {
      ending = { unterminated: false }
      const copied = isCopy(stage, stages[i + 1], output) ? copyCounter(meter) : undefined
      const surroundings = { filter: lineFilter(stage, meter), rest: i === 0 ? rest : undefined, copied }
      functions.push(decoder(next, maxRecord, ending, surroundings))
      steps?.push({ kind: 'decode', unit: next })
    } else if (stage.unit) {
      functions.push(sameUnit(stage.unit, maxRecord, ending, encode))
      if (i > 0 && next !== 'bytes') steps?.push({ kind: 'recode', unit: next })
    }
    steps?.push({ kind: 'stage', name: stage.name, unit: next })
    unit = next
    const family: Family = unit === 'bytes' ? 'bytes' : 'records'
    const lifted = lift(stage, family, meter, run)
    functions.push(lifted.run)
    if (lifted.abort) aborts.push(lifted.abort)
  })
  if (output === 'bytes') {
    if (unit !== 'bytes') {
      functions.push(encoder(ending, stages.at(-1)?.encode))
      steps?.push({ kind: 'encode', unit })
    }
    functions.push(leave)
  }
  return { stream: new Run({ functions, aborts, meter: run, output, memory: memoryOf(stages) }), meter: run }
}

/** A codec copies what it reads. */
function memoryOf(stages: readonly FunctionStage[]): Memory {
  for (const { unit = 'bytes', memory } of stages) {
    if (unit !== 'bytes') return 'releases'
    if (memory !== 'passes') return memory
  }
  return 'passes'
}

function lineFilter({ literal }: FunctionStage, meter: StageMeter): LineFilter | undefined {
  if (literal === undefined) return undefined
  const skip = (lines: number) => {
    meter.recordsIn += lines
  }
  return { literal, skip }
}

/** Whether the values of a stage are encoded as they have come: nobody looks at them. */
function isCopy({ copies }: FunctionStage, next: FunctionStage | undefined, output: Output): boolean {
  if (!copies) return false
  return next ? next.unit !== undefined && next.unit !== 'json' : output === 'bytes'
}

/** Counts the values in a text that passes as one record. */
function copyCounter(meter: StageMeter) {
  return (values: number) => {
    meter.recordsIn += values - 1
    meter.recordsOut += values - 1
  }
}

/** Pushes each chunk separately, which preserves the chunk boundaries of a stage. */
function leave(batch: Batch): unknown {
  return batch.length === 1 ? toBuffer(batch[0]) : many(batch.map(toBuffer))
}

/**
 * Passes records unchanged between two stages of the same unit. If a plain function returns something else (bytes or a
 * value among lines), all later data is converted to bytes, as between two programs.
 */
function sameUnit(unit: Unit, maxRecord: number, ending: Ending, encodeOne: FunctionStage['encode']): BatchFunction {
  if (unit === 'bytes') return (batch: Batch) => batch.map(toBuffer)
  const encode = encoder(ending, encodeOne)
  const decode = decoder(unit, maxRecord, ending)
  let mixed = false
  function* recode(encoded: ReturnType<typeof encode>): Generator {
    for (const chunks of Array.isArray(encoded) ? [encoded] : encoded) yield decode(chunks)
  }
  return flushable(
    (batch: Batch) => {
      mixed ||= unit === 'line' ? !areLines(batch) : batch.some(isBytes)
      return mixed ? recode(encode(batch)) : batch
    },
    () => decode(none as never),
  )
}

function isBytes(value: unknown): boolean {
  return value instanceof Uint8Array
}
