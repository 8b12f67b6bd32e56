/** What each stage of a connection did, a short line for each: the text form of what `-v` logs at its end. */
import { formatBytes } from '../lib/text/quantities.js'

/** Returns the lines, or undefined if these are no figures of directions: a stage can log anything. */
export function stageLines(directions: unknown): string[] | undefined {
  if (!isList(directions)) return undefined
  try {
    return directions.flatMap(({ direction, segments }) =>
      list(segments)
        .flatMap(({ runs }) => list(runs))
        .flatMap(run => runLines(run, direction === 'reply' ? 'reply ' : '')),
    )
  } catch {
    return undefined
  }
}

type Fields = Readonly<Record<string, unknown>>

function runLines(run: Fields, start: string): string[] {
  const stages = list(run.stages)
  return stages.map(({ name, recordsIn, recordsOut, busy }) => {
    const isDuplex = stages.length === 1 && recordsIn === 0 // it has no records
    const figures = isDuplex
      ? `${size(run.bytesIn)} in, ${size(run.bytesOut)} out`
      : `${Number(recordsIn)} record${recordsIn === 1 ? '' : 's'} in, ${Number(recordsOut)} out`
    return `${start}${name}: ${figures}, busy ${Number(Number(busy).toPrecision(3))} ms`
  })
}

function size(bytes: unknown): string {
  return formatBytes(Number(bytes), 1)
}

function list(value: unknown): readonly Fields[] {
  if (isList(value)) return value
  throw new TypeError('not a list')
}

function isList(value: unknown): value is readonly Fields[] {
  return Array.isArray(value) && value.every(each => typeof each === 'object' && each !== null)
}
