/** Parts → runs → the streams of one pipeline: neighbouring functions are fused into one Duplex, each Duplex stands alone. */
import { type Duplex, Transform } from 'node:stream'
import { defaultMaxRecord, type Rest, type Unit } from '../formats/records.js'
import { isWebTransform } from '../formats/web.js'
import { meterRun, type RunMeter, runMeter, stageMeter } from '../stats/meter.js'
import { describe, TcpPipeError } from '../text/errors.js'
import { type Context, openContext, type Surroundings } from './context.js'
import { fuse, type Output } from './fuse.js'
import { expectedStage, type Part, takeApart, takePair } from './parts.js'
import { type FunctionStage, functionStage, isDuplex, isStageObject } from './stage.js'
import { streamName } from './web-stage.js'

export interface PlanOptions extends Surroundings {
  /** The length cap of a line or a JSON value in bytes. Default: 1 MiB. */
  maxRecord?: number | undefined
  /** What the last function run gives. Default: bytes. */
  output?: Output
}

/** The streams of one pipeline between its source and its sink, in order, and their meters. */
export interface Plan {
  streams: Duplex[]
  meters: RunMeter[]
  /** Whether what comes out is text in whole lines, the last one perhaps without its LF. */
  makesLines: boolean
  /** The names of the stages that cannot be ended in the middle; of a Duplex of somebody else's nobody knows. */
  indivisible: string[]
  /** Tells the stages that others are to take their place; `keepRest`: what they leave is wanted. */
  replace(keepRest?: boolean): void
  /** Of a character that a replaced line stage has got a part of: its bytes are for those that take the place. */
  readonly rest: Rest
}

/** Parts → the streams of one pipeline. */
export function plan(parts: readonly Part[], options: PlanOptions = {}): Plan {
  const { maxRecord = defaultMaxRecord, output = 'bytes' } = options
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
    const { stream, meter } = fuse(functions, maxRecord, gives, streams.length === 0 ? rest : undefined)
    streams.push(stream)
    meters.push(meter)
    functions = []
  }

  for (const stage of parts.flatMap(part => prepare(part, context, indivisible))) {
    unit = isDuplex(stage) ? 'bytes' : (stage.unit ?? unit)
    makesLines = !isDuplex(stage) && (stage.makesLines ?? unit !== 'bytes')
    if (!isDuplex(stage)) functions.push(stage)
    else {
      closeRun('bytes')
      if (stage instanceof Transform) stage.once('end', releaseHeld)
      streams.push(stage)
      meters.push(meterRun(stage, runMeter([stageMeter(names.get(stage) ?? streamName(stage))])))
    }
  }
  closeRun(output)
  streams.at(-1)?.once('close', close) // the last to end, and a pipeline destroys all if one fails
  function tellReplaced(keepRest = false): void {
    rest.wanted = keepRest
    replace()
  }

  return { streams, meters, makesLines, indivisible, replace: tellReplaced, rest }
}

/**
 * A Transform that is ended while a chunk waits for room behind it (by a timer, say) would keep that chunk's callback: its
 * input would never end, and what is before it would wait for that. What still comes is dropped.
 */
function releaseHeld(this: Transform): void {
  if (this.writableFinished) return
  this._transform = (_chunk, _encoding, done) => done()
  this._flush = done => done()
  Transform.prototype._read.call(this, 0)
}

/** The names of transforms whose stage is a Duplex. */
const names = new WeakMap<Duplex, string>()

/** A recipe is carried out: what it creates may itself be a stream made of recipes. */
function prepare(part: Part, surroundings: Context, indivisible: string[]): (FunctionStage | Duplex)[] {
  if (isDuplex(part)) {
    if (!names.has(part)) indivisible.push(streamName(part))
    return [part]
  }
  const { context: given } = part
  const context = given ? Object.create(surroundings, Object.getOwnPropertyDescriptors(given)) : surroundings
  const created = part.create(context)
  const body = isWebTransform(created) ? takePair(created, 0) : created
  if (part.indivisible || part.unit === 'json') indivisible.push(part.name) // a value cannot be cut as a line can
  if (isDuplex(body)) names.set(body, part.name)
  else if (typeof body !== 'function' && !isStageObject(body)) throw bodyError(part.name, body)
  else return [{ ...functionStage(body as never, part.name, part.unit), makesLines: part.makesLines }]
  return takeApart(body, 0).flatMap(inner => prepare(inner, context, indivisible))
}

function bodyError(name: string, body: unknown): TcpPipeError {
  return new TcpPipeError('ERR_STAGE', `${name}: create gave ${describe(body)}; ${expectedStage}`)
}
