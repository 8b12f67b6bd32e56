/** Fuses neighbouring function stages into one byte-mode Duplex, with the codecs between stages of different unit. */
import type { Duplex } from 'node:stream'
import { asStream } from 'stream-chain/asStream.js'
import { flushable, many, none, setFunctionList } from 'stream-chain/defs.js'
import { type Family, lift } from './lift.js'
import { meterRun, type RunMeter, type StageMeter, stageMeter } from './meter.js'
import { type Batch, type BatchFunction, decoder, type Ending, encoder, toBuffer, type Unit } from './records.js'
import type { FunctionStage } from './stage.js'

/** The high-water mark of a run on either side. */
export const highWaterMark = 64 * 1024

/** Function stages → one Duplex and its meter. */
export function fuse(stages: readonly FunctionStage[], maxLine: number): { stream: Duplex; meter: RunMeter } {
  const functions: BatchFunction[] = []
  const releases: (() => void)[] = []
  const meters = stages.map(stage => stageMeter(stage.name))
  let unit: Unit = 'bytes' // of what the last function gave
  let ending: Ending = { unterminated: false }

  stages.forEach((stage, i) => {
    const next = stage.unit ?? unit
    if (next !== unit && unit !== 'bytes') functions.push(encoder(ending))
    if (next !== unit && next !== 'bytes') {
      ending = { unterminated: false }
      functions.push(decoder(next, maxLine, ending))
    } else if (stage.unit) functions.push(sameUnit(stage.unit, maxLine, ending))
    unit = next
    const family: Family = unit === 'bytes' ? 'bytes' : 'records'
    const { run, release } = lift(stage, family, meters[i] as StageMeter)
    functions.push(run)
    releases.push(release)
  })
  if (unit !== 'bytes') functions.push(encoder(ending))

  // What gen() makes, without its own driver, which asStream() does not use.
  const fused = setFunctionList((chunk: Buffer) => chunk as unknown, [enter, ...functions, leave])
  const stream: Duplex = asStream(fused, {
    writableObjectMode: false,
    readableObjectMode: false,
    readableHighWaterMark: highWaterMark,
    writableHighWaterMark: highWaterMark,
  })
  stream.on('close', () => {
    for (const release of releases) release()
  })
  return { stream, meter: meterRun(stream, meters) }
}

function enter(chunk: Buffer): Batch {
  return [chunk]
}

/** Each chunk is pushed by itself: where a stage cut its output stays visible. */
function leave(batch: Batch): unknown {
  const chunks = batch.map(toBuffer).filter(chunk => chunk.length > 0)
  return chunks.length === 1 ? chunks[0] : chunks.length === 0 ? none : many(chunks)
}

/**
 * Between two stages of the same unit records pass as they are. A plain function may have given something else (bytes
 * or a value among lines): from then on everything goes through bytes, as it would between two programs.
 */
function sameUnit(unit: Unit, maxLine: number, ending: Ending): BatchFunction {
  if (unit === 'bytes') return (batch: Batch) => batch.map(toBuffer)
  const encode = encoder(ending)
  const decode = decoder(unit, maxLine, ending)
  let mixed = false
  return flushable(
    (batch: Batch) => {
      mixed ||= !batch.every(unit === 'line' ? isLine : isValue)
      return mixed ? decode(encode(batch)) : batch
    },
    () => decode(none as never),
  )
}

function isLine(value: unknown): boolean {
  return typeof value === 'string'
}

function isValue(value: unknown): boolean {
  return !(value instanceof Uint8Array)
}
