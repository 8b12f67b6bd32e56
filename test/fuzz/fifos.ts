/** FIFOs in every place of a command line, whose other ends come early, late or never, or leave in the middle. */
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import type { Test } from 'tap'
import { hiddenReset } from '../../lib/endpoints/reset.js'
import { closed, eventually, listen, type Process, shortDirectory, tcpPipe } from '../e2e/support.js'
import { noise } from '../laws/support.js'
import {
  describePeer,
  fifoRoom,
  makeFifos,
  openBoth,
  type Peer,
  peers,
  type Reader,
  readFifo,
  writeFifo,
} from './fifo.js'
import { checkLog } from './log.js'
import { Finding, inScope, inTime, type Part } from './part.js'

/** Where a FIFO is written, in the words of a server; each client has its own, and an ordinary file has no peer. */
const outputs = {
  '-o': ['-o', '{remote}'],
  '-o --append': ['-o', '{remote}', '--append'],
  tee: ['-o', '/dev/null', '-t', 'tee {remote}'],
  'tee append=true': ['-o', '/dev/null', '-t', 'slice 777 | tee {remote} append=true'],
  dump: ['-o', '/dev/null', '-t', 'dump file={remote}'],
} as const

type Place = keyof typeof outputs | '--from' | 'send a FIFO' | 'send from stdin' | 'serve to stdout' | 'stderr'

interface Use {
  readonly peer: Peer | undefined
  readonly bytes: number
}

interface Case {
  readonly place: Place
  /** One for each client; those that have a place of their own are one. */
  readonly uses: readonly Use[]
}

const use = (peer: fc.Arbitrary<Peer | undefined>): fc.Arbitrary<Use> =>
  fc.record({ peer, bytes: fc.oneof(fc.nat(2000), fc.nat(400_000)) })

const cases: fc.Arbitrary<Case> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      place: fc.constantFrom(...(Object.keys(outputs) as Place[])),
      uses: fc.array(use(fc.option(peers, { nil: undefined, freq: 4 })), { minLength: 1, maxLength: 8, size: 'max' }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      place: fc.constantFrom<Place>('--from', 'send a FIFO', 'send from stdin', 'serve to stdout', 'stderr'),
      uses: fc.tuple(use(peers)),
    }),
  },
)

let played = 0

export const fifos: Part<Case> = {
  name: 'FIFOs',
  cases,
  runs: 1,
  play: value => inScope(test => playCase(test, value)),
  describe: ({ place, uses }) => [
    place,
    ...uses.map(({ peer, bytes }) => `${bytes} bytes, the other end: ${peer ? describePeer(peer) : 'a file'}`),
  ],
  total: () => `${played} FIFOs`,
}

function playCase(test: Test, { place, uses }: Case): Promise<void> {
  const folder = shortDirectory(test)
  const only = uses[0] as Use & { peer: Peer }
  played += uses.length
  if (place === '--from') return playFrom(test, folder, only)
  if (place === 'send a FIFO' || place === 'send from stdin') return playSend(test, folder, only, place)
  if (place === 'serve to stdout') return playStdout(test, folder, only)
  if (place === 'stderr') return playStderr(test, folder, only)
  return playOutputs(test, folder, place, uses)
}

/** Bytes of their own for each client. */
const dataOf = ({ bytes }: Use, index: number) => noise(bytes, index + 41)

interface Client {
  readonly socket: Socket
  readonly received: Buffer[]
  /** A clean end has come, and no reset behind it. */
  hasEnded: boolean
}

/** Sends the bytes and its end, and reads. */
function client(test: Test, to: { port: number; localAddress?: string } | { path: string }, data: Buffer): Client {
  const host = 'port' in to ? { host: '127.0.0.1' } : {}
  const one: Client = { socket: connect({ ...to, ...host, allowHalfOpen: true }), received: [], hasEnded: false }
  one.socket.on('error', () => {}).on('data', chunk => one.received.push(chunk))
  one.socket.on('end', () => {
    one.hasEnded = hiddenReset(one.socket) === undefined
    one.socket.destroy()
  })
  one.socket.end(data)
  test.teardown(() => one.socket.destroy())
  return one
}

function start(test: Test, folder: string, args: readonly string[], stdio?: ('pipe' | 'ignore' | number)[]): Process {
  const options = { cwd: folder, faults: null, timeout: 120_000, stdio: stdio ?? ['ignore', 'ignore', 'pipe'] } as const
  return tcpPipe(test, args, { ...options, stdio: [...options.stdio] })
}

const drain = ['--drain-timeout', '300ms', '--idle-timeout', 'off']

async function playOutputs(
  test: Test,
  folder: string,
  place: keyof typeof outputs,
  uses: readonly Use[],
): Promise<void> {
  const path = (i: number) => join(folder, addressOf(i))
  makeFifos(uses.flatMap(({ peer }, i) => (peer ? [path(i)] : [])))
  const server = start(test, folder, ['serve', '127.0.0.1:0', ...outputs[place], ...drain])
  const { port } = await server.logged('listening')
  const readers = uses.map(({ peer }, i) => (peer ? readFifo(path(i), peer) : undefined))
  const sockets = uses.map((each, i) =>
    client(test, { port: Number(port), localAddress: addressOf(i) }, dataOf(each, i)),
  )
  const isWaiting = (i: number) => uses[i]?.peer?.kind === 'never'
  const ending = sockets.filter((_, i) => !isWaiting(i)).map(({ socket }) => closed(socket))
  try {
    await inTime(Promise.all(ending), 'the end of clients whose FIFO has a peer', 30_000)
    await eventually('a connection of each client', () => sockets.every(({ socket }) => !socket.connecting))
    const waiting = uses.filter((_, i) => isWaiting(i)).length
    await checkDrain(server, waiting)
  } finally {
    await Promise.all(readers.map(reader => reader?.finish()))
  }
  for (const [i, each] of uses.entries()) {
    const taken = readers[i] ? (readers[i] as Reader).taken() : readFileSync(path(i))
    checkTaken(
      `client ${i + 1}`,
      each,
      dataOf(each, i),
      place === 'dump' ? undump(taken) : taken,
      sockets[i] as Client,
      place === 'dump',
    )
  }
}

function addressOf(index: number): string {
  return `127.0.0.${index + 2}`
}

/** Those that still wait are cut, and counted; without any the end is a good one. */
async function checkDrain(server: Process, waiting: number): Promise<void> {
  server.kill('SIGTERM')
  const { code, signal, stderr } = await inTime(server.ended, 'the end of the server after SIGTERM', 10_000)
  const cut = checkLog(stderr).find(({ msg }) => msg === 'connections reset after the drain timeout')?.cut ?? 0
  if (cut !== waiting) throw new Finding(`${cut} connections were cut, ${waiting} were waiting; stderr: ${stderr}`)
  if (code !== (waiting > 0 ? 1 : 0)) throw new Finding(`ended with ${signal ?? code}, ${waiting} were waiting`)
}

/** A clean end is a promise that all has been taken; a peer that comes and stays gets all, and the client that end. */
function checkTaken(
  who: string,
  { peer }: Use,
  data: Buffer,
  taken: Buffer,
  { hasEnded }: Client,
  isDump = false,
): void {
  const isPart = taken.equals(data.subarray(0, taken.length))
  if (!isPart && !(isDump && peer?.kind === 'leaves'))
    throw new Finding(`${who}: other bytes were taken than were sent`)
  const kind = peer?.kind ?? 'file'
  const stays = kind !== 'never' && kind !== 'leaves'
  if (stays && !(hasEnded && taken.length === data.length))
    throw new Finding(
      `${who} (${kind}): ${taken.length} of ${data.length} bytes taken, ${hasEnded ? 'a' : 'no'} clean end`,
    )
  if (kind === 'never' && hasEnded) throw new Finding(`${who}: a clean end, and nobody has read`)
  const room = isDump ? 5 * fifoRoom : fifoRoom
  if (kind === 'leaves' && hasEnded && data.length - taken.length > room)
    throw new Finding(`${who}: a clean end, and the reader has left after ${taken.length} of ${data.length} bytes`)
}

/** The bytes that the rows of a hex dump show, as far as they are whole. */
function undump(text: Buffer): Buffer {
  const rows = text
    .toString('latin1')
    .split('\n')
    .filter(line => /^[0-9a-f]{8,} {2}/.test(line) && line.endsWith('|'))
  return Buffer.from(
    rows
      .map(row =>
        row
          .replace(/^\S+ {2}/, '')
          .replace(/ {2}\|.*$/s, '')
          .replaceAll(' ', ''),
      )
      .join(''),
    'hex',
  )
}

async function playFrom(test: Test, folder: string, only: Use & { peer: Peer }): Promise<void> {
  const path = join(folder, 'p')
  makeFifos([path])
  const data = dataOf(only, 0)
  const server = start(test, folder, ['serve', '127.0.0.1:0', '-o', '/dev/null', '--from', 'p', ...drain])
  const { port } = await server.logged('listening')
  const writer = writeFifo(path, data, only.peer)
  try {
    const one = client(test, { port: Number(port) }, Buffer.from('x'))
    const isWaiting = only.peer.kind === 'never'
    if (isWaiting) await eventually('a connection', () => !one.socket.connecting)
    else await inTime(closed(one.socket), 'the end of the client', 30_000)
    await checkDrain(server, isWaiting ? 1 : 0)
    await inTime(closed(one.socket), 'the end of the client')
    checkGiven(data.subarray(0, writer.gives), Buffer.concat(one.received), one.hasEnded, !isWaiting)
  } finally {
    await writer.stop()
  }
}

function checkGiven(data: Buffer, received: Buffer, hasEnded: boolean, isWhole: boolean): void {
  if (!received.equals(data.subarray(0, received.length))) throw new Finding('other bytes came than were given')
  if (hasEnded !== isWhole || (isWhole && received.length !== data.length))
    throw new Finding(`${received.length} of ${data.length} bytes came, with ${hasEnded ? 'a' : 'no'} clean end`)
}

/** The end of the writer is the end of the input; without one, SIGTERM resets the peer. */
async function playSend(test: Test, folder: string, only: Use & { peer: Peer }, place: Place): Promise<void> {
  const path = join(folder, 'p')
  makeFifos([path])
  const data = dataOf(only, 0)
  const received: Buffer[] = []
  let over: (hasEnded: boolean) => void
  const ended = new Promise<boolean>(resolve => {
    over = resolve
  })
  const target = await listen(test, socket => {
    socket.on('data', chunk => received.push(chunk)).on('close', () => over(false))
    socket.on('end', () => {
      over(hiddenReset(socket) === undefined)
      socket.end()
    })
  })
  const fromStdin = place === 'send from stdin'
  const hold = fromStdin ? openBoth(path) : -1
  const stdin = fromStdin ? openSync(path, 'r') : ('ignore' as const)
  const program = start(test, folder, ['send', fromStdin ? '-' : 'p', '--to', target.to], [stdin, 'ignore', 'pipe'])
  if (stdin !== 'ignore') closeSync(stdin)
  const connected = new Promise<void>(resolve => target.once('connection', () => resolve()))
  const writer = writeFifo(path, data, only.peer)
  const isWaiting = only.peer.kind === 'never'
  try {
    await inTime(connected, 'the connection of send')
    if (isWaiting) program.kill('SIGTERM')
    else if (hold >= 0) void writerDone(writer, received).then(() => closeSync(hold))
    const { code, signal, stderr } = await inTime(program.ended, 'the end of send', 30_000)
    if ((signal ?? code) !== (isWaiting ? 'SIGTERM' : 0))
      throw new Finding(`send ended with ${signal ?? code}: ${stderr}`)
    checkGiven(
      data.subarray(0, writer.gives),
      Buffer.concat(received),
      await inTime(ended, 'the end of the peer'),
      !isWaiting,
    )
  } finally {
    await writer.stop()
    if (hold >= 0 && isWaiting) closeSync(hold)
  }
}

/** The last writer of stdin is the one that holds it open until all has been given. */
async function writerDone(writer: { gives: number }, received: readonly Buffer[]): Promise<void> {
  const size = () => received.reduce((sum, { length }) => sum + length, 0)
  await eventually('all that is given', () => size() >= writer.gives, 30_000).catch(() => {})
}

/** With a reader that is to leave, it is the only one; otherwise the program has both ends, and waits for another reader. */
async function playStdout(test: Test, folder: string, only: Use & { peer: Peer }): Promise<void> {
  const { peer } = only
  const path = join(folder, 'p')
  makeFifos([path])
  const data = dataOf(only, 0)
  const reader = readFifo(path, peer)
  const stdout = peer.kind === 'leaves' ? openSync(path, 'w') : openSync(path, 'r+')
  const server = start(test, folder, ['serve', `unix:${folder}/s`, ...drain], ['ignore', stdout, 'pipe'])
  closeSync(stdout)
  await server.logged('listening')
  const one = client(test, { path: join(folder, 's') }, data)
  const isStuck = peer.kind === 'never' && data.length > fifoRoom
  const mayFit = peer.kind === 'never' && !isStuck
  try {
    await eventually('a connection', () => !one.socket.connecting)
    if (!isStuck && !mayFit) await inTime(closed(one.socket), 'the end of the client', 30_000)
    server.kill('SIGTERM')
    const { code, signal, stderr } = await inTime(server.ended, 'the end of the server', 10_000)
    const allowed = isStuck ? [1] : mayFit ? [0, 1] : peer.kind === 'leaves' ? [0, 141] : [0]
    if (!allowed.includes(code as number)) throw new Finding(`ended with ${signal ?? code}, not ${allowed}: ${stderr}`)
    checkLog(stderr)
    await inTime(closed(one.socket), 'the end of the client')
  } finally {
    await reader.finish()
  }
  const use: Use = mayFit ? { ...only, peer: { kind: 'leaves', behind: 0 } } : only
  checkTaken('the client', use, data, reader.taken(), { ...one, hasEnded: one.hasEnded && !mayFit })
}

/** stderr is full at first: the server serves, and ends in time; a reader that comes gets every line. */
async function playStderr(test: Test, folder: string, only: Use & { peer: Peer }): Promise<void> {
  const { peer } = only
  const path = join(folder, 'p')
  makeFifos([path])
  const reader = readFifo(path, peer)
  const stderr = peer.kind === 'leaves' ? openSync(path, 'w') : openSync(path, 'r+')
  const data = dataOf(only, 0)
  const words = ['serve', `unix:${folder}/s`, '--reply', '-t', 'slice 777 | logger preview=500', ...drain]
  const server = start(test, folder, words, ['ignore', 'ignore', stderr])
  closeSync(stderr)
  const socket = join(folder, 's')
  try {
    await eventually('the socket', () => existsSync(socket))
    const one = client(test, { path: socket }, data)
    await inTime(closed(one.socket), 'the end of the client', 30_000)
    checkGiven(data, Buffer.concat(one.received), one.hasEnded, true)
    server.kill('SIGTERM')
    const { code, signal } = await inTime(server.ended, 'the end of the server', 10_000)
    if (code !== 0) throw new Finding(`ended with ${signal ?? code}`)
  } finally {
    await reader.finish()
  }
  if (peer.kind === 'never' || peer.kind === 'leaves') return
  const lines = checkLog(String(reader.taken()))
  const chunks = lines.filter(({ msg }) => msg === 'chunk').length
  if (chunks !== Math.ceil(data.length / 777))
    throw new Finding(`${chunks} of ${Math.ceil(data.length / 777)} lines came`)
  if (!lines.some(({ msg }) => msg === 'connection closed')) throw new Finding('the line of the connection is missing')
}
