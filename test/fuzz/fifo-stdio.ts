/** FIFOs as the stdout and the stderr of a server. */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { closed, eventually } from '../e2e/support.js'
import { listensAt } from '../unix-sockets.js'
import { fifoRoom, makeFifos, readFifo } from './fifo.js'
import {
  accepted,
  checkGiven,
  checkTaken,
  client,
  dataOf,
  drain,
  type OwnUse,
  socketsOf,
  start,
  type Use,
} from './fifo-clients.js'
import { checkLog } from './log.js'
import { Finding, inTime } from './part.js'

/**
 * With a reader that is to leave, it is the only one; otherwise the program has both ends, and waits for another reader. It
 * listens on TCP, since a unix socket has no reset: its client could not tell that bytes which were read are lost.
 */
export async function playStdout(test: Test, folder: string, only: OwnUse): Promise<void> {
  const { peer } = only
  const path = join(folder, 'p')
  makeFifos([path])
  const data = dataOf(only, 0)
  const reader = readFifo(path, peer)
  const hold = openSync(path, peer.kind === 'leaves' ? 'w' : 'r+') // what is in there outlives the program
  const stdout = openSync(path, 'w')
  const server = start(test, folder, ['serve', '127.0.0.1:0', ...drain], ['ignore', stdout, 'pipe'])
  closeSync(stdout)
  if (peer.kind === 'leaves') closeSync(hold)
  const { port } = await server.logged('listening')
  const before = socketsOf(server)
  const one = client(test, { port: Number(port) }, data)
  const isStuck = peer.kind === 'never' && data.length > fifoRoom
  const mayFit = peer.kind === 'never' && !isStuck
  try {
    if (isStuck) await accepted(server, before, 1)
    else if (mayFit) await eventually('a connection', () => !one.socket.connecting)
    else await inTime(closed(one.socket), 'the end of the client', 30_000)
    server.kill('SIGTERM')
    const { code, signal, stderr } = await inTime(server.ended, 'the end of the server', 20_000)
    const allowed = isStuck ? [1] : mayFit ? [0, 1] : peer.kind === 'leaves' ? [0, 141] : [0]
    if (!allowed.includes(code as number)) throw new Finding(`ended with ${signal ?? code}, not ${allowed}: ${stderr}`)
    checkLog(stderr)
    await inTime(closed(one.socket), 'the end of the client')
  } finally {
    await reader.finish()
    if (peer.kind !== 'leaves') closeSync(hold)
  }
  const use: Use = mayFit ? { ...only, peer: { kind: 'leaves', behind: 0 } } : only
  checkTaken('the client', use, data, reader.taken(), { ...one, hasEnded: one.hasEnded && !mayFit })
}

/** stderr is soon full: the server serves, and ends in time; a reader that comes gets every line. */
export async function playStderr(test: Test, folder: string, only: OwnUse): Promise<void> {
  const { peer } = only
  const path = join(folder, 'p')
  makeFifos([path])
  const reader = readFifo(path, peer)
  const hold = openSync(path, peer.kind === 'leaves' ? 'w' : 'r+')
  const stderr = openSync(path, 'w')
  const data = dataOf(only, 0)
  const words = ['serve', `unix:${folder}/s`, '--reply', '-t', 'slice 777 | logger preview=500', ...drain]
  const server = start(test, folder, words, ['ignore', 'ignore', stderr])
  closeSync(stderr)
  if (peer.kind === 'leaves') closeSync(hold)
  const socket = join(folder, 's')
  try {
    await eventually('the socket', () => listensAt(socket))
    const one = client(test, { path: socket }, data)
    await inTime(closed(one.socket), 'the end of the client', 30_000)
    checkGiven(data, Buffer.concat(one.received), one.hasEnded, true)
    if (peer.kind === 'early' || peer.kind === 'late')
      await eventually('the line of the connection', () => reader.taken().includes('"connection closed"'), 20_000)
    server.kill('SIGTERM')
    const { code, signal } = await inTime(server.ended, 'the end of the server', 20_000)
    if (code !== 0) throw new Finding(`ended with ${signal ?? code}`)
  } finally {
    await reader.finish()
    if (peer.kind !== 'leaves') closeSync(hold)
  }
  if (peer.kind === 'never' || peer.kind === 'leaves') return
  const lines = checkLog(String(reader.taken()))
  let next = 0
  for (const { offset, size } of lines.filter(({ msg }) => msg === 'chunk')) {
    if (offset !== next)
      throw new Finding(`a line is missing: a chunk at ${offset} follows the one that ends at ${next}`)
    next += Number(size)
  }
  if (next !== data.length) throw new Finding(`the lines tell of ${next} of ${data.length} bytes`)
  if (!lines.some(({ msg }) => msg === 'connection closed')) throw new Finding('the line of the connection is missing')
}
