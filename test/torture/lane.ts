/** A sender, a network and a receiver, which carry out one transfer after the other. */
import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Chance } from './chance.js'
import { masked } from './mask.js'
import type { Piece, Ports, Receipted, SendOrder, Sent } from './orders.js'
import { mayFail, type Plan } from './plan.js'
import { Relay } from './relay.js'

/** `whole`: it has its receipt and is identical. `failed`: without a file, or with a whole one whose receipt was lost. */
export type Outcome = 'whole' | 'failed as it may' | 'FAILED' | 'LOST'

export interface Result {
  readonly outcome: Outcome
  readonly words: string
}

/** Milliseconds that one transfer may take. */
const patience = 120_000

/** What all lanes share. */
export interface Place {
  /** The file that all pieces are of, and its bytes. */
  readonly base: string
  readonly bytes: Buffer
  /** The certificate of the receivers; the name of a file with it and its key. */
  readonly certificate: string
  readonly identity: string
}

export class Lane {
  readonly relay: Relay
  kills = 0
  reconnects = 0
  readonly #folder: string
  readonly #place: Place
  readonly #chance: Chance
  #receiver: ChildProcess | undefined
  #ports: Ports | undefined
  #port = 0
  readonly #senders: (ChildProcess | undefined)[] = []

  constructor(folder: string, place: Place, chance: Chance) {
    this.#folder = folder
    this.#place = place
    this.#chance = chance
    this.relay = new Relay(chance)
  }

  async open(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true })
    this.#port = await this.relay.listen()
    await this.#startReceiver()
  }

  close(): void {
    for (const child of [this.#receiver, ...this.#senders]) child?.kill('SIGKILL')
    this.relay.close()
  }

  async run(plan: Plan): Promise<Result[]> {
    const { pieces, entrance, faults, kind } = plan
    this.relay.target = this.#target(entrance)
    this.relay.faults = [...faults]
    this.relay.reach = Math.max(2000, pieces.reduce((sum, { size }) => sum + size, 0) / (faults.length + 1))
    if (kind !== 'stream') for (const [i, piece] of pieces.entries()) this.#makeSource(piece, i)
    const alone = kind === 'rivals' ? pieces.map(piece => [piece]) : [pieces]
    const done = Promise.all(alone.map((each, i) => this.#send(plan, each, i)))
    const ended = new AbortController()
    const harm = this.#harm(plan, ended.signal)
    const timer = new AbortController()
    const late = delay(patience, undefined, { signal: timer.signal }).then(
      () => pieces.map(() => ({ error: `it has not ended after ${patience} ms` })),
      () => [],
    )
    const sent = (await Promise.race([done, late])).flat()
    timer.abort()
    ended.abort()
    await harm
    this.relay.faults = []
    const results = pieces.map((piece, i) => this.#judge(plan, piece, sent[i] as Receipted | { error: string }))
    rmSync(join(this.#folder, 'in'), { recursive: true, force: true, maxRetries: 9, retryDelay: 100 })
    rmSync(join(this.#folder, 'out'), { recursive: true, force: true })
    if (plan.kind !== 'rivals' || !results.some(({ outcome }) => outcome === 'whole')) return results
    return results.map(result => (result.outcome === 'FAILED' ? { ...result, outcome: 'failed as it may' } : result))
  }

  #target(entrance: Plan['entrance']): number {
    return (this.#ports as Ports)[entrance]
  }

  #source(index: number): string {
    return join(this.#folder, 'out', String(index))
  }

  #makeSource(piece: Piece, index: number): void {
    mkdirSync(join(this.#folder, 'out'), { recursive: true })
    writeFileSync(this.#source(index), this.#bytesOf(piece))
  }

  #bytesOf({ offset, size }: Piece): Buffer {
    return this.#place.bytes.subarray(offset, offset + size)
  }

  /** Orders it again when the sender was killed. */
  async #send(plan: Plan, pieces: readonly Piece[], rival: number): Promise<Sent> {
    const { kind, isMasked, wrong, entrance } = plan
    const order: SendOrder = {
      ...{ base: this.#place.base, port: this.#port, isMasked, wrong },
      certificate: entrance === 'tls' ? this.#place.certificate : undefined,
      pieces: pieces.map((piece, i) => ({ ...piece, path: kind === 'stream' ? undefined : this.#source(rival + i) })),
    }
    for (;;) {
      const sender = await this.#sender(rival)
      sender.send(order)
      const sent = await answerOf<Sent>(sender)
      if (sent) return sent
      this.#senders[rival] = undefined
    }
  }

  async #sender(index: number): Promise<ChildProcess> {
    const running = this.#senders[index]
    if (running) return running
    const sender = start('sender.js', [])
    this.#senders[index] = sender
    if (await answerOf(sender)) return sender
    this.#senders[index] = undefined
    return this.#sender(index)
  }

  async #startReceiver(): Promise<void> {
    const slowness = this.#chance.of([0, 0, 0, 15])
    const receiver = start('receiver.js', [join(this.#folder, 'in'), this.#place.identity, String(slowness)])
    this.#receiver = receiver
    const [ports] = (await once(receiver, 'message')) as [Ports]
    this.#ports = ports
  }

  async #harm(plan: Plan, signal: AbortSignal): Promise<void> {
    for (const { who, after, damages } of plan.kills) {
      await delay(after, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      this.kills++
      if (who === 'sender') this.#senders[0]?.kill('SIGKILL')
      else await this.#restart(plan, damages)
    }
  }

  async #restart(plan: Plan, damages: boolean): Promise<void> {
    const receiver = this.#receiver as ChildProcess
    const gone = once(receiver, 'exit')
    receiver.kill('SIGKILL')
    await gone
    if (damages)
      for (const { name } of plan.pieces) await damage(join(this.#folder, 'in', `${name}.part`), this.#chance)
    await this.#startReceiver()
    this.relay.target = this.#target(plan.entrance)
  }

  #judge(plan: Plan, piece: Piece, sent: Receipted | { readonly error: string }): Result {
    const path = join(this.#folder, 'in', piece.name)
    const wire = plan.isMasked ? masked(this.#bytesOf(piece)) : this.#bytesOf(piece)
    const whole = plan.entrance === 'unmasks' ? masked(wire) : wire
    const found = existsSync(path) ? readFileSync(path) : undefined
    const isWhole = found?.equals(whole) === true
    const words = 'error' in sent ? sent.error : 'a receipt'
    if ('error' in sent) {
      const isRivals = plan.kind === 'rivals' && plan.pieces.some(each => found?.equals(this.#final(plan, each)))
      if (found && !isWhole && !isRivals) return { outcome: 'LOST', words: `${words}, and another file has its name` }
      return { outcome: mayFail(plan) ? 'failed as it may' : 'FAILED', words }
    }
    this.reconnects += sent.reconnects
    const isProper = sent.bytes === wire.length && sent.sha256 === sha256Of(wire)
    const isWritten = !sent.written || sent.written.sha256 === sha256Of(whole)
    if (isWhole && isProper && isWritten) return { outcome: 'whole', words }
    return { outcome: 'LOST', words: `${words}, and ${isWhole ? 'it is wrong' : found ? 'other bytes' : 'no file'}` }
  }

  #final(plan: Plan, piece: Piece): Buffer {
    const isMasked = plan.isMasked !== (plan.entrance === 'unmasks')
    return isMasked ? masked(this.#bytesOf(piece)) : this.#bytesOf(piece)
  }
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** What a disk, or somebody, does to an unfinished file or its notes while nobody has them open. */
async function damage(part: string, chance: Chance): Promise<void> {
  const path = chance.of([part, part, `${part}.session`])
  const size = existsSync(path) ? statSync(path).size : 0
  if (size === 0) return
  const at = chance.below(size)
  if (chance.is(0.3)) return truncateSync(path, at)
  const file = await open(path, 'r+')
  await file.write(Buffer.from([chance.below(256)]), 0, 1, at)
  await file.close()
}

/** What a process says next. Undefined if it ends before. */
async function answerOf<T>(child: ChildProcess): Promise<T | undefined> {
  const over = new AbortController()
  const { signal } = over
  const said = once(child, 'message', { signal })
  const exited = once(child, 'exit', { signal }).then(() => [undefined])
  try {
    const [answer] = await Promise.race([said, exited])
    return answer as T | undefined
  } finally {
    for (const other of [said, exited]) other.catch(() => {})
    over.abort()
  }
}

/** tap would load itself into each child. */
function start(script: string, words: string[]): ChildProcess {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const { NODE_OPTIONS: _, ...env } = process.env
  return fork(path, words, { env, execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}
