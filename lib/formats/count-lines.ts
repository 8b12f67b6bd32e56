const LF = 10

/** Counts the LFs. */
export function countLines(data: string | Buffer): number {
  const next = (from: number) => (typeof data === 'string' ? data.indexOf('\n', from) : data.indexOf(LF, from))
  let lines = 0
  for (let at = next(0); at !== -1; at = next(at + 1)) lines++
  return lines
}
