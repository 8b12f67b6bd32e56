/** Frames that a peer may send to a session, right ones and wrong ones: the session goes on, or fails with our error. */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { memoryPair } from '../../lib/endpoints/memory.js'
import { type Hello, helloOf, welcomeOf } from '../../lib/endpoints/session/hello.js'
import { Link } from '../../lib/endpoints/session/link.js'
import { type Role, Session } from '../../lib/endpoints/session/session.js'
import { encodeDataHeader, encodeFrame, type Frame, FrameReader } from '../../lib/formats/session-frames.js'
import { errorCode, errorMessage } from '../../lib/text/errors.js'
import { cutAt, cutEvery } from '../lib/pipes.js'
import { turns } from '../lib/stats/stopped-clock.js'
import { Finding, type Part } from './part.js'
import { checkProcess } from './process.js'

/** Data that both sides send here, from its beginning on. */
const text = 'abc'

const hex = (digit: string, digits: number) => digit.repeat(digits)

const hello: Hello = {
  ...{ id: hex('0', 32), secret: hex('1', 32), group: hex('2', 32), kind: 'tunnel', window: 100 },
  ...{ rereadable: false, again: false, restart: false, received: 0 },
}

const count = fc.oneof(fc.nat(4), fc.constantFrom(-1, 0.5, 65536, 2 ** 32, Number.MAX_SAFE_INTEGER, null, '1', [], {}))

const facts = fc.oneof(
  fc.constant(hello),
  fc.record({ ...mapped(hello), received: count, window: count, size: count, mode: count, mtime: count }),
  fc.record({ checked: fc.boolean(), window: count }),
  fc.record({ sha256: fc.constantFrom(hex('0', 64), '', 7, null), receipt: fc.option(fc.record({ bytes: count })) }),
  fc.record({ code: fc.anything(), message: fc.anything() }, { requiredKeys: [] }),
  fc.jsonValue(),
)

function mapped(values: object) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, fc.constant(value)]))
}

const json = facts.map(value =>
  Buffer.from(JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? 0 : each)) ?? ''),
)

const payload = fc.oneof(
  { weight: 4, arbitrary: json },
  fc.nat(4).map(taken => Buffer.from([0, 0, 0, 0, 0, 0, 0, taken])),
  fc.uint8Array({ maxLength: 20 }).map(bytes => Buffer.from(bytes)),
)

const type = fc.constantFrom<Frame['type']>('hello', 'welcome', 'check', 'ack', 'ack', 'end', 'error', 'ping')

const offset = fc.oneof({ weight: 5, arbitrary: fc.nat(6) }, fc.constantFrom(2 ** 32, Number.MAX_SAFE_INTEGER))

const frame = fc.oneof(
  fc
    .tuple(type, offset, payload, fc.nat(1))
    .map(([type, offset, bytes, flags]) => encodeFrame(type, offset, bytes.subarray(0, 65536), flags)),
  fc.tuple(offset, fc.nat(3), fc.boolean()).map(([offset, length, isChecked]) => {
    const bytes = Buffer.from(text.slice(0, length))
    return Buffer.concat([encodeDataHeader(offset, [bytes], isChecked), bytes])
  }),
)

interface Case {
  readonly role: Role
  readonly kind: Hello['kind']
  readonly frames: readonly string[]
  /** Bits to flip. */
  readonly flips: readonly number[]
  readonly cuts: number | readonly number[]
}

let read = 0

export const sessions: Part<Case> = {
  name: 'frames of sessions',
  cases: fc.record({
    role: fc.constantFrom('dialler' as const, 'listener' as const),
    kind: fc.constantFrom('transfer' as const, 'tunnel' as const),
    frames: fc.array(frame, { maxLength: 8 }).map(frames => frames.map(bytes => bytes.toString('hex'))),
    flips: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(fc.nat(), { maxLength: 2 })),
    cuts: fc.oneof(fc.array(fc.nat(), { maxLength: 8 }), fc.constantFrom(1, 2, 7, 20)),
  }),
  runs: 200,
  async play(value) {
    const bytes = Buffer.concat(value.frames.map(each => Buffer.from(each, 'hex')))
    for (const flip of bytes.length > 0 ? value.flips : []) {
      const at = (flip >> 3) % bytes.length
      bytes[at] = (bytes[at] as number) ^ (1 << (flip & 7))
    }
    const chunks = typeof value.cuts === 'number' ? cutEvery(value.cuts, bytes) : cutAt(value.cuts, bytes)
    checkCuts(bytes, chunks)
    await checkSession(value, bytes, chunks)
    checkProcess()
    read += value.frames.length
  },
  describe: ({ frames, ...rest }) => [JSON.stringify(rest), ...frames],
  total: () => `${read} frames of sessions`,
}

function checkCuts(bytes: Buffer, chunks: readonly Buffer[]): void {
  const [whole, cut] = [readAll([bytes]), readAll(chunks)]
  if (!isDeepStrictEqual(whole, cut))
    throw new Finding(`in one chunk: ${JSON.stringify(whole)}; in several: ${JSON.stringify(cut)}`)
}

/** The frames that are read, and the error that ends them. */
function readAll(chunks: readonly Buffer[]): unknown[] {
  const found: unknown[] = []
  const reader = new FrameReader({
    frame: frame => {
      found.push([frame.type, frame.flags, frame.offset, frame.payload.toString('hex'), factsIn(frame)])
    },
    data: (offset, bytes, isChecked) => {
      if (isChecked) found.push(['data', offset, bytes.toString('hex')])
      else for (let i = 0; i < bytes.length; i++) found.push([offset + i, bytes[i]])
    },
  })
  try {
    for (const chunk of chunks) reader.push(chunk, () => true)
  } catch (error) {
    found.push(ours(error))
  }
  return found
}

function factsIn(frame: Frame): unknown {
  try {
    if (frame.type === 'hello') return helloOf(frame)
    return frame.type === 'welcome' ? welcomeOf(frame) : undefined
  } catch (error) {
    return ours(error)
  }
}

function ours(error: unknown): string {
  if (errorCode(error) !== 'ERR_SESSION') throw new Finding(`${(error as Error).stack} instead of ERR_SESSION`)
  return errorMessage(error)
}

/** A session that has a link gets the frames of its peer. */
async function checkSession({ role, kind }: Case, bytes: Buffer, chunks: readonly Buffer[]): Promise<void> {
  const [leg, { stream: peer }] = memoryPair()
  const link = new Link(leg, 0)
  const session = new Session({ role, hello: { ...hello, kind }, window: 100, lost() {}, over: free => free?.end() })
  let sent = 0
  peer.on('data', chunk => {
    sent += chunk.length
  })
  peer.on('error', () => {})
  const got: Buffer[] = []
  session.stream.on('data', chunk => void got.push(chunk))
  if (role === 'listener') await session.welcome(link, { ...hello, kind })
  else session.welcomed(link, 0, { checked: true, window: 100 })
  session.stream.write(text)
  for (const chunk of chunks) {
    if (peer.writable) peer.write(chunk)
    await turns(2)
  }
  await turns(5)
  const { errored, destroyed } = session.stream
  if (errored) ours(errored)
  const { confirmed } = session.outgoing
  if (confirmed > text.length) throw new Finding(`${confirmed} bytes are confirmed; ${text.length} were sent`)
  const received = Buffer.concat(got).length
  if (received > bytes.length) throw new Finding(`${received} bytes are read; ${bytes.length} were sent`)
  if (sent > 5000 + 100 * chunks.length) throw new Finding(`${sent} bytes are answered`)
  session.stream.destroy()
  peer.destroy()
  if (!destroyed) await turns(2)
}
