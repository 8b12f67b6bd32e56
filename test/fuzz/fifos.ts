/** FIFOs in every place of a command line, whose other ends come early, late or never, or leave in the middle. */

import type { Test } from 'tap'
import { shortDirectory } from '../e2e/support.js'
import fc from '../fast-check.js'
import { describePeer, type Peer, peers } from './fifo.js'
import type { OwnUse, Use } from './fifo-clients.js'
import { playFrom, playSend } from './fifo-inputs.js'
import { type Output, outputs, playOutputs } from './fifo-outputs.js'
import { playStderr, playStdout } from './fifo-stdio.js'
import { inScope, type Part } from './part.js'

type Place = Output | '--from' | 'send a FIFO' | 'send from stdin' | 'serve to stdout' | 'stderr'

interface Case {
  readonly place: Place
  /** One for each client; those that have a place of their own are one. */
  readonly uses: readonly Use[]
}

const use = (peer: fc.Arbitrary<Peer | undefined>): fc.Arbitrary<Use> =>
  fc.record({ peer, bytes: fc.oneof(fc.constant(0), fc.nat(2000), fc.nat(400_000)) })

const cases: fc.Arbitrary<Case> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      place: fc.constantFrom(...(Object.keys(outputs) as Place[])),
      uses: fc.array(use(fc.option(peers, { nil: undefined, freq: 4 })), { minLength: 1, maxLength: 8, size: 'max' }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      place: fc.constantFrom<Place>('--from', 'send a FIFO', 'send from stdin', 'serve to stdout', 'stderr'),
      uses: fc.tuple(use(peers)),
    }),
  },
)

let played = 0

export const fifos: Part<Case> = {
  name: 'FIFOs',
  cases,
  runs: 1,
  play: value => inScope(test => playCase(test, value)),
  describe: ({ place, uses }) => [
    place,
    ...uses.map(({ peer, bytes }) => `${bytes} bytes, the other end: ${peer ? describePeer(peer) : 'a file'}`),
  ],
  total: () => `${played} FIFOs`,
}

function playCase(test: Test, { place, uses }: Case): Promise<void> {
  const folder = shortDirectory(test)
  const only = uses[0] as OwnUse
  played += uses.length
  if (place === '--from') return playFrom(test, folder, only)
  if (place === 'send a FIFO' || place === 'send from stdin') return playSend(test, folder, only, place)
  if (place === 'serve to stdout') return playStdout(test, folder, only)
  if (place === 'stderr') return playStderr(test, folder, only)
  return playOutputs(test, folder, place, uses)
}
