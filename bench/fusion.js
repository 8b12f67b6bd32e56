// Stages in the library: what ten cost against one, and lines.
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { compare, logLines, MiB, randomBytes } from './support.js'

const { compose, eachLine } = await import('../dist/lib/index.js')

const identity = value => value
const lines = n => [eachLine(identity), ...Array(n - 1).fill(identity)]

export async function run({ runs, quick }) {
  const chunks = quick ? 8192 : 65_536
  const bytes = await compare(
    [
      { name: 'ten', stages: () => Array(10).fill(identity) },
      { name: 'one', stages: () => [identity] },
    ],
    runs,
    ({ stages }) => seconds(randomBytes, chunks, stages()),
  )
  const records = await compare(
    [
      { name: 'four', stages: () => lines(4) },
      { name: 'one', stages: () => lines(1) },
    ],
    runs,
    ({ stages }) => seconds(logLines, chunks / 16, stages()),
  )
  const speed = (seconds, count) => (count * 65_536) / 1e6 / seconds
  return {
    title: `Fused stages, ${chunks / 16} MiB of 64 KiB chunks, lines of ${chunks / 256} MiB`,
    unit: 'MB/s',
    rows: [
      {
        work: 'ten identity stages',
        ours: speed(bytes.get('ten'), chunks),
        peer: 'one',
        theirs: speed(bytes.get('one'), chunks),
        atLeast: 0.9,
      },
      {
        work: 'four line stages',
        ours: speed(records.get('four'), chunks / 16),
        peer: 'one',
        theirs: speed(records.get('one'), chunks / 16),
      },
    ],
    commands: [],
  }
}

async function seconds(fill, count, stages) {
  const block = Buffer.alloc(MiB)
  fill(block, 1)
  const parts = Array.from({ length: 16 }, (_, i) => block.subarray(i * 65_536, (i + 1) * 65_536))
  let sent = 0
  const source = new Readable({ read: () => void source.push(sent < count ? parts[sent++ % 16] : null) })
  const sink = new Writable({ write: (_chunk, _encoding, callback) => callback() })
  const started = performance.now()
  await pipeline(source, compose(...stages), sink)
  return (performance.now() - started) / 1000
}

export const peers = []
