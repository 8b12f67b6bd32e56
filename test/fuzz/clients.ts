/** Clients that do anything, in any order, and what each of them must see. */
import { once } from 'node:events'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import { hiddenReset } from '../../lib/endpoints/reset.js'
import { errorCode } from '../../lib/text/errors.js'
import { bounded } from '../e2e/support.js'
import fc from '../fast-check.js'
import { text } from '../laws/samples.js'
import { noise } from '../laws/support.js'
import { Finding, inTime } from './part.js'

/** What one client does next. `drip` waits for the event loop behind each byte, `tiny` waits for nothing. */
type Action =
  | readonly ['write' | 'drip' | 'tiny', bytes: number]
  | readonly ['wait', milliseconds: number]
  | readonly ['stop reading' | 'read' | 'end' | 'reset' | 'destroy']

export interface Client {
  /** What its bytes are. */
  readonly content: keyof typeof contents
  /** Milliseconds before it connects. */
  readonly after: number
  readonly actions: readonly Action[]
}

/** Bytes that each client repeats; their number is a prime, so that no place of the stream looks like another one. */
const period = 65_521

const contents = {
  noise: noise(period, 11),
  text: text(period, 12).subarray(0, period),
  json: Buffer.alloc(period, '{"a":1,"b":["x",null]}\n[2]\n'),
  hex: Buffer.alloc(period, noise(5000, 13).toString('hex')),
  zeros: Buffer.alloc(period),
}

/** Without those that compressors make so small that decompressors take them for a bomb. */
export const honest = ['noise', 'text'] as const

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant('write' as const), fc.integer({ min: 1, max: 3000 })) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('write' as const), fc.integer({ min: 1, max: 300_000 })) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('drip' as const), fc.integer({ min: 1, max: 200 })) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('tiny' as const), fc.integer({ min: 1, max: 3000 })) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('wait' as const), fc.nat(30)) },
  { weight: 2, arbitrary: fc.constantFrom(['stop reading'] as const, ['read'] as const) },
)

/** How it goes on when it has done all it wanted: mostly well. */
const ending: fc.Arbitrary<readonly Action[]> = fc.oneof(
  { weight: 8, arbitrary: fc.constant([['end']] as const) },
  { weight: 2, arbitrary: fc.constantFrom([['reset']] as const, [['destroy']] as const, []) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat(20), fc.constantFrom('reset', 'destroy'))
      .map(([time, how]) => [['end'], ['wait', time], [how as 'reset']] as const),
  },
)

function client(names: readonly Client['content'][]): fc.Arbitrary<Client> {
  return fc.record({
    content: fc.constantFrom(...names),
    after: fc.nat(50),
    actions: fc.tuple(fc.array(action, { maxLength: 12 }), ending).map(([body, last]) => [...body, ...last]),
  })
}

export function clients(names: readonly Client['content'][]): fc.Arbitrary<Client[]> {
  const one = client(names)
  return fc.oneof(
    fc.array(one, { minLength: 1, maxLength: 5, size: 'max' }),
    fc.array(one, { minLength: 10, maxLength: 80, size: 'max' }),
  )
}

/** So few that each can be watched. */
export const fewClients = fc.array(client(honest), { minLength: 1, maxLength: 5, size: 'max' })

export const anyClients = clients(Object.keys(contents) as Client['content'][])

export function describeClients(all: readonly Client[]): string[] {
  return all.map(
    ({ content, after, actions }, i) =>
      `client ${i + 1}, ${content}, after ${after} ms: ${actions.map(words => words.join(' ')).join(', ')}`,
  )
}

/** What a client must get back: what it sends, these bytes, or nothing; undefined: anything. */
export type Expected = 'echo' | Buffer | undefined

export interface Playing {
  /** Resolves when the client has done all of its actions. */
  readonly acted: Promise<void>
  /** Resolves when its socket is closed. */
  readonly closed: Promise<void>
  /** It wants the rest, and a clean end behind it. */
  readonly staysToTheEnd: boolean
  /** What its socket has seen, as far as it has come. */
  readonly seen: Seen
  /** Goes away. */
  leave(): void
}

export interface Seen {
  connected: boolean
  /** Its own port, once it is connected by TCP. */
  port?: number | undefined
  sent: number
  received: number
  /** Its own end has been sent. */
  halfClosed: boolean
  /** A clean end has come. */
  ended: boolean
  error?: unknown
  /** The first place of what came that is not what was expected. */
  wrongAt?: number
}

/** Starts to play a client. What comes is compared at once with what is expected, so nothing of it is kept. */
export function play({ content, after, actions }: Client, to: NetConnectOpts, expected: Expected): Playing {
  const seen: Seen = { connected: false, sent: 0, received: 0, halfClosed: false, ended: false }
  const material = contents[content]
  let socket: Socket | undefined
  let leaving = false
  let tellClosed: () => void
  const closed = new Promise<void>(resolve => {
    tellClosed = resolve
  })

  function open(): Socket {
    const opened = connect({ ...to, allowHalfOpen: true, noDelay: true })
    opened.on('connect', () => {
      seen.connected = true
      seen.port = opened.localPort
    })
    opened.on('data', receive)
    opened.on('end', () => {
      const reset = hiddenReset(opened)
      if (reset) opened.destroy(reset)
      else seen.ended = true
    })
    opened.on('error', error => {
      seen.error ??= error
    })
    opened.on('close', () => tellClosed())
    return opened
  }

  function receive(chunk: Buffer): void {
    const should = expected === 'echo' ? bytesAt(material, seen.received, chunk.length) : expected
    const part = expected === 'echo' ? should : should?.subarray(seen.received, seen.received + chunk.length)
    const isMore = expected === 'echo' && seen.received + chunk.length > seen.sent
    if (part && (isMore || !part.equals(chunk))) seen.wrongAt ??= seen.received
    seen.received += chunk.length
  }

  function write(bytes: number): void {
    if (!socket?.writable) return
    const chunk = bytesAt(material, seen.sent, bytes)
    seen.sent += bytes
    socket.write(chunk)
  }

  async function act([what, amount = 0]: Action): Promise<void> {
    if (what === 'wait') await delay(amount)
    else if (what === 'write') write(amount)
    else if (what === 'tiny') for (let i = 0; i < amount; i++) write(1)
    else if (what === 'drip') {
      for (let i = 0; i < amount && socket?.writable; i++) {
        write(1)
        await setImmediate()
      }
    } else if (what === 'stop reading') socket?.pause()
    else if (what === 'read') socket?.resume()
    else if (what === 'end') {
      seen.halfClosed = socket?.writable ?? false
      socket?.end()
    } else if (what === 'reset' && socket && canReset(socket)) socket.resetAndDestroy()
    else socket?.destroy()
  }

  async function actAll(): Promise<void> {
    await delay(after)
    if (leaving) return tellClosed()
    socket = open()
    await Promise.race([once(socket, 'connect'), closed]).catch(() => {})
    for (const action of actions) {
      if (leaving) break
      await act(action)
    }
    socket.resume()
  }

  return {
    acted: actAll(),
    closed,
    staysToTheEnd: actions.at(-1)?.[0] === 'end',
    seen,
    leave: () => {
      leaving = true
      if (socket) socket.destroy()
    },
  }
}

/** Resolves when each client has done what it wanted, and has seen its end if that is promised; then all leave. */
export async function playToTheEnd(playing: readonly Playing[], isExact: (client: Playing) => boolean): Promise<void> {
  await inTime(Promise.all(playing.map(({ acted }) => acted)), 'the end of what clients do', 60_000)
  const staying = playing.filter(client => client.staysToTheEnd && isExact(client))
  await bounded(Promise.all(staying.map(({ closed }) => closed)), 'an end', 20_000).catch(() => {}) // they tell what they miss
  await leaveAll(playing)
}

export async function leaveAll(playing: readonly Playing[]): Promise<void> {
  for (const client of playing) client.leave()
  await inTime(Promise.all(playing.map(({ closed }) => closed)), 'the close of clients that have left')
}

export interface Promises {
  readonly expected: Expected
  /** Whoever stays to the end gets all of it, well. */
  readonly exact: boolean
  /** A failure is a reset, so that a clean end never comes with a part; a unix socket has none. */
  readonly resets: boolean
}

/** Throws a finding if a client that is closed has seen what it must not see. */
export function checkSeen(index: number, { seen, staysToTheEnd }: Playing, promises: Promises): void {
  const { expected, exact, resets } = promises
  const fault = (message: string) => {
    throw new Finding(`client ${index + 1}: ${message}: ${JSON.stringify({ ...seen, error: errorCode(seen.error) })}`)
  }
  if (expected === undefined) return
  const whole = expected === 'echo' ? seen.sent : expected.length
  if (seen.wrongAt !== undefined) fault('got a byte that was not for it')
  if (seen.received > whole) fault(`got more than the ${whole} bytes for it`)
  const isWhole = seen.received === whole
  if (seen.ended && !isWhole && resets && (expected !== 'echo' || seen.halfClosed))
    fault(`a clean end, but not all of the ${whole} bytes for it`)
  if (seen.ended && expected === 'echo' && !seen.halfClosed && resets) fault('a clean end that it has not asked for')
  if (exact && staysToTheEnd && !(seen.ended && isWhole)) fault(`no clean end behind the ${whole} bytes for it`)
}

/** A client that says something and ends, when it has seen the end of whatever kind: it comes soon. */
export async function ordinaryClient(to: NetConnectOpts, expected: Expected): Promise<Playing> {
  const client = play({ content: 'text', after: 0, actions: [['write', 100], ['end']] }, to, expected)
  await inTime(client.closed, 'the end of an ordinary connection').finally(client.leave)
  const { connected, error } = client.seen
  const isAccepted = connected || errorCode(error) === 'ECONNRESET' // by a handler that fails at once
  if (!isAccepted) throw new Finding(`an ordinary connection: ${String(error)}`)
  return client
}

/** A unix socket has no reset; and one whose end is under way would never be closed, since libuv refuses to reset it. */
function canReset(socket: Socket): boolean {
  return socket.remotePort !== undefined && !(socket.writableEnded && !socket.writableFinished)
}

/** What a client has sent so far. */
export function sentBy({ content }: Client, { seen }: Playing): Buffer {
  return bytesAt(contents[content], 0, seen.sent)
}

/** So many bytes of a stream that repeats itself, from this place on. */
function bytesAt(material: Buffer, offset: number, length: number): Buffer {
  const start = offset % period
  if (start + length <= period) return material.subarray(start, start + length)
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; at += period - ((offset + at) % period))
    material.copy(bytes, at, (offset + at) % period)
  return bytes
}
