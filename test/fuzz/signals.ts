/** Signals to servers and proxies of their own: at the start, in the middle of transfers, in a drain, and again. */
import { existsSync, readFileSync } from 'node:fs'
import type { NetConnectOpts } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { eventually, type LogLine, listen, type Process, shortDirectory, tcpPipe } from '../e2e/support.js'
import fc from '../fast-check.js'
import {
  type Client,
  checkSeen,
  describeClients,
  fewClients,
  leaveAll,
  type Playing,
  type Promises,
  play,
  sentBy,
} from './clients.js'
import { allGone, marked, stubborn } from './left.js'
import { checkLog } from './log.js'
import { Finding, inScope, inTime, type Part } from './part.js'
import { losslessSpec } from './specs.js'

export const signalNames = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

type Signal = (typeof signalNames)[number]

/** They drain; the others end the program at once. */
const gentle: readonly string[] = ['SIGINT', 'SIGTERM']

/** Milliseconds in which the same signal counts once. */
const sameSignal = 300

interface Case {
  readonly command: 'serve' | 'proxy'
  readonly unix: boolean
  readonly sink: 'reply' | 'file' | 'stdout'
  readonly transform: string
  /** Milliseconds from the start of the program, or of its clients, to the first one. */
  readonly from: 'the start' | 'the first client'
  readonly after: number
  readonly signal: Signal
  /** Another one so much later, which is repeated until the program ends. */
  readonly again: { readonly after: number; readonly signal: Signal } | undefined
  /** A client that stays keeps the program from ending before the drain timeout. */
  readonly isHeld: boolean
  readonly clients: readonly Client[]
}

const signal = fc.constantFrom(...signalNames)

const cases: fc.Arbitrary<Case> = fc.record({
  command: fc.constantFrom('serve', 'proxy'),
  unix: fc.boolean(),
  sink: fc.constantFrom('reply', 'file', 'stdout'),
  transform: fc.oneof(losslessSpec, fc.constantFrom('throttle 500k', 'slice 777 | delay 20ms', stubborn)),
  from: fc.oneof(
    { weight: 1, arbitrary: fc.constant('the start' as const) },
    { weight: 3, arbitrary: fc.constant('the first client' as const) },
  ),
  after: fc.nat(400),
  signal,
  again: fc.option(fc.record({ after: fc.nat(500), signal }), { nil: undefined }),
  isHeld: fc.boolean(),
  clients: fewClients,
})

const holder: Client = { content: 'noise', after: 0, actions: [['write', 1000]] }

let sent = 0

export const signals: Part<Case> = {
  name: 'signals to a server in its own process',
  cases,
  runs: 1,
  play: value => inScope(test => playCase(test, value)),
  describe: value => [
    `tcp-pipe ${words(value, 'FOLDER', 'TARGET').join(' ')}`,
    `${value.signal} ${value.after} ms after ${value.from}, then ${JSON.stringify(value.again ?? 'none')}`,
    ...describeClients(clientsOf(value)),
  ],
  total: () => `${sent} signals`,
}

async function playCase(test: Test, value: Case): Promise<void> {
  const folder = shortDirectory(test)
  const { to: target } = await listen(test, socket => void socket.pipe(socket))
  const program = tcpPipe(test, words(value, folder, target), {
    cwd: folder,
    env: marked(folder),
    stdio: ['ignore', 'pipe', 'pipe'],
    faults: null,
    timeout: 120_000,
  })
  const playing: Playing[] = []
  try {
    if (value.from === 'the start') await delay(value.after)
    else {
      const { address, port } = await program.logged('listening')
      const to: NetConnectOpts = value.unix ? { path: String(address) } : { port: Number(port), host: '127.0.0.1' }
      for (const [i, client] of clientsOf(value).entries()) {
        playing.push(play(client, to, expectedOf(value)))
        if (i === 0 && value.isHeld) await eventually('a connection', () => playing[0]?.seen.connected === true)
      }
      await delay(value.after)
    }
    await strike(program, value)
    await checkEnd(program, value)
  } finally {
    await leaveAll(playing)
  }
  for (const [i, client] of playing.entries()) {
    checkSeen(i, client, { expected: expectedOf(value), exact: false, resets: !value.unix })
    if (value.sink === 'file' && value.command === 'serve') checkFile(folder, clientsOf(value)[i] as Client, client)
  }
  if (value.sink === 'stdout' && value.command === 'serve') checkStdout(program.stdout(), value, playing)
  if (value.unix && existsSync(join(folder, 's'))) throw new Finding('the unix socket is still there')
  await allGone(folder)
}

function clientsOf({ isHeld, clients }: Case): readonly Client[] {
  return isHeld ? [holder, ...clients] : clients
}

/** An answer that is not an echo is none. */
function expectedOf({ command, sink }: Case): Promises['expected'] {
  return command === 'proxy' || sink === 'reply' ? 'echo' : Buffer.alloc(0)
}

function words(value: Case, folder: string, target: string): string[] {
  const { command, unix, sink, transform, again } = value
  const places = { reply: ['--reply'], file: ['-o', unix ? '{id}.out' : '{port}.out'], stdout: [] }
  return [
    command,
    unix ? `unix:${folder}/s` : '127.0.0.1:0',
    ...(command === 'proxy' ? [target] : places[sink]),
    ...(transform ? ['-t', transform] : []),
    ...['--idle-timeout', '60s', '--drain-timeout', again ? '60s' : '500ms'],
  ]
}

/** The second signal is repeated, since it may come so soon that it counts as the first one. */
async function strike(program: Process, { signal, again }: Case): Promise<void> {
  program.kill(signal)
  sent++
  if (!again) return
  let isOver = false
  void program.ended.then(() => {
    isOver = true
  })
  await Promise.race([delay(again.after), program.ended])
  for (let i = 0; i < 50 && !isOver; i++) {
    program.kill(again.signal)
    sent++
    await Promise.race([delay(sameSignal + 100), program.ended])
  }
}

async function checkEnd(program: Process, value: Case): Promise<void> {
  const { code, signal, stderr } = await inTime(program.ended, `the end of the program after ${value.signal}`, 20_000)
  const end = signal ?? code
  const lines = checkLog(stderr)
  const allowed = allowedEnds(value, lines)
  if (!allowed.includes(end))
    throw new Finding(`ended with ${end}, not ${allowed.join(' or ')}; stderr: ${stderr.slice(-3000)}`)
}

/**
 * At the start a signal may come before the program handles it. Two that are there when the program looks come in any
 * order. The client that stays is accepted first, so that any connection tells that this one was there.
 */
function allowedEnds({ from, signal, again, isHeld }: Case, lines: readonly LogLine[]): (number | string | null)[] {
  const drained = lines.some(({ msg }) => msg === 'connections reset after the drain timeout') ? 1 : 0
  const wasHeld = isHeld && lines.some(({ msg, connections }) => /^connection /.test(msg) || Number(connections) > 0)
  const both = [signal, ...(again ? [again.signal] : [])]
  if (from === 'the start') return [...both, drained]
  if (!both.some(name => gentle.includes(name))) return both
  if (again) return wasHeld ? both : [...both, 0]
  return [wasHeld ? 1 : drained]
}

/** A name that is claimed has all that its client has sent, and whoever has got a clean end has its name claimed. */
function checkFile(folder: string, client: Client, playing: Playing): void {
  const { port, ended, halfClosed } = playing.seen
  if (port === undefined || !existsSync(folder)) return
  const bytes = sentBy(client, playing)
  const whole = join(folder, `${port}.out`)
  if (existsSync(whole)) {
    const isAll = halfClosed && readFileSync(whole).equals(bytes)
    const mayVanish = client.actions.some(([what]) => what === 'destroy') // the kernel ends for it, wherever it is
    if (!isAll && !mayVanish) throw new Finding(`${port}.out is claimed, and is not what was sent`)
  } else if (ended) throw new Finding(`a clean end, and ${port}.out is not there`)
  if (!existsSync(`${whole}.part`)) return
  const part = readFileSync(`${whole}.part`)
  if (!part.equals(bytes.subarray(0, part.length))) throw new Finding(`${port}.out.part is not what was sent`)
}

/**
 * The bytes of one client are a part of what it has sent; all of those that have ended well have come. A unix socket has no
 * reset: there, the end of a connection that has failed looks the same.
 */
function checkStdout(stdout: Buffer, value: Case, playing: readonly Playing[]): void {
  const all = playing.map((client, i) => sentBy(clientsOf(value)[i] as Client, client))
  const most = all.reduce((sum, bytes) => sum + bytes.length, 0)
  const least = all.reduce((sum, bytes, i) => sum + (playing[i]?.seen.ended && !value.unix ? bytes.length : 0), 0)
  if (stdout.length > most || stdout.length < least)
    throw new Finding(`${stdout.length} bytes on stdout; at least ${least} have been taken, ${most} sent`)
  const [only] = all
  if (all.length === 1 && only && !stdout.equals(only.subarray(0, stdout.length)))
    throw new Finding('other bytes on stdout than were sent')
}
