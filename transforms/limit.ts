import { checkTrigger, triggerOptions } from '../lib/faults/trigger.js'
import { fromStart, triggeredStage } from '../lib/faults/triggered.js'
import { bytes, defineTransform, many, stop } from '../lib/stages/define.js'

/** Passes the first `size` bytes, then ends the stream cleanly. */
export const limit = defineTransform({
  name: 'limit',
  summary: 'pass a number of bytes, then end',
  group: 'flow',
  unit: 'bytes',
  options: {
    size: bytes('number of bytes that pass', { positional: true, required: true }),
    ...triggerOptions,
  },
  check: values => checkTrigger(values),
  example: { spec: 'limit 3', input: 'Hello\n', output: 'Hel' },
  notes:
    'It ends the stream with the last byte that passes, without waiting for the next one, and that is success: a ' +
    'socket is no longer read, and a file is closed. `limit 0` ends at the first byte. To fail instead, set the ' +
    '`max` option of the stage you want to limit. With a trigger (`after`, `at`, `on` …, see `cut`) it starts at ' +
    'that place; bytes before it pass unchanged. They do not count.',
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
