/** FIFOs that connections write, one for each client. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { closed } from '../e2e/support.js'
import { makeFifos, type Reader, readFifo } from './fifo.js'
import {
  accepted,
  type Client,
  checkDrain,
  checkTaken,
  client,
  dataOf,
  drain,
  socketsOf,
  start,
  type Use,
} from './fifo-clients.js'
import { inTime } from './part.js'

/** Where a FIFO is written, in the words of a server; each client has its own, and an ordinary file has no peer. */
export const outputs = {
  '-o': ['-o', '{remote}'],
  '-o --append': ['-o', '{remote}', '--append'],
  tee: ['-o', '/dev/null', '-t', 'tee {remote}'],
  'tee append=true': ['-o', '/dev/null', '-t', 'slice 777 | tee {remote} append=true'],
  dump: ['-o', '/dev/null', '-t', 'dump file={remote} max=off'],
} as const

export type Output = keyof typeof outputs

export async function playOutputs(test: Test, folder: string, place: Output, uses: readonly Use[]): Promise<void> {
  const path = (i: number) => join(folder, addressOf(i))
  makeFifos(uses.flatMap(({ peer }, i) => (peer ? [path(i)] : [])))
  const server = start(test, folder, ['serve', '127.0.0.1:0', ...outputs[place], ...drain])
  const { port } = await server.logged('listening')
  const before = socketsOf(server)
  const readers = uses.map(({ peer }, i) => (peer ? readFifo(path(i), peer) : undefined))
  const sockets = uses.map((each, i) =>
    client(test, { port: Number(port), localAddress: addressOf(i) }, dataOf(each, i)),
  )
  const isWaiting = (i: number) => uses[i]?.peer?.kind === 'never'
  const ending = sockets.filter((_, i) => !isWaiting(i)).map(({ socket }) => closed(socket))
  try {
    await inTime(Promise.all(ending), 'the end of clients whose FIFO has a peer', 30_000)
    const waiting = uses.filter((_, i) => isWaiting(i)).length
    await accepted(server, before, waiting)
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
