import { chance } from '../lib/faults/chance.js'
import { delayLine } from '../lib/faults/delay-line.js'
import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { triggeredStage } from '../lib/faults/triggered.js'
import { bytes, defineTransform, duration } from '../lib/stages/define.js'

/** Lets everything through later by the latency, and by some jitter, as a long line does; the rate stays. */
export const delay = defineTransform({
  name: 'delay',
  summary: 'let everything through later, as a long line does',
  group: 'flow',
  unit: 'bytes',
  options: {
    latency: duration('how much later', { positional: true, required: true, max: 60_000 }),
    jitter: duration('for each chunk up to so much more, by chance; default: none', { max: 60_000 }),
    max: bytes('the most bytes that are on their way', { min: 1, default: 16 * 1024 ** 2 }),
    ...triggerOptions,
  },
  check: values => checkTrigger(values),
  example: { spec: 'delay 20ms', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The end comes later, too. The order stays: what would overtake because of its jitter leaves together with what is ' +
    'before it. Times are kept to the millisecond or two that timers take; chunks that leave at the same time may be ' +
    'joined. When `max` is on its way the sender waits, so the rate is at most `max` in each latency: 16 MiB in 100 ms ' +
    'are 160 MiB/s. It delays one direction; for the other one, put it into the reply, too.' +
    ' With a trigger (`after`, `at`, `on` …, see `cut`) it begins at that place; what is before passes as it is. The `seed` is that of the jitter, too.',
  create({ latency, jitter = 0, max, seed = Math.floor(Math.random() * 2 ** 32), ...values }, context) {
    let count = 0
    const delay = () => latency + jitter * chance(seed, count++)
    return triggeredStage('delay', { ...values, seed }, context, start =>
      delayLine({ max, delay, release: context.replaced, start }),
    )
  },
})
