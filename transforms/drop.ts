import { type Fault, faultStage } from '../lib/faults/fault.js'
import { checkTrigger, defaultBlock, triggerOptions } from '../lib/faults/trigger.js'
import { defineTransform, none } from '../lib/stages/define.js'

/** Loses a block of bytes; what follows closes up. */
export const drop = defineTransform({
  name: 'drop',
  summary: 'lose a block of bytes',
  group: 'faults',
  unit: 'bytes',
  options: triggerOptions,
  check: values => checkTrigger(values, true),
  example: { spec: "drop on=', ' block=3", input: 'one, two, three\n', output: 'one, , ee\n' },
  notes:
    'From the place on `block` bytes are lost, and the rest passes. It comes behind each match of `on`, or by ' +
    '`probability` as often as chance says; otherwise once. With `at` the first byte that comes so late is the first ' +
    'one lost. Matches are found in what comes in, also in bytes that are lost. The options are those of `cut`, which says more about them.',
  create: (values, context) =>
    faultStage({ name: 'drop', values, context, needsByte: true }, fault => dropper(fault, values.block)),
})

function dropper(fault: Fault, block = defaultBlock) {
  let kept = 0 // the offset from which on bytes are kept

  /** What is kept of a chunk is moved together, in a copy: the chunk belongs to whoever wrote it. */
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
