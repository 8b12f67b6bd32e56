import { faultStage } from '../lib/faults/fault.js'
import { gate } from '../lib/faults/gate.js'
import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { defineTransform } from '../lib/stages/define.js'

/** Fails at a place, which resets the connection, as a peer does that has crashed. */
export const reset = defineTransform({
  name: 'reset',
  summary: 'fail, which resets the connection',
  group: 'faults',
  unit: 'bytes',
  options: triggerOptions,
  check: values => checkTrigger(values),
  example: { spec: 'reset on=DELETE', input: 'SELECT 1;', output: 'SELECT 1;' },
  notes:
    'What is before the place passes. When it has been read, and 20 ms later, the stage fails with `ERR_FAULT`, and the ' +
    'connection is reset (RST) on all its sockets. What the stages behind this one, or the system, still hold then is ' +
    'lost, as with a real reset: put it last. It comes once; without any of `after`, `at`, `on` and `probability` at ' +
    'the beginning. The options are those of `cut`, which says more about them.',
  create: (values, context) =>
    faultStage({ name: 'reset', values, context, needsByte: false }, fault =>
      gate({
        ...fault,
        at: values.at,
        strike(stream, offset) {
          fault.fire(offset)
          stream.fail(fault.error(offset))
        },
      }),
    ),
})
