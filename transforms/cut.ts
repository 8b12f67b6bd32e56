import { faultStage } from '../lib/faults/fault.js'
import { gate } from '../lib/faults/gate.js'
import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { defineTransform } from '../lib/stages/define.js'

/** Ends the stream cleanly at a place, like a peer that stops too early. Later bytes are dropped. */
export const cut = defineTransform({
  name: 'cut',
  summary: 'end the stream too early',
  group: 'faults',
  unit: 'bytes',
  options: triggerOptions,
  check: values => checkTrigger(values),
  example: { spec: 'cut on=COMMIT nth=2', input: 'COMMIT 1; COMMIT 2;', output: 'COMMIT 1; COMMIT' },
  notes:
    'Bytes before the place pass. Then the stream ends cleanly: a socket is half-closed, a file is complete. Later ' +
    'bytes are dropped. It acts once; without `after`, `at`, `on` and `probability`, at the beginning.\n\n' +
    'The place never depends on chunk boundaries. `after` is an offset. `on` is directly after a text, which has ' +
    'already passed: it does not wait for another byte. Matches are found from left to right and do not overlap; ' +
    'with `after`, the search starts at that offset. `at` counts from the creation of the stage, which may be as ' +
    'late as the first byte, and acts even if no byte arrives. `probability` is the chance at the first byte of ' +
    'each `block` or, with `on`, at each match. It depends on `seed`, the connection number, the direction, and the ' +
    'number of the block or match: the same seed and the same bytes give the same faults.\n\n' +
    'The line at the end of a connection reports its first hundred faults: `{ fault, offset, direction }`, and ' +
    '`seed` for a random one. A fault that has not occurred when the stage is done adds a warning, unless it has a ' +
    "`probability`. Put escape sequences in quotes: `cut on='\\r\\n\\r\\n'`.",
  create: (values, context) =>
    faultStage({ name: 'cut', values, context, needsByte: false }, fault =>
      gate({
        ...fault,
        at: values.at,
        strike(stream, offset) {
          fault.fire(offset)
          stream.end()
        },
      }),
    ),
})
