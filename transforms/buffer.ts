import { delayLine } from '../lib/faults/delay-line.js'
import { bytes, defineTransform } from '../lib/stages/define.js'

/** Takes in up to so many bytes more than the reader wants, so that a sender in bursts need not wait for it. */
export const buffer = defineTransform({
  name: 'buffer',
  summary: 'take in bursts for a slow reader',
  group: 'flow',
  unit: 'bytes',
  options: {
    size: bytes("the most bytes that are held, such as '16m'", { positional: true, required: true, min: 1 }),
  },
  example: { spec: 'buffer 16m', input: 'Hello\n', output: 'Hello\n' },
  notes:
    'It is empty as long as the reader keeps up, and then nothing is delayed; when it is full, the sender waits. The ' +
    'memory is taken when it is needed, for each connection of its own: at most twice the size if the sender dribbles.',
  create({ size }, { replaced }) {
    return delayLine({ max: size, delay: () => 0, release: replaced })
  },
})
