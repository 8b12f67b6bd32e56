import { faultStage } from '../lib/faults/fault.js'
import { gate } from '../lib/faults/gate.js'
import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { defineTransform } from '../lib/stages/define.js'

/** Ends the stream well at a place, as a peer does that stops too early; what follows is dropped. */
export const cut = defineTransform({
  name: 'cut',
  summary: 'end the stream too early',
  group: 'faults',
  unit: 'bytes',
  options: triggerOptions,
  check: values => checkTrigger(values),
  example: { spec: 'cut on=COMMIT nth=2', input: 'COMMIT 1; COMMIT 2;', output: 'COMMIT 1; COMMIT' },
  notes:
    'What is before the place passes, and then the stream ends well: a socket is half-closed, a file is complete. What ' +
    'follows is dropped. It comes once; without any of `after`, `at`, `on` and `probability` at the beginning.\n\n' +
    'The place never depends on how the bytes come in chunks. `after` is an offset. `on` is right behind a text, which ' +
    'has passed by then: nothing waits for a further byte. Matches are found from left to right and do not overlap; ' +
    'with `after` too, from that offset on. `at` is counted from the time when the stage is made, which can be as late as ' +
    'the first byte, and comes although no byte does. With `probability` there is a chance at ' +
    'the first byte of each `block`, or with `on` at each match. It depends on `seed`, the number of the connection, ' +
    'the direction, and the number of the block or the match: the same seed and the same bytes give the same faults.\n\n' +
    'The line at the end of a connection tells its faults, the first hundred: `{ fault, offset, direction }`, and `seed` if ' +
    'chance had a part in it. One that has not come when the stream is over is a warning, unless it has a `probability`. The escapes of `on` stand in ' +
    "quotes: `cut on='\\r\\n\\r\\n'`.",
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
