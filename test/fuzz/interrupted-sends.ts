/** Signals to `send`: at its start and in the middle of a transfer, once and again, from files and from a pipe. */
import { writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { hiddenReset } from '../../lib/endpoints/reset.js'
import { closed, listen, type Process, shortDirectory, tcpPipe } from '../e2e/support.js'
import fc from '../fast-check.js'
import { noise } from '../laws/support.js'
import { allGone, marked, stubborn } from './left.js'
import { checkLog } from './log.js'
import { Finding, inScope, inTime, type Part } from './part.js'
import { signalNames } from './signals.js'
import { losslessSpec } from './specs.js'

interface Case {
  readonly bytes: number
  readonly from: 'a file' | 'stdin'
  readonly transform: string
  readonly peer: 'echoes' | 'reads' | 'reads nothing for a while'
  /** Milliseconds after the start of the program, or after the first bytes at its peer. */
  readonly after: number
  readonly since: 'the start' | 'the first bytes'
  readonly signals: readonly (typeof signalNames)[number][]
}

const cases: fc.Arbitrary<Case> = fc.record({
  bytes: fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 100_000, max: 5_000_000 })),
  from: fc.constantFrom('a file', 'stdin'),
  transform: fc.oneof(losslessSpec, fc.constantFrom('throttle 1m', 'slice 777 | delay 5ms', stubborn)),
  peer: fc.constantFrom('echoes', 'reads', 'reads nothing for a while'),
  after: fc.nat(300),
  since: fc.constantFrom('the start', 'the first bytes', 'the first bytes'),
  signals: fc.array(fc.constantFrom(...signalNames), { minLength: 1, maxLength: 2 }),
})

let sent = 0

export const interruptedSends: Part<Case> = {
  name: 'signals to send',
  cases,
  runs: 1,
  play: value => inScope(test => playCase(test, value)),
  describe: value => [`tcp-pipe ${words(value, 'TARGET').join(' ')}`, JSON.stringify(value)],
  total: () => `${sent} sends that were interrupted`,
}

/** What the peer of a send has seen. */
interface Seen {
  readonly received: Buffer[]
  hasEnded: boolean
  readonly first: Promise<void>
}

async function playCase(test: Test, value: Case): Promise<void> {
  const folder = shortDirectory(test)
  const data = noise(value.bytes, 71)
  writeFileSync(join(folder, 'data'), data)
  const sockets: Socket[] = []
  let note: () => void = () => {}
  const first = new Promise<void>(resolve => {
    note = resolve
  })
  const seen: Seen = { received: [], hasEnded: false, first }
  const target = await listen(test, socket => {
    sockets.push(socket)
    follow(socket, value, seen, note)
  })
  const program = tcpPipe(test, words(value, target.to), {
    cwd: folder,
    env: marked(folder),
    input: value.from === 'stdin' ? data : '',
    faults: null,
    timeout: 120_000,
  })
  sent++
  if (value.since === 'the first bytes') await Promise.race([first, program.ended])
  await Promise.race([delay(value.after), program.ended])
  for (const signal of value.signals) program.kill(signal)
  await checkEnd(program, value)
  await inTime(Promise.all(sockets.map(socket => closed(socket))), 'the close of the peer')
  checkPeer(program, data, seen)
  await allGone(folder)
}

function words({ from, transform }: Case, to: string): string[] {
  return ['send', from === 'stdin' ? '-' : 'data', '--to', to, ...(transform ? ['-t', transform] : [])]
}

function follow(socket: Socket, { peer }: Case, seen: Seen, note: () => void): void {
  socket.on('data', chunk => {
    seen.received.push(chunk)
    note()
    if (peer === 'echoes') socket.write(chunk)
  })
  socket.on('end', () => {
    seen.hasEnded = hiddenReset(socket) === undefined
    if (seen.hasEnded) socket.end()
    else socket.destroy()
  })
  if (peer !== 'reads nothing for a while') return
  socket.pause()
  const timer = setTimeout(() => socket.resume(), 400)
  socket.once('close', () => clearTimeout(timer))
}

async function checkEnd(program: Process, { signals }: Case): Promise<void> {
  const { code, signal, stderr } = await inTime(program.ended, `the end of send after ${signals}`)
  const allowed: unknown[] = [0, ...signals]
  const end = signal ?? code
  if (!allowed.includes(end))
    throw new Finding(`send ended with ${end}, not ${allowed.join(' or ')}; stderr: ${stderr}`)
  const lines = checkLog(stderr)
  const failed = lines.some(({ msg }) => msg === 'connection failed')
  if (end === 0 && failed) throw new Finding(`send ended with 0, and has failed: ${stderr}`)
}

/** A clean end means that all has come; an exit code of 0 means that it has. */
function checkPeer(program: Process, data: Buffer, { received, hasEnded }: Seen): void {
  const bytes = Buffer.concat(received)
  const { exitCode } = program.child
  if (!bytes.equals(data.subarray(0, bytes.length))) throw new Finding('other bytes came than were sent')
  const isWhole = hasEnded && bytes.length === data.length
  if (hasEnded && !isWhole) throw new Finding(`a clean end after ${bytes.length} of ${data.length} bytes`)
  if (exitCode === 0 && !isWhole) throw new Finding(`exit 0, and ${bytes.length} of ${data.length} bytes have come`)
  const stdout = program.stdout()
  if (!stdout.equals(data.subarray(0, stdout.length))) throw new Finding('other bytes came back than were sent')
}
