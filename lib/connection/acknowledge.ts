/** Acknowledges the records of a source that stores them, when they are kept. */
import type { Source } from '../endpoints/endpoint.js'
import type { Summary } from '../stats/summary.js'
import { TcpPipeError } from '../text/errors.js'

/** The peer has taken everything. */
export async function acknowledgeAll({ acks }: Source, { directions }: Summary): Promise<void> {
  if (!acks) return
  for (const { direction, bytesIn } of directions) if (direction === 'forward') acks.kept(bytesIn)
  await acks.settled()
}

/** The source does not end, and what it has given is kept at its end only. `remedy` makes an end. */
export function waitsForEver(remedy: string): TcpPipeError {
  const why = 'the source waits until its records are kept, and that is when the end is complete'
  return new TcpPipeError('ERR_OPTION', `${why}; ${remedy} completes it now and then`)
}
