import { Duplex } from 'node:stream'
import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { type StartingPoint, triggeredStage } from '../lib/faults/triggered.js'
import { blockBytes, bytes, defineTransform } from '../lib/stages/define.js'

/** Cuts the stream into chunks of at most so many bytes, each of which goes on by itself. */
export const slice = defineTransform({
  name: 'slice',
  summary: 'cut into chunks of at most so many bytes',
  group: 'flow',
  unit: 'bytes',
  options: {
    size: bytes('the most bytes of a chunk', { positional: true, required: true, min: 1 }),
    ...triggerOptions,
  },
  check: values => checkTrigger(values),
  example: { spec: 'slice 2', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The bytes stay the same; what changes is where chunks end, to test what reads them. Nothing is held back: a chunk ' +
    'that is smaller goes on as it is, so that interactive traffic passes. The borders reach the next stage, and the ' +
    'socket as writes of their own; the network may join them again, and what comes at once leaves at once: put ' +
    '`throttle` behind it to space them out.' +
    ' With a trigger (`after`, `at`, `on` …, see `cut`) it begins at that place; what is before passes as it is.',
  create: ({ size, ...values }, context) => triggeredStage('slice', values, context, start => slices(size, start)),
})

/** Its own stream, since small chunks take much more memory than their bytes: few of them wait for the reader. */
function slices(size: number, start?: StartingPoint): Duplex {
  let chunk: Buffer = Buffer.alloc(0)
  let whole = 0 // so many bytes of the chunk stay together: they are before the start
  let at = 0
  let isWanted = false
  let resume: (() => void) | undefined

  function flow(): void {
    while (isWanted && at < chunk.length) {
      const from = at
      at = from < whole ? whole : from + size
      isWanted = stream.push(chunk.subarray(from, at))
    }
    if (!isWanted || !resume) return
    const next = resume
    resume = undefined
    next()
  }

  const stream = new Duplex({
    readableHighWaterMark: Math.min(blockBytes, waiting * size),
    writableHighWaterMark: blockBytes,
    write(next: Buffer, _encoding, callback) {
      chunk = next
      whole = start ? start.split(next)[0].length : 0
      at = 0
      resume = callback
      flow()
    },
    final(callback) {
      start?.over()
      stream.push(null)
      callback()
    },
    read() {
      isWanted = true
      flow()
    },
    destroy(error, callback) {
      start?.over()
      callback(error)
    },
  })
  return stream
}

/** So many chunks wait for the reader. */
const waiting = 64
