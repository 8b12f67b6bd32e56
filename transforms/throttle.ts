import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { fromStart, triggeredStage } from '../lib/faults/triggered.js'
import { bytes, defineTransform } from '../lib/stages/define.js'

/** Limits the rate by holding bytes until they are due. */
export const throttle = defineTransform({
  name: 'throttle',
  summary: 'limit the rate',
  group: 'flow',
  unit: 'bytes',
  options: {
    rate: bytes('bytes per second', { positional: true, required: true, min: 1 }),
    burst: bytes('maximum number of bytes at once after a pause; default: those of 100 ms', { min: 1 }),
    ...triggerOptions,
  },
  check: values => checkTrigger(values),
  example: { spec: 'throttle 1m', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The rate applies to each connection. In any period, at most the rate plus one burst passes. A late timer is ' +
    'compensated within the burst, so a burst of less than about 4 ms at the rate slows the stream down, and so ' +
    'does a process that does not run for longer than a burst. With a trigger (`after`, `at`, `on` …, see `cut`) it ' +
    'starts at that place; bytes before it pass unchanged.',
  create({ rate, burst = Math.ceil(rate / 10), ...values }, context) {
    const { replaced } = context
    const pace = rate / 1000 // bytes in a millisecond
    const piece = Math.max(1, Math.floor(Math.min(pace * 10, burst / 2))) // the other half absorbs late timers
    let free = 0 // number of bytes that may pass at the time `since`
    let since: number | undefined
    let timer: NodeJS.Timeout | undefined
    let wake = () => {}
    replaced.addEventListener('abort', () => wake())

    /** Counts from absolute times, so that delays do not add up. */
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
