import { bytes, defineTransform, many, stop } from '../lib/define.js'

/** Lets so many bytes pass, and then ends well, whatever would follow. */
export const limit = defineTransform({
  name: 'limit',
  summary: 'let so many bytes pass, then end',
  group: 'flow',
  unit: 'bytes',
  options: {
    size: bytes('the bytes that pass', { positional: true, required: true }),
  },
  example: { spec: 'limit 3', input: 'Hello\n', output: 'Hel' },
  notes:
    'The end comes with the last byte that passes, not with the first one behind it, and it is a success: what follows ' +
    'is no longer read from a socket, and a file is closed. `limit 0` ends with the first byte. To fail instead, give ' +
    'the `max` of the stage that is to be limited.',
  create({ size }) {
    let left = size
    return chunk => {
      const passed = chunk.subarray(0, left)
      left -= passed.length
      return left > 0 ? passed : many([passed, stop])
    }
  },
})
