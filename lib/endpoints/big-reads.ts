/**
 * Sockets that read into blocks of ours, by what is behind the option `onread` of Node's `net.Socket`. Node (as of 26) has
 * that option for dialled sockets only; here it is set later, for accepted ones too, by the names of Node's own symbols.
 * Where these are missing, sockets read as they always do.
 *
 * All sockets read into one small buffer, and what came is copied: an idle one holds nothing. One that fills it gets blocks
 * of its own, for as long as it goes on so. For 1 GiB, a receiver spends 0.33 s of processor time less than with the reads
 * of Node, which are 64 KiB of fresh memory each; a proxy 0.24 s of 0.61 s.
 */
import { Socket, type SocketConstructorOpts } from 'node:net'
import { Readable, type Writable } from 'node:stream'
import { Blocks, type Passing } from './blocks.js'

/** The size in bytes of the shared buffer, and of the reads of Node. */
const sharedSize = 64 * 1024

/** A read of fewer bytes is small. It is the size of a record of TLS (RFC 8446, 5.1), each of which Node gives by itself. */
const smallRead = 16 * 1024

/** The number of small reads in a row after which a socket gives its blocks back. */
const patience = 8

/**
 * The bytes that all sockets together read in a turn of the event loop while several read much. libuv reads up to 32 times
 * from each: a new connection, which needs some turns, waited 1.3 s beside 100 that are busy, and waits 70 ms with it. What
 * is read is passed on while it is in the caches, so the rate is higher, too.
 */
const mostInTurn = 4 * 1024 * 1024

/** Milliseconds between two looks for sockets that have blocks and do not read. */
const pause = 1000

/** The symbols of the option in a socket (lib/net.js, lib/internal/stream_base_commons.js). */
interface Names {
  readonly buffer: symbol
  readonly callback: symbol
  readonly generate: symbol
}

const reader = Symbol('reader')

/** Of libuv. */
interface Handle {
  useUserBuffer?(buffer: Buffer): void
  /** Whether Node has it read. */
  reading: boolean
  readStart(): void
  readStop(): void
}

type Reading = Socket & {
  _handle?: Handle | null
  [reader]?: Reader
}

/** How a socket reads. */
interface Reader {
  /** Where its data goes; undefined if it may be kept. */
  sink: Writable | undefined
  /** The stages before the sink. */
  through: readonly Passing[]
  /** The most bytes that come at once. */
  readonly most: number
  /** While it reads much. */
  blocks: Blocks | undefined
  /** The number of small reads that it may still do. */
  left: number
  /** Whether it has read since the last look. */
  hasRead: boolean
  /** The turn of the event loop in which it has read last, and the bytes that it has read then. */
  turn: number
  inTurn: number
}

let names: Names | false | undefined
let shared: Buffer

/** The socket whose `onRead` is under way: it returns the buffer of its next read. */
let current: Reading | undefined

/** The buffer of the next read. Node asks for it right after `onRead`. */
let next: Buffer | undefined

/** The sockets that have blocks. */
const busy = new Set<Reading>()
let timer: NodeJS.Timeout | undefined

let turn = 0
let isTurnCounted = false

/** The sockets that have had their share of this turn. */
const resting = new Set<Reading>()

/**
 * Tells the socket that its data goes, through stages that pass each chunk on and keep none, into this sink, which holds
 * nothing of what it has written; or, without a sink, that this is over.
 */
export function lendReads(socket: Socket, sink: Writable | undefined, through: readonly Passing[] = []): void {
  const reading: Reading = socket
  const known = reading[reader]
  if (known) {
    release(reading, known)
    known.sink = sink
    known.through = through
  } else if (sink) install(reading, sink, through)
}

function install(socket: Reading, sink: Writable, through: readonly Passing[]): void {
  names ??= findNames()
  if (!names || !(names.buffer in socket) || !socket._handle?.useUserBuffer || socket.destroyed) return
  shared ??= Buffer.allocUnsafeSlow(sharedSize)
  const most = 'encrypted' in socket ? smallRead : sharedSize
  const state: Reader = { sink, through, most, blocks: undefined, left: 0, hasRead: false, turn: 0, inTurn: 0 }
  const { pause } = Readable.prototype // Node's own stops reading at once, and an end or a reset would not be heard
  Object.assign(socket, { [reader]: state, [names.callback]: onRead, [names.generate]: nextBuffer, pause })
  readInto(socket, shared)
}

/** Finds the symbols in a socket that has the option. */
function findNames(): Names | false {
  const options = { onread: { buffer: nextBuffer, callback: onRead } } as SocketConstructorOpts // whose type lacks it
  const probe = new Socket(options) as unknown as Record<symbol, unknown>
  const named = (name: string, value: unknown) =>
    Object.getOwnPropertySymbols(probe).find(symbol => symbol.description === name && probe[symbol] === value)
  const found = {
    buffer: named('kBuffer', true),
    callback: named('kBufferCb', onRead),
    generate: named('kBufferGen', nextBuffer),
  }
  return Object.values(found).every(symbol => symbol !== undefined) && (found as Names)
}

/** Outside of `onRead`. Node keeps what it read into before until the socket closes: 64 bytes and no buffer. */
function readInto(socket: Reading, buffer: Buffer): void {
  socket._handle?.useUserBuffer?.(buffer)
  Object.assign(socket, { [(names as Names).buffer]: buffer })
}

function nextBuffer(): Buffer | undefined {
  return next
}

/** Called by Node with the bytes that have come. Returns whether to go on. */
function onRead(this: Reading, size: number, buffer: Buffer): boolean {
  const state = this[reader] as Reader
  state.hasRead = true
  state.blocks?.give(size, buffer)
  const isWanted = pass(this, buffer === shared ? copied(size) : buffer.subarray(0, size))
  next = following(this, state, size)
  if (isWanted && busy.size > 1 && hasHadShare(state, size)) restForThisTurn(this)
  return isWanted
}

function pass(socket: Reading, chunk: Buffer): boolean {
  current = socket
  try {
    return emitOrPush(socket, chunk)
  } finally {
    current = undefined
  }
}

/**
 * Emits a chunk that nothing holds back, as `push` would do, but without the buffer and the ticks of Node. The first chunk is
 * pushed, so that `readableDidRead` is true from then on. Of a socket with a `push` of its own – of TLS, or metered – all are.
 */
function emitOrPush(socket: Reading, chunk: Buffer): boolean {
  const { readableFlowing: isFlowing, readableLength: held, readableDidRead: didRead } = socket
  const canEmit = isFlowing && held === 0 && didRead && socket.listenerCount('data') > 0
  if (!canEmit || Object.hasOwn(socket, 'push')) return socket.push(chunk)
  socket.emit('data', chunk)
  return true
}

/** Below Node, which would have it go on at once. */
function restForThisTurn(socket: Reading): void {
  socket._handle?.readStop()
  resting.add(socket)
}

/** Whether a socket does not read until the next turn, although Node requests data. */
export function isResting(socket: Socket): boolean {
  return resting.has(socket)
}

function hasHadShare(state: Reader, size: number): boolean {
  if (!isTurnCounted) {
    isTurnCounted = true
    setImmediate(endTurn)
  }
  if (state.turn !== turn) state.inTurn = 0
  state.turn = turn
  state.inTurn += size
  return state.inTurn * busy.size >= mostInTurn
}

function endTurn(): void {
  turn++
  isTurnCounted = false
  for (const { _handle: handle } of resting) if (handle?.reading) handle.readStart()
  resting.clear()
}

function copied(size: number): Buffer {
  const chunk = Buffer.allocUnsafe(size)
  shared.copy(chunk, 0, 0, size)
  return chunk
}

function following(socket: Reading, state: Reader, size: number): Buffer {
  const { sink, blocks } = state
  if (size < smallRead) state.left--
  else state.left = patience
  const isMuch = blocks ? state.left > 0 : size === state.most
  if (!sink || socket.destroyed || !isMuch) {
    blocks?.rest()
    if (blocks) giveBack(socket, state)
    return shared
  }
  state.blocks ??= open(socket, state, sink)
  return state.blocks.next() ?? shared
}

function open(socket: Reading, { through, most }: Reader, sink: Writable): Blocks {
  busy.add(socket)
  socket.once('close', giveBackAtClose)
  timer ??= setInterval(look, pause).unref()
  return new Blocks(socket, sink, through, most < sharedSize ? most : undefined)
}

function giveBack(socket: Reading, state: Reader): void {
  state.blocks?.end()
  state.blocks = undefined
  busy.delete(socket)
  socket.off('close', giveBackAtClose)
}

function giveBackAtClose(this: Reading): void {
  giveBack(this, this[reader] as Reader)
}

function release(socket: Reading, state: Reader): void {
  if (!state.blocks) return
  giveBack(socket, state)
  if (socket !== current) readInto(socket, shared)
}

/** A socket that is silent gives its blocks back. One whose sink is slow keeps those that this has. */
function look(): void {
  for (const socket of busy) {
    const state = socket[reader] as Reader
    if (socket.destroyed || (!state.hasRead && !state.blocks?.isHeld)) {
      state.blocks?.rest()
      release(socket, state)
    }
    state.hasRead = false
  }
  if (busy.size > 0) return
  clearInterval(timer)
  timer = undefined
}
