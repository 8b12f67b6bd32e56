/**
 * Many connections a second of every kind for many minutes: `npm run soak -- --minutes 10 --rate 1000 [--page served|open]`. Ends with 1 if
 * the servers' heap, handles or descriptors are not at the end what they were behind the warm-up, or if a connection has
 * ended otherwise than planned. Meanwhile other servers are stopped in the middle of TLS handshakes. Writes its figures
 * to test/soak.md, with a page of the proxy to test/soak-served.md or test/soak-open.md.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { createHistogram } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { behaviours } from './behaviours.js'
import type { Order, Report } from './clients.js'
import type { Opened, Sample } from './server.js'
import { stopInHandshakes } from './stops.js'

/** Seconds before the first figures, of the same load: code is compiled, caches and pools are filled. */
const warmUp = 60

/** Seconds between two samples; each collects all garbage, which takes some 20 ms. */
const interval = 10

/** Processes of clients. */
const clientProcesses = 2

/**
 * Bytes that the heap may have grown by. What the engine itself keeps (code, feedback, the answer to the last question)
 * has made it a tenth of a MiB more or less; a leak of one small object (32 bytes) in each connection is more than this
 * after 16,000 of them, which take 16 seconds.
 */
const noise = 512 * 1024

const MiB = 1024 * 1024

/** Milliseconds between the end of a server that was stopped in handshakes and the start of the next one. */
const betweenStops = 3000

/** How long the servers may need to be rid of what clients have left behind. */
const settleTime = 30_000

/** What the figures say of the page of the proxy. */
const titles = { none: '', served: ': the page of the proxy is served', open: ': the page of the proxy is open' }

const { minutes, rate, page: pageMode } = readArguments()
const name = pageMode === undefined ? 'soak' : `soak-${pageMode}`
const file = fileURLToPath(new URL(`../../../test/${name}.md`, import.meta.url))

const target = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
  socket.on('error', () => socket.destroy()).pipe(socket)
})
target.listen(0, '127.0.0.1')
await once(target, 'listening')
const words = [String((target.address() as AddressInfo).port), ...(pageMode ? ['page'] : [])]
const server = start('server.js', words, ['--expose-gc'])
const [{ ports, page: shown }] = (await once(server, 'message')) as [Opened]
const workers = Array.from({ length: clientProcesses }, () => start('clients.js'))
const readers = pageMode === 'open' ? [start('reader.js', [shown as string])] : []
process.once('exit', () => {
  for (const child of [server, ...workers, ...readers]) child.kill('SIGKILL')
})

const latency = createHistogram()
const stops = createHistogram()
const failures = new Map<string, number>()
const ended: Record<string, number> = {}
let begun = 0

console.log(`soak: ${warmUp} s to warm up, then ${minutes} min of ${rate} connections a second`)
await settled()
await load(warmUp)
const begin = await settled()
latency.reset()
for (const name of Object.keys(ended)) delete ended[name]
begun = 0
const between: Sample[] = []
const started = performance.now()
const stopping = new AbortController()
const stopped = stopServers(stopping.signal)
const seconds = await load(minutes * 60, async () => {
  between.push(await sample())
  const passed = Math.round((performance.now() - started) / 1000)
  console.log(`soak: ${passed} s, ${begun} connections, ${JSON.stringify(between.at(-1))}`)
})
stopping.abort()
await stopped
const end = await settled()
const faults = [...grown(begin, end), ...[...failures].map(([what, times]) => `${times} times ${what}`)]
writeFileSync(file, page())
console.log(page())
for (const fault of faults) console.error(`soak: ${fault}`)
for (const child of [server, ...workers]) child.disconnect()
target.close()
process.exit(faults.length > 0 ? 1 : 0)

/** All clients at work for so many seconds, and then until the last of their connections has ended. Gives the seconds. */
async function load(seconds: number, each: () => Promise<void> = async () => {}): Promise<number> {
  const done = workers.map(worker => takeReports(worker))
  for (const [index, worker] of workers.entries())
    worker.send({ ports, rate: rate / clientProcesses, index } satisfies Order)
  const from = performance.now()
  while (performance.now() - from < seconds * 1000) {
    await delay(Math.min(interval * 1000, seconds * 1000 - (performance.now() - from)))
    await each()
  }
  for (const worker of workers) worker.send('stop')
  const worked = (performance.now() - from) / 1000
  await Promise.all(done)
  return worked
}

/** Until the one that says that it is done. */
function takeReports(worker: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    const take = (report: Report) => {
      begun += report.begun
      for (const time of report.latencies) latency.record(Math.max(1, Math.round(time * 1000)))
      for (const failure of report.failures) failures.set(failure, (failures.get(failure) ?? 0) + 1)
      for (const [name, number] of Object.entries(report.ended)) ended[name] = (ended[name] ?? 0) + number
      if (!report.done) return
      worker.off('message', take)
      resolve()
    }
    worker.on('message', take)
  })
}

/** One after another, in processes of their own, besides the load. */
async function stopServers(signal: AbortSignal): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    await stopInHandshakes(turn).then(
      time => stops.record(Math.max(1, Math.round(time * 1000))),
      (error: Error) => failures.set(error.message, (failures.get(error.message) ?? 0) + 1),
    )
    await delay(betweenStops, undefined, { signal }).catch(() => {})
  }
}

async function sample(): Promise<Sample> {
  server.send('sample')
  const [answer] = (await once(server, 'message')) as [Sample]
  return answer
}

/** The servers without clients: only the connection that takes the place of the full one is left. */
async function settled(): Promise<Sample> {
  const until = performance.now() + settleTime
  for (;;) {
    const now = await sample()
    if (now.connections <= 1 || performance.now() > until) return (await delay(1000)) ?? sample()
    await delay(500)
  }
}

function grown(begin: Sample, end: Sample): string[] {
  const limits = { heap: begin.heap + noise, handles: begin.handles, descriptors: begin.descriptors, connections: 1 }
  return Object.entries(limits)
    .filter(([name, most]) => end[name as keyof Sample] > most)
    .map(([name, most]) => `${name}: ${end[name as keyof Sample]} at the end; at most ${most} is allowed`)
}

function page(): string {
  const planned = Object.values(ended).reduce((sum, number) => sum + number, 0)
  const unplanned = [...failures.values()].reduce((sum, number) => sum + number, 0)
  const mebibytes = (bytes: number) => (bytes / MiB).toFixed(1)
  const row = (name: string, key: keyof Sample, show: (value: number) => string = String) => {
    const values = between.map(each => each[key])
    return `| ${[name, begin[key], Math.min(...values), Math.max(...values), end[key]].map((cell, i) => (i === 0 ? cell : show(cell as number))).join(' | ')} |`
  }
  const milliseconds = (percentile: number, of = latency) => (of.percentile(percentile) / 1000).toFixed(1)
  const more = pageMode ? ` --page ${pageMode}` : ''
  return `## Soak${titles[pageMode ?? 'none']}

\`npm run soak -- --minutes ${minutes} --rate ${rate}${more}\` on ${availableParallelism()} cores, Node ${process.version}, after a warm-up of ${warmUp} s
at the same load. Begin and end: no client, after garbage collection. Least and most: full load, after garbage collection.

| | begin | least | most | end |
| --- | --: | --: | --: | --: |
${row('heap in use, MiB', 'heap', mebibytes)}
${row('resident memory, MiB', 'resident', mebibytes)}
${row('handles', 'handles')}
${row('descriptors', 'descriptors')}
${row('connections', 'connections')}

| | |
| --- | --: |
| connections | ${planned} |
| a second, asked for | ${rate} |
| a second, reached | ${(begun / seconds).toFixed(0)} |
| not ended as planned | ${unplanned} |
| connect to first byte of the answer, p50 | ${milliseconds(50)} ms |
| connect to first byte of the answer, p99 | ${milliseconds(99)} ms |
| other servers, stopped in the middle of TLS handshakes | ${stops.count} |
| signal to the end of such a server, p50 | ${milliseconds(50, stops)} ms |
| signal to the end of such a server, longest | ${milliseconds(100, stops)} ms |

| behaviour of the client | connections |
| --- | --: |
${behaviours.map(({ name }) => `| ${name} | ${ended[name] ?? 0} |`).join('\n')}
`
}

function start(name: string, words: string[] = [], execArgv: string[] = []): ChildProcess {
  const child = fork(fileURLToPath(new URL(name, import.meta.url)), words, { execArgv })
  child.once('exit', (code, signal) => {
    console.error(`soak: ${name} has ended: ${signal ?? code}`)
    process.exit(1)
  })
  return child
}

function readArguments(): { minutes: number; rate: number; page: 'served' | 'open' | undefined } {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      rate: { type: 'string', default: '1000' },
      page: { type: 'string' },
    },
  })
  const [minutes, rate] = [Number(values.minutes), Number(values.rate)]
  for (const [name, number] of Object.entries({ minutes, rate })) {
    if (number > 0 && Number.isFinite(number)) continue
    console.error(`soak: --${name} takes a number over 0`)
    process.exit(2)
  }
  const page = (['served', 'open'] as const).find(mode => mode === values.page)
  if (page === values.page) return { minutes, rate, page }
  console.error('soak: --page takes served or open')
  process.exit(2)
}
