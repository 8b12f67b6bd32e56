import { faultStage } from '../lib/faults/fault.js'
import { gate } from '../lib/faults/gate.js'
import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { defineTransform, duration } from '../lib/stages/define.js'

/** Lets nothing pass from a place on, for a while or for ever; the writer waits. */
export const stall = defineTransform({
  name: 'stall',
  summary: 'let nothing pass any more, for a while or for ever',
  group: 'faults',
  unit: 'bytes',
  options: {
    for: duration('so long, and then everything goes on; default: for ever', { min: 1, max: 24 * 3_600_000 }),
    ...triggerOptions,
  },
  check: values => checkTrigger(values),
  example: { spec: 'stall after=5 for=10ms', input: 'Hello, world\n', output: 'Hello, world\n' },
  notes:
    'What is before the place passes. What follows waits, the end too, and so does who writes it: nothing is lost, and ' +
    'no more is held than a chunk. With `for` it comes behind each match of `on` and, by `probability`, as often as ' +
    'chance says; otherwise once. When other stages take the place of this one, everything goes on at once. The ' +
    'options but `for` are those of `cut`, which says more about them. A connection that stalls for longer than its idle ' +
    'timeout fails with that.',
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
