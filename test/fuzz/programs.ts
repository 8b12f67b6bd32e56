/** Servers in processes of their own, in any configuration, and clients that do anything to them. */
import { writeFileSync } from 'node:fs'
import type { NetConnectOpts, Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { freePort, listen, type Process, shortDirectory, tcpPipe } from '../e2e/support.js'
import fc from '../fast-check.js'
import { noise } from '../laws/support.js'
import {
  anyClients,
  type Client,
  checkSeen,
  clients,
  describeClients,
  honest,
  leaveAll,
  ordinaryClient,
  type Promises,
  play,
  playToTheEnd,
} from './clients.js'
import { checkLog } from './log.js'
import { Finding, inScope, inTime, type Part } from './part.js'
import { descriptors, restored } from './resources.js'
import { losslessSpec, validSpec } from './specs.js'

/** Where what clients send goes. */
const sinks = ['reply', 'stdout', 'address', 'file', 'source'] as const

/** How the server that a proxy or a sink dials behaves. */
const targets = {
  echo: (socket: Socket) => void socket.pipe(socket),
  mute: (socket: Socket) => void socket.resume().on('end', () => socket.end()),
  deaf: () => {},
  'resets at the first byte': (socket: Socket) => void socket.once('data', () => socket.resetAndDestroy()),
  'ends at once': (socket: Socket) => void socket.resume().end('bye'),
  destroys: (socket: Socket) => void socket.destroy(),
} as const

type Target = keyof typeof targets | 'absent'

interface Case {
  readonly command: 'serve' | 'proxy'
  readonly unix: boolean
  readonly sink: (typeof sinks)[number]
  readonly target: Target
  readonly transform: string
  readonly replyTransform: string
  /** Nothing but what clients do to each other is in the way: every byte must come. */
  readonly exact: boolean
  readonly maxConnections: number
  /** Milliseconds. */
  readonly timeout: number
  /** SIGTERM when all is over, or so many milliseconds after the first client; then perhaps another one. */
  readonly signal: 'at the end' | { readonly after: number; readonly again: boolean }
  readonly clients: readonly Client[]
}

const common = { command: fc.constantFrom('serve' as const, 'proxy' as const), unix: fc.boolean() }

const exactCases: fc.Arbitrary<Case> = fc.record({
  ...common,
  sink: fc.constantFrom('reply' as const, 'source' as const),
  target: fc.constant('echo' as const),
  transform: losslessSpec,
  replyTransform: losslessSpec,
  exact: fc.constant(true),
  maxConnections: fc.constant(1000),
  timeout: fc.constant(20_000),
  signal: fc.constant('at the end' as const),
  clients: clients(honest),
})

const anyCases: fc.Arbitrary<Case> = fc.record({
  ...common,
  sink: fc.constantFrom(...sinks),
  target: fc.oneof(
    { weight: 2, arbitrary: fc.constant<Target>('echo') },
    { weight: 1, arbitrary: fc.constantFrom<Target>('absent', ...(Object.keys(targets) as Target[])) },
  ),
  transform: fc.oneof(losslessSpec, validSpec),
  replyTransform: fc.oneof(losslessSpec, validSpec),
  exact: fc.constant(false),
  maxConnections: fc.integer({ min: 1, max: 30 }),
  timeout: fc.integer({ min: 100, max: 600 }),
  signal: fc.oneof(
    { weight: 2, arbitrary: fc.constant('at the end' as const) },
    { weight: 1, arbitrary: fc.record({ after: fc.nat(150), again: fc.boolean() }) },
  ),
  clients: anyClients,
})

/** Milliseconds that connections and their descriptors may still be there when all clients have gone. */
const settleTime = 10_000

/** What each client is sent in a configuration with a source. */
const sourceBytes = noise(100_000, 21)

let connections = 0
let servers = 0

export const programs: Part<Case> = {
  name: 'a server in its own process',
  cases: fc.oneof(exactCases, anyCases),
  runs: 1,
  play: value => inScope(test => playCase(test, value)),
  describe: value => [
    `tcp-pipe ${words(value, { folder: 'FOLDER', target: 'TARGET' }).join(' ')}`,
    `the target: ${value.target}; SIGTERM: ${JSON.stringify(value.signal)}`,
    ...describeClients(value.clients),
  ],
  total: () => `${connections} connections to ${servers} servers in processes of their own`,
}

async function playCase(test: Test, value: Case): Promise<void> {
  const folder = shortDirectory(test)
  writeFileSync(join(folder, 'source'), sourceBytes)
  const target = await openTarget(test, value.target)
  const server = tcpPipe(test, words(value, { folder, target }), {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    faults: null,
    timeout: 120_000,
  })
  const { address, port } = await server.logged('listening')
  const to: NetConnectOpts = value.unix ? { path: String(address) } : { port: Number(port), host: '127.0.0.1' }
  const before = descriptors(server.pid)
  servers++
  connections += value.clients.length
  const promises = promisesOf(value)
  const playing = value.clients.map(client => play(client, to, promises.expected))
  try {
    if (value.signal === 'at the end') {
      await playToTheEnd(playing, () => promises.exact)
      await restored('the descriptors of the server', before, () => descriptors(server.pid), settleTime)
      playing.push(await ordinaryClient(to, promises.expected))
      await restored('the descriptors of the server', before, () => descriptors(server.pid), settleTime)
      server.kill('SIGTERM')
      await checkEnd(server, [0])
    } else {
      await delay(value.signal.after)
      server.kill('SIGTERM')
      if (value.signal.again) {
        await delay(20)
        server.kill('SIGTERM')
      }
      await checkEnd(server, value.signal.again ? [0, 1, 143, 'SIGTERM'] : [0, 1])
      await leaveAll(playing)
    }
  } finally {
    await leaveAll(playing)
  }
  for (const [i, client] of playing.entries()) checkSeen(i, client, promises)
  checkLog(server.stderr())
}

function promisesOf({ command, sink, target, transform, replyTransform, exact, unix }: Case): Promises {
  const isPlain = exact || (transform === '' && replyTransform === '')
  const echoes = command === 'proxy' ? target === 'echo' : sink === 'reply'
  const expected = !isPlain ? undefined : echoes ? 'echo' : sink === 'source' ? sourceBytes : undefined
  return { expected: command === 'proxy' && !echoes ? undefined : expected, exact, resets: !unix }
}

/** The arguments of the command line. */
function words(value: Case, { folder, target }: { folder: string; target: string }): string[] {
  const { command, unix, sink, transform, replyTransform, maxConnections, timeout } = value
  const listen = unix ? `unix:${folder}/s` : '127.0.0.1:0'
  const toAddress = command === 'proxy' ? [target] : []
  const isAnswered = command === 'proxy' || sink === 'source'
  const places = {
    reply: ['--reply'],
    stdout: [],
    address: ['--to', target],
    file: ['-o', '{id}.out'],
    source: ['--from', 'source'],
  }
  return [
    command,
    listen,
    ...toAddress,
    ...(command === 'serve' ? places[sink] : []),
    ...(transform ? ['-t', transform] : []),
    ...(replyTransform && isAnswered ? ['-r', replyTransform] : []),
    ...['--max-connections', String(maxConnections)],
    ...['--idle-timeout', `${timeout}ms`, '--half-closed-timeout', `${timeout}ms`],
    ...['--drain-timeout', `${Math.min(timeout, 1000)}ms`],
  ]
}

async function openTarget(test: Test, target: Target): Promise<string> {
  return target === 'absent' ? `127.0.0.1:${await freePort()}` : (await listen(test, targets[target])).to
}

async function checkEnd(server: Process, allowed: readonly (number | NodeJS.Signals)[]): Promise<void> {
  const { code, signal, stderr } = await inTime(server.ended, 'the end of the server after SIGTERM')
  const end = signal ?? code
  if (end === null || !allowed.includes(end))
    throw new Finding(`the server ended with ${end}, not ${allowed.join(' or ')}; stderr: ${stderr.slice(-3000)}`)
}
