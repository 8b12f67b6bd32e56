import { type Fault, faultStage } from '../lib/faults/fault.js'
import { checkTrigger, defaultBlock, type Place, triggerOptions } from '../lib/faults/trigger.js'
import { defineTransform, integer } from '../lib/stages/define.js'

/** Flips bits of a byte. */
export const corrupt = defineTransform({
  name: 'corrupt',
  summary: 'flip bits of a byte',
  group: 'faults',
  unit: 'bytes',
  options: {
    bits: integer('how many bits of the byte to flip, chosen by the seed', { min: 1, max: 8, default: 1 }),
    ...triggerOptions,
  },
  check: values => checkTrigger(values),
  example: { spec: 'corrupt on=el bits=8 | hex plain=true', input: 'Hello', output: '48656c936f\n' },
  notes:
    'It flips bits of the byte at the place. With `probability` but without `on`, the seed picks a byte of the ' +
    'block. It acts after each match of `on`, or by `probability` as often as chance decides; otherwise once. With ' +
    '`at` it acts on the first byte after that time. The number of bytes stays the same. `cut` describes the ' +
    'options other than `bits`.',
  create({ bits, ...values }, context) {
    const { probability, on, block = defaultBlock } = values
    const span = probability !== undefined && on === undefined ? block : 1
    return faultStage({ name: 'corrupt', values, context, needsByte: true }, fault => flipper(fault, bits, span))
  },
})

/** Picks one of the `span` bytes that start at the place. */
function flipper(fault: Fault, bits: number, span: number) {
  let waiting: Place | undefined // its byte has not arrived yet, so no other place can precede it

  function byteOf({ offset, index }: Place): Place {
    return { offset: offset + Math.floor(fault.chance(index, 1) * span), index }
  }

  function* bytesOf(chunk: Buffer): Generator<Place> {
    if (waiting) yield waiting
    for (const place of fault.places(chunk)) yield byteOf(place)
  }

  /** Changes a copy: the chunk belongs to its writer. */
  function write(chunk: Buffer): Buffer {
    const start = fault.position()
    let copy: Buffer | undefined
    for (const place of bytesOf(chunk)) {
      const at = place.offset - start
      waiting = at < chunk.length ? undefined : place
      if (waiting) continue
      copy ??= Buffer.from(chunk)
      copy[at] = (copy[at] as number) ^ mask(bits, use => fault.chance(place.index, use))
      fault.fire(place.offset)
    }
    return copy ?? chunk
  }

  return { write, destroy: fault.over }
}

/** Selects this many different bits of a byte. */
function mask(bits: number, chance: (use: number) => number): number {
  const left = [1, 2, 4, 8, 16, 32, 64, 128]
  let chosen = 0
  for (let use = 2; use < bits + 2; use++) chosen |= left.splice(Math.floor(chance(use) * left.length), 1)[0] as number
  return chosen
}
