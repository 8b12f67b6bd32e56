import { faultStage } from '../lib/faults/fault.js'
import { gate } from '../lib/faults/gate.js'
import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { defineTransform } from '../lib/stages/define.js'

/** Fails at a place, which resets the connection like a peer that has crashed. */
export const reset = defineTransform({
  name: 'reset',
  summary: 'fail, to reset the connection',
  group: 'faults',
  unit: 'bytes',
  options: triggerOptions,
  check: values => checkTrigger(values),
  example: { spec: 'reset on=DELETE', input: 'SELECT 1;', output: 'SELECT 1;' },
  notes:
    'Bytes before the place pass. 20 ms after they have been read, the stage fails with `ERR_FAULT`, and all ' +
    'sockets of the connection are reset (RST). Bytes that later stages or the system still hold then are lost, as ' +
    'in a real reset: put this stage last. It acts once; without `after`, `at`, `on` and `probability`, at the ' +
    'beginning. `cut` describes the options.',
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
