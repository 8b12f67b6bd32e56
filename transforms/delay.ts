import { chance } from '../lib/chance.js'
import { bytes, defineTransform, duration, integer } from '../lib/define.js'
import { delayLine } from '../lib/delay-line.js'

/** Lets everything through later by the latency, and by some jitter, as a long line does; the rate stays. */
export const delay = defineTransform({
  name: 'delay',
  summary: 'let everything through later, as a long line does',
  group: 'flow',
  unit: 'bytes',
  options: {
    latency: duration('how much later', { positional: true, required: true, max: 60_000 }),
    jitter: duration('for each chunk up to so much more, at random; default: none', { max: 60_000 }),
    max: bytes('the most bytes that are on their way', { min: 1, default: 16 * 1024 ** 2 }),
    seed: integer('makes the jitter the same in each run', { min: 0, max: 2 ** 32 - 1 }),
  },
  example: { spec: 'delay 20ms', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The end comes later, too. The order stays: what would overtake because of its jitter leaves together with what is ' +
    'before it. Times are kept to the millisecond or two that timers take; chunks that leave at the same time may be ' +
    'joined. When `max` is on its way the sender waits, so the rate is at most `max` in each latency: 16 MiB in 100 ms ' +
    'are 160 MiB/s. It delays one direction; for the other one, put it into the reply, too.',
  create({ latency, jitter = 0, max, seed = Math.floor(Math.random() * 2 ** 32) }, { replaced }) {
    let count = 0
    return delayLine({ max, delay: () => latency + jitter * chance(seed, count++), release: replaced })
  },
})
