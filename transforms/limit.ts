import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { fromStart, triggeredStage } from '../lib/faults/triggered.js'
import { bytes, defineTransform, many, stop } from '../lib/stages/define.js'

/** Lets so many bytes pass, and then ends well, whatever would follow. */
export const limit = defineTransform({
  name: 'limit',
  summary: 'let so many bytes pass, then end',
  group: 'flow',
  unit: 'bytes',
  options: {
    size: bytes('the bytes that pass', { positional: true, required: true }),
    ...triggerOptions,
  },
  check: values => checkTrigger(values),
  example: { spec: 'limit 3', input: 'Hello\n', output: 'Hel' },
  notes:
    'The end comes with the last byte that passes, not with the first one behind it, and it is a success: what follows ' +
    'is no longer read from a socket, and a file is closed. `limit 0` ends with the first byte. To fail instead, give ' +
    'the `max` of the stage that is to be limited.' +
    ' With a trigger (`after`, `at`, `on` …, see `cut`) it begins at that place; what is before passes as it is and does not count.',
  create({ size, ...values }, context) {
    let left = size

    function write(chunk: Buffer) {
      const passed = chunk.subarray(0, left)
      left -= passed.length
      return left > 0 ? passed : many([passed, stop])
    }

    return triggeredStage('limit', values, context, start =>
      start ? { write: fromStart(start, write), destroy: start.over } : write,
    )
  },
})
