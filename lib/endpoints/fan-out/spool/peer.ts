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
    if (!this.isDown) return this.reach(signal)
    while (this.probing) await untilAborted(this.probing, signal)
    const probe = this.reach(signal)
    this.probing = probe.catch(() => {})
    try {
      return await probe
    } finally {
      this.probing = undefined
    }
  }

  /** Calls `deliver` again, after a growing time, until it succeeds. Rejects when the signal aborts. */
  async retry(deliver: () => Promise<void>, signal: AbortSignal): Promise<void> {
    for (let number = 0; ; number++)
      try {
        await deliver()
        if (this.isDown) this.log?.info({ to: this.to }, 'a further sink takes data again')
        this.isDown = false
        return
      } catch (error) {
        if (signal.aborted) throw error
        this.note(error)
        await delay(growing(number), undefined, { signal })
      }
  }

  private async reach(signal: AbortSignal): Promise<Sink> {
    for (let number = 0; ; number++)
      try {
        return (await this.dial(signal)).on('error', () => {}) // until its pipeline begins
      } catch (error) {
        if (signal.aborted) throw error
        const wasDown = this.isDown
        this.note(error)
        if (!wasDown) return this.open(signal)
        await delay(growing(number), undefined, { signal })
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
