/** A source that stores its records until they are kept, in place of every file that is read. */
import { PassThrough } from 'node:stream'
import type { Test } from 'tap'
import type { Acks, Source } from '../../lib/endpoints/endpoint.js'
import { file } from '../../lib/endpoints/file.js'

export function storing(t: Test) {
  const kept: number[] = []
  let full: (() => void) | undefined
  let isFull = false
  let settled = 0
  const stream = new PassThrough()
  const acks: Acks = {
    kept: bytes => void kept.push(bytes),
    settled: async () => void settled++,
    onFull(callback) {
      full = callback
      if (isFull) callback()
    },
  }
  const fill = () => {
    isFull = !full // whoever listens later is told then
    full?.()
  }
  const source: Source = Object.assign(stream, { acks })
  const { source: original } = file
  file.source = () => source
  t.teardown(() => Object.assign(file, { source: original }))
  return { stream, kept, last: () => kept.at(-1) ?? 0, full: fill, settled: () => settled }
}
