// Bulk data over many connections: `flood.js source`, which sends to whoever connects, and `flood.js sink`, which connects and reads.
// Each is a process, asked over IPC. They do as little as Node can do: one block is written again and again, one buffer read into.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

const MiB = 1024 * 1024

const roles = { source, sink }

/** What is sent, as writes of `chunk` bytes, with a line feed at the end of each `line` bytes. */
let block = Buffer.alloc(MiB)

/** Whether each write is a call of the kernel of its own, however small. */
let isChunked = false

/** Begins when so many connections are open: beside bulk data it takes long to open them. Those that come later get a byte for theirs. */
async function source() {
  let [expected, sockets] = [0, []]
  const server = createServer({ noDelay: true }, socket => {
    socket.on('error', () => {})
    if (sockets.push(socket) > expected) socket.on('data', () => socket.end('x'))
    if (sockets.length === expected) for (const each of sockets) isChunked ? offerChunks(each) : offer(each)
  })
  server.listen(0, '127.0.0.1', 4096)
  await once(server, 'listening')
  const answer = ({ connections, chunk = MiB, line = MiB }) => {
    for (const socket of sockets) socket.destroy()
    ;[expected, sockets] = [connections, []]
    block = Buffer.alloc(chunk, `${'x'.repeat(line - 1)}\n`)
    isChunked = chunk < MiB
  }
  return { answer, first: { port: server.address().port } }
}

/** One write in each turn of the event loop: a reader that is as fast would leave no time for the others. */
function offer(socket) {
  if (!socket.write(block)) socket.once('drain', () => offer(socket))
  else if (!socket.destroyed) setImmediate(offer, socket)
}

/** A write begins when the kernel has taken the one before, so that none are joined here. */
function offerChunks(socket) {
  for (let i = 0; i < 64; i++) {
    socket.write(block)
    if (socket.writableLength > 0) return void socket.write(block, error => error || offerChunks(socket))
  }
  if (!socket.destroyed) setImmediate(offerChunks, socket)
}

function sink() {
  const buffer = Buffer.alloc(MiB)
  let [bytes, served] = [0, 0]
  let sockets = []
  const open = (port, host) => {
    let isNew = true
    const callback = size => {
      bytes += size
      if (isNew) served++
      isNew = false
      return true
    }
    return connect({ port, host, onread: { buffer, callback } }).on('error', error =>
      process.send({ error: String(error) }),
    )
  }
  const answer = ({ port, connections }) => {
    if (port === undefined) return { bytes, served }
    for (const socket of sockets)
      socket
        .removeAllListeners('error')
        .on('error', () => {})
        .destroy()
    ;[bytes, served] = [0, 0]
    sockets = Array.from({ length: connections }, () => open(port, '127.0.0.1'))
  }
  return { answer }
}

const { answer, first = {} } = await roles[process.argv[2]]()
process.on('message', order => {
  const given = answer(order) ?? {}
  process.send({ ...given, time: performance.now() / 1000 })
})
process.on('disconnect', () => process.exit())
process.send(first)
