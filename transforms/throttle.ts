import { bytes, defineTransform } from '../lib/define.js'

/** Limits the rate: bytes are held until they are due. */
export const throttle = defineTransform({
  name: 'throttle',
  summary: 'limit the rate',
  group: 'flow',
  unit: 'bytes',
  options: {
    rate: bytes('bytes per second', { positional: true, required: true, min: 1 }),
    burst: bytes('the most bytes at once after a pause; default: as many as in 100 ms', { min: 1 }),
  },
  example: { spec: 'throttle 1m', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The rate is that of each connection. In no stretch of time more passes than the rate allows and one burst. What is late because the system woke us late ' +
    'is caught up with within the burst, so a burst of less than a few milliseconds at the rate slows it down.',
  create({ rate, burst = Math.ceil(rate / 10) }) {
    const pace = rate / 1000 // bytes in a millisecond
    const piece = Math.min(burst, Math.max(1, Math.floor(pace * 10)))
    let spent: number | undefined // the time whose bytes have been let through; it may lie back by one burst
    let timer: NodeJS.Timeout | undefined

    function sleep(milliseconds: number): Promise<void> {
      return new Promise(resolve => {
        timer = setTimeout(resolve, Math.ceil(milliseconds))
      })
    }

    function* write(chunk: Buffer): Generator<Buffer | Promise<void>> {
      for (let from = 0; from < chunk.length; ) {
        const now = performance.now()
        spent = Math.max(spent ?? now, now - burst / pace)
        const size = Math.min(chunk.length - from, Math.max(piece, Math.floor((now - spent) * pace)))
        const wait = spent + size / pace - now
        if (wait > 0) yield sleep(wait)
        else {
          spent += size / pace
          yield chunk.subarray(from, from + size)
          from += size
        }
      }
    }

    return { write, destroy: () => clearTimeout(timer) }
  },
})
