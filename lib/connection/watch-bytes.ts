import type { ConnectionState } from './state.js'
import type { TransferOptions, Watch } from './transfer.js'

/** Who hears of the bytes of a transfer: the talk of a proxy, and observers of what passes between the peer and us. */
export function watchBytes(
  state: ConnectionState,
  { sourceLeg, sinkLeg }: TransferOptions,
): Pick<Watch, 'heard' | 'told' | 'isHeard'> {
  const { identity, leg, target, observer } = state
  const talk = target?.talk
  const takes = observer?.takesBytes ? observer : undefined
  const heard = talk && sourceLeg && talk.hearing(sourceLeg)
  const told = talk && sinkLeg && talk.telling(sinkLeg)
  return {
    isHeard: takes !== undefined,
    heard: both(heard, takes && sourceLeg === leg && (chunk => takes.passed(identity, 'in', chunk))),
    told: both(told, takes && sinkLeg === leg && (chunk => takes.passed(identity, 'out', chunk))),
  }
}

type Hear = ((chunk: Buffer) => void) | false | undefined

function both(one: Hear, other: Hear): Watch['heard'] {
  if (!one || !other) return one || other || undefined
  return chunk => {
    one(chunk)
    other(chunk)
  }
}
