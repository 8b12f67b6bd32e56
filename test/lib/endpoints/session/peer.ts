/** A peer that speaks frames over a socket: it sends whatever a test makes it send. */
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import type { Hello } from '../../../../lib/endpoints/session/hello.js'
import {
  encodeDataHeader,
  encodeFrame,
  type Frame,
  FrameReader,
  prefaceBytes,
  prefaces,
} from '../../../../lib/formats/session-frames.js'
import { listener, portOf, until } from '../../network.js'

export const hello: Hello = {
  id: '11'.repeat(16),
  secret: '22'.repeat(16),
  group: '33'.repeat(16),
  kind: 'tunnel',
  window: 1024 * 1024,
  rereadable: false,
  again: false,
  restart: false,
  received: 0,
}

export const json = (facts: object) => Buffer.from(JSON.stringify(facts))

export function helloFrame(facts: object = {}): Buffer {
  return encodeFrame('hello', 0, json({ ...hello, ...facts }))
}

export function dataFrame(offset: number, data: string | Buffer, isChecked = true): Buffer {
  const bytes = Buffer.from(data as string)
  return Buffer.concat([encodeDataHeader(offset, [bytes], isChecked), bytes])
}

export function ackFrame(durable: number, taken = durable, isEnd = false): Buffer {
  const payload = Buffer.alloc(8)
  payload.writeBigUInt64BE(BigInt(taken))
  return encodeFrame('ack', durable, payload, isEnd ? 1 : 0)
}

export const welcomeFrame = (offset = 0, facts: object = {}) =>
  encodeFrame('welcome', offset, json({ checked: true, window: 1024 * 1024, ...facts }))

export interface RawPeer {
  readonly socket: Socket
  /** What it has got. */
  readonly frames: (Frame | { readonly type: 'data'; readonly offset: number; readonly payload: Buffer })[]
  /** Whether the connection is closed, and with which error. */
  readonly end: { isClosed: boolean; code?: string | undefined }
  /** Resolves with the first frame of a type. */
  got(type: string): Promise<Frame>
  /** Resolves when the connection is closed. */
  closed(): Promise<void>
  /** The words of the error frame that it gets. */
  refusal(): Promise<string>
}

/** Connects to a listener of sessions. The preface is sent; the first frames follow. */
export function rawDialler(t: Test, port: number, ...first: Buffer[]): RawPeer {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  socket.write(Buffer.concat([prefaces.dialler, ...first]))
  return rawPeer(t, socket)
}

/** A listener of the test's own that has sent its preface. */
export async function rawListener(
  t: Test,
  work: (peer: RawPeer, number: number) => void,
): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = []
  const server = await listener(t, socket => {
    sockets.push(socket)
    socket.write(prefaces.listener)
    work(rawPeer(t, socket), sockets.length - 1)
  })
  return { port: portOf(server), sockets }
}

/** Speaks over a socket, whose preface is skipped. */
export function rawPeer(t: Test, socket: Socket): RawPeer {
  const frames: RawPeer['frames'] = []
  const end: RawPeer['end'] = { isClosed: false }
  const reader = new FrameReader({
    frame: frame => void frames.push(frame),
    data: (offset, payload) => void frames.push({ type: 'data', offset, payload }),
  })
  let skipped = 0
  socket.on('data', chunk => {
    const rest = chunk.subarray(Math.min(chunk.length, prefaceBytes - skipped))
    skipped += chunk.length - rest.length
    reader.push(rest, () => true)
  })
  socket.on('error', error => {
    end.code = (error as NodeJS.ErrnoException).code
  })
  socket.on('end', () => socket.end())
  socket.on('close', () => {
    end.isClosed = true
  })
  t.teardown(() => socket.destroy())
  return {
    socket,
    frames,
    end,
    async got(type) {
      await until(() => end.isClosed || frames.some(frame => frame.type === type))
      const found = frames.find(frame => frame.type === type)
      if (!found) throw new Error(`closed without a frame of type ${type}`)
      return found as Frame
    },
    closed: () => until(() => end.isClosed),
    async refusal() {
      const { payload } = await this.got('error')
      await until(() => end.isClosed)
      return (JSON.parse(String(payload)) as { message: string }).message
    },
  }
}
