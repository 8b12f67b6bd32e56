/** Each pause of a reader is one of the writer, and ends with it. */
import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { proxy, send, serve } from '../../lib/index.js'
import { memorySink } from '../lib/network.js'
import { bounded, eventually, listen, dial as open, pattern } from './support.js'

const block = pattern(65_536)
const total = 2000 * block.length

/** A slow reader rests behind each so many bytes. */
const restBytes = 2 ** 23

interface Counts {
  pauses: number
  resumes: number
}

/** How often what the sockets give has been paused and resumed; they are those that are made until the test ends. */
function watch(t: Test): Map<Socket, Counts> {
  const known = new Map<Socket, Counts>()
  const notice = (message: unknown) => {
    const { socket } = message as { socket: Socket }
    known.set(socket, count(socket))
  }
  diagnostics.subscribe('net.server.socket', notice)
  t.teardown(() => diagnostics.unsubscribe('net.server.socket', notice))
  const { connect } = Socket.prototype
  Socket.prototype.connect = function (this: Socket, ...words: unknown[]) {
    if (!known.has(this)) known.set(this, count(this))
    return connect.apply(this, words as never)
  } as typeof connect
  t.teardown(() => {
    Socket.prototype.connect = connect
  })
  return known
}

function count(readable: Readable): Counts {
  const counts = { pauses: 0, resumes: 0 }
  readable.on('pause', () => counts.pauses++).on('resume', () => counts.resumes++)
  return counts
}

/** Gives so much, and tells how much of it has been taken. */
function source(): Readable & { given: number } {
  const readable = Object.assign(
    new Readable({
      highWaterMark: block.length,
      read() {
        readable.given += block.length
        readable.push(readable.given > total ? null : block)
      },
    }),
    { given: 0 },
  )
  return readable
}

/** Resolves when no more of a source has been taken for a while. */
async function stalled(from: { given: number }): Promise<void> {
  let [last, since] = [-1, 0]
  await eventually('the writer waits', () => {
    if (from.given !== last) [last, since] = [from.given, performance.now()]
    return performance.now() - since > 300
  })
  if (from.given >= total) throw new Error('nothing held it back')
}

/** Reads what a socket gives, with a rest now and then; resolves with its size when it has ended. */
async function readSlowly(socket: Socket): Promise<number> {
  let size = 0
  socket.on('data', chunk => {
    const rests = Math.floor(size / restBytes)
    size += chunk.length
    if (Math.floor(size / restBytes) === rests) return
    socket.pause()
    setTimeout(() => socket.resume(), 5)
  })
  await once(socket, 'end')
  return size
}

function check(t: Test, title: string, { pauses, resumes }: Counts): void {
  t.ok(pauses > 0, `${title} was paused ${pauses} times`)
  t.equal(resumes, pauses, `${title} was resumed as often`)
}

t.test('serve --reply: the client is read again as often as it was not (A-06)', async t => {
  await using server = await serve({ port: 0, reply: true, transforms: () => [(chunk: Buffer) => chunk] })
  const known = watch(t)
  const client = await open(t, server.address.port)
  const from = source()
  from.pipe(client)
  await stalled(from)
  t.equal(await bounded(readSlowly(client), 'everything'), total)
  const [accepted] = [...known].filter(([socket]) => socket !== client).map(([, counts]) => counts)
  check(t, 'the client', accepted as Counts)
})

t.test('proxy: each side is read again as often as it was not (A-06)', async t => {
  const sent = source()
  const target = await listen(t, socket => void Object.assign(sent, { socket }).pipe(socket))
  const port = Number(target.to.split(':')[1])
  await using link = await proxy({ port: 0, to: { port } })
  const known = watch(t)
  const client = await open(t, link.address.port)
  const from = source()
  from.pipe(client)
  await Promise.all([stalled(from), stalled(sent)])
  const { socket } = sent as unknown as { socket: Socket }
  const sizes = await bounded(Promise.all([readSlowly(client), readSlowly(socket)]), 'everything')
  t.same(sizes, [total, total])
  const legs = [...known].filter(([each]) => each !== client && each !== socket).map(([, counts]) => counts)
  t.equal(legs.length, 2)
  for (const [i, leg] of legs.entries()) check(t, ['the client', 'the target'][i] as string, leg)
})

t.test('send: its input is read again as often as it was not (A-06)', async t => {
  const target = await listen(t, () => {})
  const from = source()
  const counts = count(from)
  const sent = send({ to: target.to, from, output: memorySink() })
  const [socket] = (await once(target, 'connection')) as [Socket]
  await stalled(from)
  t.equal(await bounded(readSlowly(socket), 'everything'), total)
  socket.end()
  await sent
  check(t, 'the input', counts)
})
