/** The target of spools. While it is down, only one delivery tries to reach it; the others wait for that one. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../../../stages/context.js'
import { errorCode, errorMessage } from '../../../text/errors.js'
import type { Sink } from '../../endpoint.js'
import { growing } from '../../retry.js'
import type { OpenSink } from '../late-sink.js'

export class Peer {
  private probing: Promise<unknown> | undefined
  private isDown = false

  constructor(
    private readonly to: string,
    private readonly dial: OpenSink,
    private readonly log: Logger | undefined,
  ) {}

  /** Resolves with a sink as soon as the target can be reached. Rejects only when the signal aborts. */
  async open(signal: AbortSignal): Promise<Sink> {
    const first = this.isDown ? undefined : await this.reach(signal)
    if (first) return first
    while (this.probing) await untilAborted(this.probing, signal)
    const probe = this.probe(signal)
    this.probing = probe.catch(() => {})
    try {
      return await probe
    } finally {
      this.probing = undefined
    }
  }

  /** Calls `deliver` again, after a growing time, until it succeeds. Rejects when the signal aborts. */
  async retry(deliver: () => Promise<void>, signal: AbortSignal, number = 0): Promise<void> {
    try {
      await deliver()
    } catch (error) {
      if (signal.aborted) throw error
      this.note(error)
      await delay(growing(number), undefined, { signal })
      return this.retry(deliver, signal, number + 1)
    }
    if (this.isDown) this.log?.info({ to: this.to }, 'a further sink takes data again')
    this.isDown = false
  }

  private async probe(signal: AbortSignal, number = 0): Promise<Sink> {
    const sink = await this.reach(signal)
    if (sink) return sink
    await delay(growing(number), undefined, { signal })
    return this.probe(signal, number + 1)
  }

  /** Undefined if the target cannot be reached now. */
  private async reach(signal: AbortSignal): Promise<Sink | undefined> {
    try {
      return (await this.dial(signal)).on('error', () => {}) // until its pipeline begins
    } catch (error) {
      if (signal.aborted) throw error
      this.note(error)
      return undefined
    }
  }

  /** Once, until it takes data again. */
  private note(error: unknown): void {
    const failure = { code: errorCode(error), error: errorMessage(error) }
    if (!this.isDown) this.log?.warn({ to: this.to, ...failure }, 'a further sink takes no data, its spools wait')
    this.isDown = true
  }
}

/** Waits for a promise, but rejects when the signal aborts. */
async function untilAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let abort!: () => void
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
  })
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort)
  try {
    await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
