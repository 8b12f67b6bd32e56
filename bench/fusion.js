// Stages in the library: what ten cost against one, and lines.
import { rmSync } from 'node:fs'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import split2 from 'split2'
import { compare, logLines, MiB, makeFile, ownTime, randomBytes, shell, speed } from './support.js'

const { compose, eachLine, serve } = await import('../dist/bundle/index.js')
const { grep } = await import('../dist/bundle/transforms.js')

const identity = value => value
const lines = n => [eachLine(identity), ...Array(n - 1).fill(identity)]

export async function run({ runs, quick }) {
  const chunks = quick ? 8192 : 65_536
  const size = quick ? 128 * MiB : 1024 * MiB
  const file = makeFile('fusion', size, randomBytes)
  const served = await compare(
    [
      { name: 'ten', stages: () => Array(10).fill(identity) },
      { name: 'one', stages: () => [identity] },
    ],
    runs,
    ({ stages }) => servedSeconds(file, stages),
  )
  rmSync(file)
  const bytes = await compare(
    [
      { name: 'ten', stages: () => Array(10).fill(identity) },
      { name: 'one', stages: () => [identity] },
    ],
    runs,
    ({ stages }) => seconds(randomBytes, chunks, compose(...stages())),
  )
  const records = await compare(
    [
      { name: 'four', stages: () => lines(4) },
      { name: 'one', stages: () => lines(1) },
    ],
    runs,
    ({ stages }) => seconds(logLines, chunks / 16, compose(...stages())),
  )
  const long = line => (line.length > 70 ? line : undefined)
  const functions = await compare(
    [
      { name: 'ours', stage: () => compose(eachLine(long)) },
      { name: 'split2', stage: () => split2(line => (long(line) ? `${line}\n` : undefined)) },
    ],
    runs,
    ({ stage }) => seconds(logLines, chunks / 16, stage()),
  )
  const greps = await compare(
    [
      { name: 'ours', stage: () => compose(grep({ pattern: /ERROR/ })) },
      { name: 'split2', stage: () => split2(line => (/ERROR/.test(line) ? `${line}\n` : undefined)) },
    ],
    runs,
    ({ stage }) => seconds(logLines, chunks / 16, stage()),
  )
  const figure = (results, name, count) => speed(count * 65_536, results.get(name))
  return {
    title: `Fused stages: ${size / MiB} MiB through a socket; in memory ${chunks / 16} MiB of 64 KiB chunks, lines ${chunks / 256} MiB`,
    unit: 'MB/s',
    cpu: 'ms/GB',
    rows: [
      {
        work: 'serve, ten identity stages',
        ours: speed(size, served.get('ten')),
        peer: 'serve, one',
        theirs: speed(size, served.get('one')),
        atLeast: 0.9,
      },
      {
        work: 'in memory, ten identity stages',
        ours: figure(bytes, 'ten', chunks),
        peer: 'in memory, one',
        theirs: figure(bytes, 'one', chunks),
        atLeast: 0.75,
      },
      {
        work: 'in memory, four line stages',
        ours: figure(records, 'four', chunks / 16),
        peer: 'in memory, one',
        theirs: figure(records, 'one', chunks / 16),
        atLeast: 0.6,
      },
      {
        work: 'in memory, a function over lines',
        ours: figure(functions, 'ours', chunks / 16),
        peer: 'split2',
        theirs: figure(functions, 'split2', chunks / 16),
        atLeast: 1.5,
      },
      {
        work: 'in memory, grep ERROR',
        ours: figure(greps, 'ours', chunks / 16),
        peer: 'split2',
        theirs: figure(greps, 'split2', chunks / 16),
        atLeast: 2.5,
      },
    ],
    commands: [],
  }
}

/** From a file through nc and a socket to a server in this process. */
async function servedSeconds(file, stages) {
  const to = new Writable({ write: (_chunk, _encoding, callback) => callback() })
  const server = await serve({ port: 0, transforms: stages, to, once: true })
  return timed(async () => {
    const sender = shell(`exec nc -N 127.0.0.1 ${server.address.port} < ${file}`)
    await Promise.all([sender.done, server.closed])
  })
}

async function seconds(fill, count, stage) {
  const block = Buffer.alloc(MiB)
  fill(block, 1)
  const parts = Array.from({ length: 16 }, (_, i) => block.subarray(i * 65_536, (i + 1) * 65_536))
  let sent = 0
  const source = new Readable({ read: () => void source.push(sent < count ? parts[sent++ % 16] : null) })
  const sink = new Writable({ write: (_chunk, _encoding, callback) => callback() })
  return timed(() => pipeline(source, stage, sink))
}

/** Seconds of a work, and those of the processor that this process spends on it. */
async function timed(work) {
  const before = ownTime()
  const started = performance.now()
  await work()
  return { seconds: (performance.now() - started) / 1000, cpu: ownTime() - before }
}

export const peers = []
