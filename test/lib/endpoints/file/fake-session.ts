/** A session without a connection, whose data the test gives. */
import { createHash } from 'node:crypto'
import type { SessionSide, Sink } from '../../../../lib/endpoints/endpoint.js'
import type { Hello } from '../../../../lib/endpoints/session/hello.js'
import type { Keeper } from '../../../../lib/endpoints/session/keeper.js'

export interface FakeSession extends SessionSide {
  readonly keeper: Keeper | undefined
  /** What `confirmWritten` was told. */
  readonly written: object | undefined
  /** Gives data to the sink, and notes a check after it. Resolves when it is written. */
  give(sink: Sink, bytes: Uint8Array): Promise<void>
  /** Ends the sink, and the session after it: when its sender has ended, or before that. */
  end(sink: Sink, isWhole?: boolean): Promise<void>
}

export function fakeSession(hello: Partial<Hello> = {}): FakeSession {
  let keeper: Keeper | undefined
  let hash = createHash('sha256')
  let received = 0
  let written: object | undefined
  let isEnded = true
  return {
    hello: {
      ...{ id: '0'.repeat(32), secret: '1'.repeat(32), group: '2'.repeat(32), kind: 'transfer', window: 1024 },
      ...{ rereadable: true, again: false, restart: false, received: 0 },
      ...hello,
    },
    receipt: undefined,
    reconnects: 0,
    get received() {
      return received
    },
    get sha256() {
      return hash.copy().digest('hex')
    },
    get isEnded() {
      return isEnded
    },
    get keeper() {
      return keeper
    },
    get written() {
      return written
    },
    begin(given) {
      keeper = given
      if (!given?.resumed) return
      received = given.resumed.offset
      hash = given.resumed.hash.copy()
    },
    confirmWritten(facts) {
      written = facts
    },
    async give(sink, bytes) {
      hash.update(bytes)
      received += bytes.length
      keeper?.note(received, hash.copy().digest('hex'))
      await new Promise<void>((resolve, reject) => sink.write(bytes, error => (error ? reject(error) : resolve())))
    },
    async end(sink, isWhole = true) {
      isEnded = isWhole
      const closed = new Promise(resolve => sink.once('close', resolve))
      sink.on('error', () => {})
      await new Promise<void>((resolve, reject) => {
        sink.end((error?: Error | null) => (error ? reject(error) : resolve()))
      }).finally(() => closed)
      keeper?.over()
    },
  }
}
