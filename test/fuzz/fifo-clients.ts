/** A server with FIFOs, its clients, and what both must come to. */
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import { hiddenReset } from '../../lib/endpoints/reset.js'
import { eventually, type Process, tcpPipe } from '../e2e/support.js'
import { noise } from '../laws/support.js'
import { fifoRoom, type Peer } from './fifo.js'
import { checkLog } from './log.js'
import { Finding, inTime } from './part.js'
import { descriptors } from './resources.js'

export interface Use {
  readonly peer: Peer | undefined
  readonly bytes: number
}

/** With a FIFO that nobody else has. */
export type OwnUse = Use & { readonly peer: Peer }

/** Bytes of their own for each client. */
export const dataOf = ({ bytes }: Use, index: number) => noise(bytes, index + 41)

export interface Client {
  readonly socket: Socket
  readonly received: Buffer[]
  /** A clean end has come, and no reset behind it. */
  hasEnded: boolean
}

/** Sends the bytes and its end, and reads. */
export function client(
  test: Test,
  to: { port: number; localAddress?: string } | { path: string },
  data: Buffer,
): Client {
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

export function start(
  test: Test,
  folder: string,
  args: readonly string[],
  stdio?: ('pipe' | 'ignore' | number)[],
): Process {
  const options = { cwd: folder, faults: null, timeout: 120_000, stdio: stdio ?? ['ignore', 'ignore', 'pipe'] } as const
  return tcpPipe(test, args, { ...options, stdio: [...options.stdio] })
}

export const drain = ['--drain-timeout', '300ms', '--idle-timeout', 'off']

export const socketsOf = ({ pid }: Process): number => descriptors(pid).socket ?? 0

/** Resolves when the server has taken so many connections that stay; a client is connected before that. */
export async function accepted(server: Process, before: number, count: number): Promise<void> {
  await eventually('connections that are accepted', () => socketsOf(server) >= before + count, 20_000)
}

/** Those that still wait are cut, and counted; without any the end is a good one. */
export async function checkDrain(server: Process, waiting: number): Promise<void> {
  server.kill('SIGTERM')
  const { code, signal, stderr } = await inTime(server.ended, 'the end of the server after SIGTERM', 20_000)
  const cut = checkLog(stderr).find(({ msg }) => msg === 'connections reset after the drain timeout')?.cut ?? 0
  if (cut !== waiting) throw new Finding(`${cut} connections were cut, ${waiting} were waiting; stderr: ${stderr}`)
  if (code !== (waiting > 0 ? 1 : 0)) throw new Finding(`ended with ${signal ?? code}, ${waiting} were waiting`)
}

/** A clean end is a promise that all has been taken; a peer that comes and stays gets all, and the client that end. */
export function checkTaken(
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

export function checkGiven(data: Buffer, received: Buffer, hasEnded: boolean, isWhole: boolean): void {
  if (!received.equals(data.subarray(0, received.length))) throw new Finding('other bytes came than were given')
  if (hasEnded !== isWhole || (isWhole && received.length !== data.length))
    throw new Finding(`${received.length} of ${data.length} bytes came, with ${hasEnded ? 'a' : 'no'} clean end`)
}
