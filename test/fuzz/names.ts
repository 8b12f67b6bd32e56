/** Several processes that write one output name: what is claimed is what was sent, and nothing else is touched. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { type LogLine, type Process, shortDirectory, tcpPipe } from '../e2e/support.js'
import fc from '../fast-check.js'
import { noise } from '../laws/support.js'
import { type Client, checkSeen, describeClients, fewClients, leaveAll, type Playing, play, sentBy } from './clients.js'
import { checkLog } from './log.js'
import { Finding, inScope, inTime, type Part } from './part.js'

interface Writer {
  readonly client: Client
  /** Milliseconds from its client to SIGTERM, which starts the drain. */
  readonly drains: number | undefined
  /** It starts when the one before has been told to drain, and listens at the same place. */
  readonly succeeds: boolean
}

interface Case {
  readonly mode: 'refuse' | '--force'
  /** What lies there already. */
  readonly existing: readonly string[]
  readonly writers: readonly Writer[]
}

const output = 'out'

const writer = fc.record({
  client: fewClients.map(([first]) => first as Client),
  drains: fc.option(fc.nat(100), { nil: undefined }),
  succeeds: fc.boolean(),
})

const cases: fc.Arbitrary<Case> = fc.record({
  mode: fc.oneof(
    { weight: 3, arbitrary: fc.constant('refuse' as const) },
    { weight: 1, arbitrary: fc.constant('--force' as const) },
  ),
  existing: fc.subarray(['out.part', 'out.2.part', 'out.4.part', 'other']),
  writers: fc.array(writer, { minLength: 2, maxLength: 3 }),
})

let written = 0

export const names: Part<Case> = {
  name: 'one output name of several processes',
  cases,
  runs: 1,
  play: value => inScope(test => playCase(test, value)),
  describe: ({ mode, existing, writers }) => [
    `${mode}; there are ${existing.join(', ') || 'no files'}`,
    ...writers.flatMap(({ client, drains, succeeds }, i) => [
      `process ${i + 1}: ${succeeds ? 'succeeds the one before' : 'its own place'}, drains: ${drains ?? 'no'}`,
      ...describeClients([client]),
    ]),
  ],
  total: () => `${written} processes with one output name`,
}

/** A process, its client, and what came of both. */
interface Ran {
  readonly index: number
  readonly server: Process
  readonly client: Client
  readonly playing: Playing
}

async function playCase(test: Test, { mode, existing, writers }: Case): Promise<void> {
  const folder = shortDirectory(test)
  const precious = new Map(existing.map((name, i) => [name, noise(100 + i, i + 61)]))
  for (const [name, bytes] of precious) writeFileSync(join(folder, name), bytes)
  const all: Ran[] = []
  try {
    const works = starts(writers).map(async group => {
      for (const index of group) {
        const before = all.find(ran => ran.index === index - 1)
        const ran = await start(
          test,
          folder,
          mode,
          writers[index] as Writer,
          index,
          group[0] === index ? undefined : before,
        )
        if (ran) all.push(ran)
      }
    })
    await Promise.all(works)
    await Promise.all(all.map(({ playing }) => inTime(playing.acted, 'the end of what a client does', 30_000)))
    await inTime(Promise.race([delay(1000), Promise.all(all.map(({ playing }) => playing.closed))]), 'a pause')
    await leaveAll(all.map(({ playing }) => playing))
    await inTime(Promise.all(all.map(({ server }) => server.ended)), 'the end of every process', 20_000)
  } finally {
    await leaveAll(all.map(({ playing }) => playing))
  }
  written += all.length
  check(folder, mode, precious, all)
}

/** Those that succeed one another, in turn; the groups run at once. */
function starts(writers: readonly Writer[]): number[][] {
  const groups: number[][] = []
  for (const [i, { succeeds }] of writers.entries()) {
    if (succeeds && i > 0) groups.at(-1)?.push(i)
    else groups.push([i])
  }
  return groups
}

/** A successor starts when the one before it drains, which has let go of the place then. */
async function start(
  test: Test,
  folder: string,
  mode: Case['mode'],
  { client, drains }: Writer,
  index: number,
  before: Ran | undefined,
): Promise<Ran | undefined> {
  let port = 0
  if (before) {
    port = Number((await before.server.logged('listening')).port)
    before.server.kill('SIGTERM')
    await Promise.race([before.server.logged('draining').catch(() => {}), before.server.ended])
  }
  const args = ['serve', `127.0.0.1:${port}`, '--once', '-o', output, ...(mode === '--force' ? ['--force'] : [])]
  const options = { cwd: folder, faults: null, timeout: 120_000, stdio: ['ignore', 'ignore', 'pipe'] } as const
  const server = tcpPipe(test, [...args, '--drain-timeout', '20s'], { ...options, stdio: [...options.stdio] })
  const place = await server.logged('listening').catch(async error => {
    const { code, stderr } = await server.ended
    // It starts when another has claimed the name: before its words are checked, or between the check and its start.
    const isRefused = mode === 'refuse' && [1, 2].includes(code as number)
    if (!isRefused || !stderr.includes(`'${output}' exists; --force`)) throw error
  })
  if (!place) return undefined
  const playing = play(client, { port: Number(place.port), host: '127.0.0.1' }, Buffer.alloc(0))
  if (drains !== undefined) {
    await delay(drains)
    server.kill('SIGTERM')
  }
  return { index, server, client, playing }
}

interface Report {
  readonly ran: Ran
  readonly line: LogLine | undefined
  readonly file: string | undefined
  readonly bytes: number
}

function check(folder: string, mode: Case['mode'], precious: ReadonlyMap<string, Buffer>, all: readonly Ran[]): void {
  const found = new Map(readdirSync(folder).map(name => [name, readFileSync(join(folder, name))]))
  for (const [name, bytes] of precious)
    if (!found.get(name)?.equals(bytes)) throw new Finding(`'${name}', which was there before, is not what it was`)
  const reports = all.map(ran => reportOf(ran))
  const claims = reports.filter(({ file }) => file === output)
  if (mode === 'refuse' && claims.length > 1)
    throw new Finding(`${claims.length} processes report '${output}' as theirs`)
  if (claims.length > 0 !== found.has(output)) throw new Finding(`'${output}' is there, and nobody's, or the reverse`)
  for (const report of reports) checkReport(report, found, claims.length === 1)
  if (claims.length > 1 && !claims.some(({ ran }) => found.get(output)?.equals(sentBy(ran.client, ran.playing))))
    throw new Finding(`'${output}' is not what any client has sent`)
  const known = new Set([...precious.keys(), ...reports.map(({ file }) => file)])
  const strange = [...found.keys()].filter(name => !known.has(name))
  if (strange.length > 0) {
    const told = reports.map(({ line }) => JSON.stringify(line)).join('\n')
    throw new Finding(`files that nobody reports: ${strange.join(', ')}; the lines of the connections:\n${told}`)
  }
  const parts = reports.map(({ file }) => file).filter(file => file?.endsWith('.part'))
  if (new Set(parts).size < parts.length) throw new Finding(`two processes report one part: ${parts.join(', ')}`)
}

function reportOf(ran: Ran): Report {
  const line = checkLog(ran.server.stderr()).find(
    ({ msg }) => msg === 'connection closed' || msg === 'connection failed',
  )
  const { file, bytes = 0 } = (line?.sink ?? {}) as { file?: string; bytes?: number }
  return { ran, line, file, bytes }
}

/** The file that is reported has what was sent: all of it under its name, and so many bytes as are reported in a part. */
function checkReport({ ran, line, file, bytes }: Report, found: ReadonlyMap<string, Buffer>, isOnly: boolean): void {
  const { index, client, playing } = ran
  const who = `process ${index + 1}`
  const { ended } = playing.seen
  checkSeen(index, playing, { expected: Buffer.alloc(0), exact: false, resets: true })
  if (ended && file !== output) throw new Finding(`${who}: its client has got a clean end, and '${file}' is no name`)
  if (!file) return
  const sent = sentBy(client, playing)
  const content = found.get(file)
  const failed = line?.msg === 'connection failed'
  if (!content) throw new Finding(`${who}: it reports '${file}', which is not there`)
  if (failed !== file.endsWith('.part')) throw new Finding(`${who}: '${line?.msg}' with the file '${file}'`)
  if (file === output && !isOnly) return
  if (content.length !== bytes || !content.equals(sent.subarray(0, bytes)))
    throw new Finding(`${who}: '${file}' has ${content.length} bytes; ${bytes} are reported, ${sent.length} were sent`)
  const mayVanish = client.actions.some(([what]) => what === 'destroy')
  if (file === output && bytes !== sent.length && !mayVanish && ended)
    throw new Finding(`${who}: '${file}' is claimed with ${bytes} of ${sent.length} bytes`)
}
