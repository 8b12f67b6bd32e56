import { bytes, defineTransform } from '../lib/define.js'

/** Cuts the stream into chunks of at most so many bytes, each of which goes on by itself. */
export const slice = defineTransform({
  name: 'slice',
  summary: 'cut into chunks of at most so many bytes',
  group: 'flow',
  unit: 'bytes',
  options: {
    size: bytes('the most bytes of a chunk', { positional: true, required: true, min: 1 }),
  },
  example: { spec: 'slice 2', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The bytes stay the same; what changes is where chunks end, to test what reads them. Nothing is held back: a chunk ' +
    'that is smaller goes on as it is, so that interactive traffic passes. The borders reach the next stage, and the ' +
    'socket as writes of their own; the network may join them again, and what comes at once leaves at once: put ' +
    '`throttle` behind it to space them out.',
  create({ size }) {
    return function* slice(chunk) {
      for (let from = 0; from < chunk.length; from += size) yield chunk.subarray(from, from + size)
    }
  },
})
