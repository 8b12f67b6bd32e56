import { delayLine } from '../lib/faults/delay-line.js'
import { bytes, defineTransform } from '../lib/stages/define.js'

/** Holds up to `size` bytes for a slow reader, so that a sender of bursts need not wait. */
export const buffer = defineTransform({
  name: 'buffer',
  summary: 'hold bursts for a slow reader',
  group: 'flow',
  unit: 'bytes',
  options: {
    size: bytes("maximum number of bytes held, such as '16m'", { positional: true, required: true, min: 1 }),
  },
  example: { spec: 'buffer 16m', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'The buffer is empty and adds no delay while the reader keeps up. When it is full, the sender waits. Each ' +
    'connection has its own buffer and allocates memory as needed: at most twice the size if the sender writes in ' +
    'tiny chunks.',
  create({ size }, { replaced }) {
    return delayLine({ max: size, delay: () => 0, release: replaced })
  },
})
