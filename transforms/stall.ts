import { faultStage } from '../lib/faults/fault.js'
import { gate } from '../lib/faults/gate.js'
import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { defineTransform, duration } from '../lib/stages/define.js'

/** Blocks the stream at a place, for a time or forever; the writer waits. */
export const stall = defineTransform({
  name: 'stall',
  summary: 'block the stream, for a time or forever',
  group: 'faults',
  unit: 'bytes',
  options: {
    for: duration('how long to block; default: forever', { min: 1, max: 24 * 3_600_000 }),
    ...triggerOptions,
  },
  check: values => checkTrigger(values),
  example: { spec: 'stall after=5 for=10ms', input: 'Hello, world\n', output: 'Hello, world\n' },
  notes:
    'Bytes before the place pass. Later bytes and the end wait, and so does the writer (backpressure): nothing is ' +
    'lost, and at most one chunk is held. With `for` it acts after each match of `on` and, by `probability`, as ' +
    'often as chance decides; otherwise once. If other stages replace this one, everything continues at once. `cut` ' +
    'describes the options other than `for`. If a stall lasts longer than the idle timeout, the connection fails ' +
    'with that timeout.',
  create: (values, context) =>
    faultStage({ name: 'stall', values, context, needsByte: false }, fault =>
      gate({
        ...fault,
        at: values.at,
        strike(stream, offset) {
          if (context.replaced.aborted) return
          fault.fire(offset)
          stream.hold(values.for, context.replaced)
        },
      }),
    ),
})
