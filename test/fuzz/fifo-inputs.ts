/** FIFOs that are read: of `serve --from`, and of `send`. */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { hiddenReset } from '../../lib/endpoints/reset.js'
import { closed, eventually, listen } from '../e2e/support.js'
import { makeFifos, openBoth, writeFifo } from './fifo.js'
import {
  accepted,
  checkDrain,
  checkGiven,
  client,
  dataOf,
  drain,
  type OwnUse,
  socketsOf,
  start,
} from './fifo-clients.js'
import { Finding, inTime } from './part.js'

export async function playFrom(test: Test, folder: string, only: OwnUse): Promise<void> {
  const path = join(folder, 'p')
  makeFifos([path])
  const data = dataOf(only, 0)
  const server = start(test, folder, ['serve', '127.0.0.1:0', '-o', '/dev/null', '--from', 'p', ...drain])
  const { port } = await server.logged('listening')
  const before = socketsOf(server)
  const writer = writeFifo(path, data, only.peer)
  try {
    const one = client(test, { port: Number(port) }, Buffer.from('x'))
    const isWaiting = only.peer.kind === 'never'
    if (isWaiting) await accepted(server, before, 1)
    else await inTime(closed(one.socket), 'the end of the client', 30_000)
    await checkDrain(server, isWaiting ? 1 : 0)
    await inTime(closed(one.socket), 'the end of the client')
    checkGiven(data.subarray(0, writer.gives), Buffer.concat(one.received), one.hasEnded, !isWaiting)
  } finally {
    await writer.stop()
  }
}

/** The end of the writer is the end of the input; without one, SIGTERM resets the peer. */
export async function playSend(
  test: Test,
  folder: string,
  only: OwnUse,
  place: 'send a FIFO' | 'send from stdin',
): Promise<void> {
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
