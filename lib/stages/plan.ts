/**
 * Parts → runs → the streams of one pipeline. Fuses adjacent functions into one Duplex, and keeps each Duplex separate.
 */
import { type Duplex, Transform } from 'node:stream'
import { traceStage } from '../formats/delivery.js'
import { checkPiped, guardStage } from '../formats/guard.js'
import { defaultMaxRecord, type Rest, type Unit } from '../formats/records.js'
import { isWebTransform } from '../formats/web.js'
import { meterRun } from '../stats/foreign-meter.js'
import { type RunMeter, runMeter, stageMeter } from '../stats/meter.js'
import { blame } from '../text/blame.js'
import { describe, TcpPipeError } from '../text/errors.js'
import { type Context, openContext, type Surroundings } from './context.js'
import { fuse, type Step } from './fuse.js'
import { expectedStage, type Part, takeApart, takePair } from './parts.js'
import type { Output } from './run.js'
import { type FunctionStage, functionStage, isDuplex, isStageObject, type Recipe, type Stage } from './stage.js'
import { streamName } from './web-stage.js'
import { workerStage } from './worker-stage.js'

export interface PlanOptions extends Surroundings {
  /** The maximum length of a line or a JSON value in bytes. Default: 1 MiB. */
  maxRecord?: number | undefined
  /** The output of the last function run. Default: bytes. */
  output?: Output
  /** Collects the steps of each stream, in order, for a description. Default: they are not kept. */
  steps?: Step[][]
}

/** The streams of one pipeline between source and sink, in order, and their meters. */
export interface Plan {
  streams: Duplex[]
  meters: RunMeter[]
  /** Whether the output consists of lines. The last line may lack its LF. */
  makesLines: boolean
  /** The names of stages that cannot end in the middle of a stream. Unknown for a third-party Duplex. */
  indivisible: string[]
  /** Notifies the stages of their replacement. `keepRest` keeps the bytes that they leave. */
  replace(keepRest?: boolean): void
  /** The bytes of an incomplete character in a replaced line stage. They are handed to its replacement. */
  readonly rest: Rest
}

/** Creates the streams of one pipeline from parts. */
export function plan(parts: readonly Part[], options: PlanOptions = {}): Plan {
  const { maxRecord = defaultMaxRecord, output = 'bytes', steps } = options
  const { context, close, replace } = openContext(options)
  const indivisible: string[] = []
  const rest: Rest = { wanted: false, bytes: Buffer.alloc(0) }
  const streams: Duplex[] = []
  const meters: RunMeter[] = []
  let functions: FunctionStage[] = []
  let unit: Unit = 'bytes'
  let makesLines = false

  function closeRun(gives: Output): void {
    if (functions.length === 0) return
    const own: Step[] | undefined = steps && []
    const { stream, meter } = fuse(functions, maxRecord, gives, streams.length === 0 ? rest : undefined, own)
    if (own) steps?.push(own)
    streams.push(stream)
    meters.push(meter)
    functions = []
  }

  for (const stage of parts.flatMap(part => prepare(part, { context, maxRecord, indivisible }))) {
    unit = isDuplex(stage) ? 'bytes' : (stage.unit ?? unit)
    makesLines = isDuplex(stage) ? makers.has(stage) : (stage.makesLines ?? unit !== 'bytes')
    if (!isDuplex(stage)) functions.push(stage)
    else {
      closeRun('bytes')
      if (stage instanceof Transform) stage.once('end', releaseHeld)
      const name = names.get(stage) ?? streamName(stage)
      checkPiped(stage, value => chunkError(name, value))
      steps?.push([{ kind: 'stage', name }])
      streams.push(traceStage(guardStage(stage)))
      meters.push(meterRun(stage, runMeter([stageMeter(name)])))
    }
  }
  closeRun(output)
  streams.at(-1)?.once('close', close) // it ends last, and a failure destroys the whole pipeline
  function tellReplaced(keepRest = false): void {
    rest.wanted = keepRest
    replace()
  }

  return { streams, meters, makesLines, indivisible, replace: tellReplaced, rest }
}

/**
 * Releases a Transform that ends while a chunk waits for its consumer (for example by a timer). Otherwise the callback
 * of that chunk never runs, and earlier stages wait forever. Drops later data.
 */
function releaseHeld(this: Transform): void {
  if (this.writableFinished) return
  this._transform = (_chunk, _encoding, done) => done()
  this._flush = done => done()
  Transform.prototype._read.call(this, 0)
}

function chunkError(name: string, value: unknown): TcpPipeError {
  const allowed = 'the next stage takes a Buffer, a Uint8Array or a string'
  return new TcpPipeError('ERR_STAGE_RESULT', `${name} emitted ${describe(value)}; ${allowed}`)
}

/** The names of transforms with a Duplex as their stage. */
const names = new WeakMap<Duplex, string>()

/** Those of threads whose output consists of lines. */
const makers = new WeakSet<Duplex>()

interface Preparing {
  readonly context: Context
  readonly maxRecord: number
  readonly indivisible: string[]
}

/** Executes a recipe. The result may itself be a stream with recipes. */
function prepare(part: Part, preparing: Preparing): (FunctionStage | Duplex)[] {
  const { maxRecord, indivisible } = preparing
  if (isDuplex(part)) {
    if (!names.has(part)) indivisible.push(streamName(part))
    return [part]
  }
  const { name, unit, makesLines, thread, context: given } = part
  const outer = preparing.context
  const context = given ? Object.create(outer, Object.getOwnPropertyDescriptors(given)) : outer
  const created = thread ? workerStage(name, thread, maxRecord) : create(part, context)
  if (thread && (makesLines ?? unit !== 'bytes')) makers.add(created as Duplex)
  const body = isWebTransform(created) ? takePair(created, 0) : created
  if (part.indivisible || part.unit === 'json') indivisible.push(part.name) // unlike a line, a value cannot be split
  if (isDuplex(body)) names.set(body, part.name)
  else if (typeof body !== 'function' && !isStageObject(body)) throw bodyError(part.name, body)
  else return [{ ...functionStage(body as never, part.name, part.unit), makesLines: part.makesLines }]
  return takeApart(body, 0).flatMap(inner => prepare(inner, { ...preparing, context }))
}

function create({ name, create }: Recipe, context: Context): Stage {
  try {
    return create(context)
  } catch (error) {
    blame(error, name)
    throw error
  }
}

function bodyError(name: string, body: unknown): TcpPipeError {
  return new TcpPipeError('ERR_STAGE', `${name}: create returned ${describe(body)}; ${expectedStage}`)
}
