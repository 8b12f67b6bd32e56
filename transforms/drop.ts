import { type Fault, faultStage } from '../lib/faults/fault.js'
import { checkTrigger, defaultBlock, triggerOptions } from '../lib/faults/trigger.js'
import { defineTransform, none } from '../lib/stages/define.js'

/** Removes a block of bytes; the following bytes move up. */
export const drop = defineTransform({
  name: 'drop',
  summary: 'drop a block of bytes',
  group: 'faults',
  unit: 'bytes',
  options: triggerOptions,
  check: values => checkTrigger(values, true),
  example: { spec: "drop on=', ' block=3", input: 'one, two, three\n', output: 'one, , ee\n' },
  notes:
    'It drops `block` bytes at the place and passes the rest. It acts after each match of `on`, or by `probability` ' +
    'as often as chance decides; otherwise once. With `at` the first byte after that time is the first one dropped. ' +
    'Matches are searched in the input, including dropped bytes. `cut` describes the options.',
  create: (values, context) =>
    faultStage({ name: 'drop', values, context, needsByte: true }, fault => dropper(fault, values.block)),
})

function dropper(fault: Fault, block = defaultBlock) {
  let kept = 0 // bytes are kept from this offset on

  /** Compacts the kept bytes in a copy: the chunk belongs to its writer. */
  function write(chunk: Buffer) {
    const start = fault.position()
    let from = Math.max(0, kept - start)
    let copy: Buffer | undefined
    let length = 0
    for (const { offset } of fault.places(chunk)) {
      copy ??= Buffer.allocUnsafe(chunk.length)
      if (from < offset - start) length += chunk.copy(copy, length, from, offset - start)
      from = Math.max(from, offset - start + block)
      fault.fire(offset)
    }
    kept = start + from
    const rest = from === 0 ? chunk : chunk.subarray(from)
    if (copy) length += rest.copy(copy, length)
    const passed = copy ? copy.subarray(0, length) : rest
    return passed.length > 0 ? passed : none
  }

  return { write, destroy: fault.over }
}
