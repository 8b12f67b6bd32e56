import { chance } from '../lib/faults/chance.js'
import { delayLine } from '../lib/faults/delay-line.js'
import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { triggeredStage } from '../lib/faults/triggered.js'
import { bytes, defineTransform, duration } from '../lib/stages/define.js'

/** Delays everything by a latency plus jitter, like a long network path. The rate stays the same. */
export const delay = defineTransform({
  name: 'delay',
  summary: 'delay everything, like a long network path',
  group: 'flow',
  unit: 'bytes',
  options: {
    latency: duration('how long to delay', { positional: true, required: true, max: 60_000 }),
    jitter: duration('maximum random extra delay per chunk; default: none', { max: 60_000 }),
    max: bytes('maximum number of bytes in transit', { min: 1, default: 16 * 1024 ** 2 }),
    ...triggerOptions,
  },
  check: values => checkTrigger(values),
  example: { spec: 'delay 20ms', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The end is delayed, too. The order stays: a chunk that would overtake because of jitter leaves together with ' +
    'the previous one. Timers are accurate to one or two milliseconds; chunks due at the same time may be joined. ' +
    'When `max` bytes are in transit the sender waits, so the rate is at most `max` per latency: 16 MiB per 100 ms ' +
    'is 160 MiB/s. It delays one direction; for the other one, add it to the reply. With a trigger (`after`, `at`, ' +
    '`on` …, see `cut`) it starts at that place; bytes before it pass unchanged. `seed` also makes the jitter ' +
    'repeatable.',
  create({ latency, jitter = 0, max, seed = Math.floor(Math.random() * 2 ** 32), ...values }, context) {
    let count = 0
    const delay = () => latency + jitter * chance(seed, count++)
    return triggeredStage('delay', { ...values, seed }, context, start =>
      delayLine({ max, delay, release: context.replaced, start }),
    )
  },
})
