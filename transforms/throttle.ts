import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { fromStart, triggeredStage } from '../lib/faults/triggered.js'
import { bytes, defineTransform } from '../lib/stages/define.js'

/** Limits the rate: bytes are held until they are due. */
export const throttle = defineTransform({
  name: 'throttle',
  summary: 'limit the rate',
  group: 'flow',
  unit: 'bytes',
  options: {
    rate: bytes('bytes per second', { positional: true, required: true, min: 1 }),
    burst: bytes('the most bytes at once after a pause; default: as many as in 100 ms', { min: 1 }),
    ...triggerOptions,
  },
  check: values => checkTrigger(values),
  example: { spec: 'throttle 1m', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The rate is that of each connection. In no stretch of time more passes than the rate allows and one burst. What is late because the system woke us late ' +
    'is caught up with within the burst, so a burst of less than about 4 ms at the rate slows it down, and so does a ' +
    'process that is kept from running for longer than a burst.' +
    ' With a trigger (`after`, `at`, `on` …, see `cut`) it begins at that place; what is before passes as it is.',
  create({ rate, burst = Math.ceil(rate / 10), ...values }, context) {
    const { replaced } = context
    const pace = rate / 1000 // bytes in a millisecond
    const piece = Math.max(1, Math.floor(Math.min(pace * 10, burst / 2))) // the other half is for timers that are late
    let free = 0 // so many bytes might pass at the time `since`
    let since: number | undefined
    let timer: NodeJS.Timeout | undefined
    let wake = () => {}
    replaced.addEventListener('abort', () => wake())

    /** From one absolute time to the next, so that what is late does not add up. */
    function refill(): void {
      const now = performance.now()
      free = replaced.aborted ? Infinity : Math.min(burst, free + (now - (since ?? now)) * pace)
      since = now
    }

    function sleep(milliseconds: number): Promise<void> {
      return new Promise(resolve => {
        wake = resolve
        timer = setTimeout(resolve, Math.ceil(milliseconds))
      })
    }

    function* inPieces(chunk: Buffer): Generator<Buffer | Promise<void>> {
      for (let from = 0; from < chunk.length; refill()) {
        const size = Math.min(chunk.length - from, Math.max(piece, Math.floor(free)))
        if (size > free) yield sleep((size - free) / pace)
        else {
          free -= size
          yield chunk.subarray(from, from + size)
          from += size
        }
      }
    }

    function write(chunk: Buffer) {
      refill()
      if (chunk.length > free) return inPieces(chunk)
      free -= chunk.length
      return chunk
    }

    return triggeredStage('throttle', values, context, start => ({
      write: start ? fromStart(start, write) : write,
      destroy() {
        clearTimeout(timer)
        start?.over()
      },
    }))
  },
})
