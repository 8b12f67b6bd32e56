import { Duplex } from 'node:stream'
import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { type StartingPoint, triggeredStage } from '../lib/faults/triggered.js'
import { blockBytes, bytes, defineTransform } from '../lib/stages/define.js'

/** Cuts the stream into chunks of at most `size` bytes and emits each separately. */
export const slice = defineTransform({
  name: 'slice',
  summary: 'cut into chunks of limited size',
  group: 'flow',
  unit: 'bytes',
  options: {
    size: bytes('maximum number of bytes per chunk', { positional: true, required: true, min: 1 }),
    ...triggerOptions,
  },
  check: values => checkTrigger(values),
  example: { spec: 'slice 2', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The bytes stay the same; only the chunk boundaries change, to test the code that reads them. Nothing is held ' +
    'back: a smaller chunk passes as it is, so interactive traffic works. The chunks reach the next stage, and the ' +
    'socket as separate writes. The network may join them again, and a burst stays a burst: put `throttle` after ' +
    'this stage to space them out. With a trigger (`after`, `at`, `on` …, see `cut`) it starts at that place; bytes ' +
    'before it pass unchanged.',
  create: ({ size, ...values }, context) => triggeredStage('slice', values, context, start => slices(size, start)),
})

/** A separate stream, because small chunks take far more memory than their bytes: only a few wait for the reader. */
function slices(size: number, start?: StartingPoint): Duplex {
  let chunk: Buffer = Buffer.alloc(0)
  let whole = 0 // number of bytes of the chunk before the start; they stay together
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

/** Number of chunks that may wait for the reader. */
const waiting = 64
