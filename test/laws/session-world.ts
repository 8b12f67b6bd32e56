/** Two sessions, dialler and listener, over links without sockets: the test delivers each frame, or loses it. */
import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { type Hello, welcomeOf } from '../../lib/endpoints/session/hello.js'
import type { Keeper } from '../../lib/endpoints/session/keeper.js'
import type { Link, LinkUser } from '../../lib/endpoints/session/link.js'
import { type Role, Session } from '../../lib/endpoints/session/session.js'
import {
  encodeDataHeader,
  encodeFrame,
  type Frame,
  FrameReader,
  frameFlags,
  headerBytes,
} from '../../lib/formats/session-frames.js'
import { noise } from './support.js'

/** Frames in flight that make a link full. */
const mostInFlight = 6

/** Arrives behind the last frame: the peer has closed. */
const closed = Buffer.alloc(0)

/** One end of a link, with what a session uses of it. */
export class LinkEnd {
  far!: LinkEnd
  /** The frames in flight to this end. */
  inbox: Buffer[] = []
  isOver = false
  user: LinkUser | undefined
  #isPaused = false
  readonly #reader = new FrameReader({
    frame: frame => this.user?.frame(frame),
    data: (offset, bytes, isChecked) => this.user?.data(offset, bytes, isChecked),
  })

  get isFull(): boolean {
    return this.isOver || this.far.inbox.length >= mostInFlight
  }

  /** The type is that of what it stands for. */
  get link(): Link {
    return this as unknown as Link
  }

  use(user: LinkUser | undefined): void {
    this.user = user
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
  }

  sendData(offset: number, parts: readonly Buffer[], isChecked: boolean): void {
    this.#put(Buffer.concat([encodeDataHeader(offset, parts, isChecked), ...parts]))
  }

  send(type: Frame['type'], offset = 0, facts?: object): void {
    this.#put(encodeFrame(type, offset, facts && Buffer.from(JSON.stringify(facts))))
  }

  confirm(durable: number, taken: number, isEnd: boolean): void {
    const payload = Buffer.alloc(8)
    payload.writeBigUInt64BE(BigInt(taken))
    this.#put(encodeFrame('ack', durable, payload, isEnd ? frameFlags.ended : 0))
  }

  #put(bytes: Buffer): void {
    if (!this.isOver && !this.far.isOver) this.far.inbox.push(bytes)
  }

  end(): void {
    if (this.isOver) return
    this.#put(closed)
    this.#leave()
  }

  /** Its peer hears of it behind what is in flight. */
  drop(error: Error): void {
    if (this.isOver) return
    const { user } = this
    this.#put(closed)
    this.#leave()
    user?.lost?.(error)
  }

  /** Without a word to anybody: its process is dead, or nothing comes through any more. */
  vanish(): void {
    this.#leave()
  }

  #leave(): void {
    this.isOver = true
    this.user = undefined
    this.inbox = []
  }

  /** Delivers the next frame. Returns whether there was one. */
  deliver(): boolean {
    if (this.isOver || this.#isPaused || this.inbox.length === 0) return false
    const bytes = this.inbox.shift() as Buffer
    if (bytes === closed) this.drop(new Error('the peer closed the link'))
    else
      try {
        this.#reader.push(bytes, () => !this.isOver)
      } catch (error) {
        this.drop(error as Error)
      }
    if (!this.far.isFull) this.far.user?.drained?.()
    return true
  }

  /** Flips a bit in the payload of a frame in flight whose checksum does not cover it. */
  corrupt(which: number): boolean {
    const streamed = this.inbox.filter(bytes => bytes[0] === 3 && bytes[1] === 0)
    const bytes = streamed[which % streamed.length]
    if (!bytes) return false
    bytes[headerBytes] = (bytes[headerBytes] as number) ^ 1
    return true
  }
}

/** A file of the receiver: what is written, of which `durable` bytes survive its process. */
class MemoryFile implements Keeper {
  readonly resumed: { offset: number; hash: ReturnType<typeof createHash> }
  content: Buffer
  durable: number
  #waiting: { offset: number; resolve(): void }[] = []

  constructor(content: Buffer) {
    this.content = content
    this.durable = content.length
    this.resumed = { offset: content.length, hash: createHash('sha256').update(content) }
  }

  note(): void {}

  write(chunk: Buffer): void {
    this.content = Buffer.concat([this.content, chunk])
    for (const { offset, resolve } of this.#waiting) if (offset <= this.content.length) resolve()
  }

  written(offset: number): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push({ offset, resolve })
      this.write(Buffer.alloc(0))
    })
  }

  async saved(offset: number): Promise<void> {
    await new Promise(resolve => setTimeout(resolve, 50))
    this.durable = Math.max(this.durable, offset)
  }

  async rewind(offset: number): Promise<void> {
    this.content = this.content.subarray(0, offset)
  }

  over(): void {}
}

/** One side: what it has written, and what it has read. */
export class Side {
  session!: Session
  link: LinkEnd | undefined
  /** A link whose hello has not arrived yet. */
  arriving: LinkEnd | undefined
  written = 0
  isEnded = false
  isOver = false
  hasReadEnd = false
  error: Error | undefined
  file: MemoryFile | undefined
  #got: Buffer[] = []
  readonly role: Role
  readonly data: Buffer

  constructor(role: Role) {
    this.role = role
    this.data = noise(100_000, role === 'dialler' ? 1 : 2)
  }

  /** What its user has read. */
  get got(): Buffer {
    return this.file?.content ?? Buffer.concat(this.#got)
  }

  get stream(): Duplex {
    return this.session.stream
  }

  open(hello: Hello, window: number, file?: MemoryFile): void {
    const session = new Session({
      ...{ role: this.role, hello, window },
      lost: () => {
        this.link = undefined
      },
      over: link => {
        this.isOver ||= session === this.session
        link?.end()
      },
    })
    this.session = session
    this.file = file
    if (file) session.begin(file)
    this.hasReadEnd = false
    session.stream.on('end', () => {
      this.hasReadEnd ||= session === this.session
    })
    session.stream.on('error', error => {
      if (session === this.session) this.error ??= error
    })
  }

  /** Delivers the next frame. Returns whether there was one. */
  deliver(): boolean {
    return (this.arriving ?? this.link)?.deliver() ?? false
  }

  read(): void {
    const chunk: Buffer | null = this.stream.read()
    if (chunk && this.file) this.file.write(chunk)
    else if (chunk) this.#got.push(chunk)
  }

  write(size: number): void {
    this.stream.write(this.data.subarray(this.written, this.written + size))
    this.written += size
  }

  end(): void {
    this.isEnded = true
    this.stream.end()
  }
}

export interface Setup {
  readonly kind: Hello['kind']
  readonly window: number
  /** The receiver keeps the data in a file. */
  readonly isKept: boolean
  readonly rereadable: boolean
}

export class World {
  readonly dialler = new Side('dialler')
  readonly listener = new Side('listener')
  readonly setup: Setup
  readonly hello: Hello
  /** Bits that were flipped: a third one in a row would fail the session. */
  flipped = 0
  /** The dialler has come back to a listener whose session was over. */
  isUnknown = false

  constructor(setup: Setup) {
    this.setup = setup
    const { kind, window, rereadable } = setup
    const words = { id: '0'.repeat(32), secret: '1'.repeat(32), group: '2'.repeat(32) }
    this.hello = { ...words, kind, window, rereadable, again: false, restart: false, received: 0 }
    this.dialler.open(this.hello, window)
    this.listener.open(this.hello, window, setup.isKept ? new MemoryFile(Buffer.alloc(0)) : undefined)
  }

  /** A new link, whether the listener has heard of the loss of the last one or not. */
  connect(): void {
    const { dialler, listener } = this
    const [near, far] = [new LinkEnd(), new LinkEnd()]
    near.far = far
    far.far = near
    dialler.link = near
    near.use({
      frame: frame => {
        if (frame.type === 'welcome') dialler.session.welcomed(near.link, frame.offset, welcomeOf(frame))
        else dialler.error = new Error(`a ${frame.type} instead of a welcome`)
      },
      data() {},
      drained() {},
      lost: () => {
        dialler.link = undefined
      },
    })
    listener.arriving = far
    far.use({
      frame: frame => {
        listener.arriving = undefined
        if (listener.isOver) this.isUnknown = true
        if (listener.isOver) return
        listener.link = far
        void listener.session.welcome(far.link, JSON.parse(frame.payload.toString()))
      },
      data() {},
      drained() {},
      lost: () => {
        listener.arriving = undefined
      },
    })
    near.send('hello', 0, { ...this.hello, again: dialler.session.hadLink, received: dialler.session.received })
  }

  /** The listener dies, and starts again with what is on its disk. */
  restart(): void {
    const { listener, dialler } = this
    listener.link?.vanish()
    listener.link = undefined
    dialler.link?.inbox.push(closed)
    listener.isOver = false
    const { content, durable } = listener.file as MemoryFile
    listener.open(this.hello, this.setup.window, new MemoryFile(Buffer.from(content.subarray(0, durable))))
  }

  get sides(): readonly (readonly [side: Side, other: Side])[] {
    return [
      [this.dialler, this.listener],
      [this.listener, this.dialler],
    ]
  }

  /** What holds at any time. */
  check(): void {
    for (const [side, other] of this.sides) {
      const { got } = side
      const right = side.file ? side.session.incoming.verified : got.length
      const known = Math.min(right, got.length)
      if (!got.subarray(0, known).equals(other.data.subarray(0, known)) || known > other.written)
        throw new Error(`the ${side.role} has read other bytes than were written`)
      if (side.hasReadEnd && (!other.isEnded || got.length !== other.written))
        throw new Error(`the ${side.role} has read an end after ${got.length} bytes of ${other.written}`)
      if (other.session.outgoing.confirmed > side.session.received + (side.file ? other.written : 0))
        throw new Error(`the ${other.role} has ${other.session.outgoing.confirmed} bytes confirmed`)
      if (side.error) throw side.error
    }
  }
}
