/** A process that is killed, halted and started again: the same command on the same ports and folders. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** Milliseconds before a process that has ended by itself is started again. */
const pause = 500

export interface ProgramOptions {
  readonly name: string
  /** The command, for the first start, the second one … */
  readonly command: (run: number) => readonly string[]
  /** Where stdout and stderr go. */
  readonly log: string
}

export class Program {
  readonly name: string
  /** How often it was started. */
  runs = 0
  /** How often it has ended by itself with an error. */
  failures = 0
  readonly #options: ProgramOptions
  #child: ChildProcess | undefined
  #isKept = true

  constructor(options: ProgramOptions) {
    this.#options = options
    this.name = options.name
  }

  /** Whether it runs, as far as is known: a process that was killed does not, at once. */
  get isUp(): boolean {
    return this.#child !== undefined
  }

  start(): void {
    const { command, log } = this.#options
    const [file = '', ...words] = command(++this.runs)
    const output = openSync(log, 'a')
    const { NODE_OPTIONS: _, ...env } = process.env // tap would load itself into it
    const child = spawn(file, words, { env, stdio: ['ignore', output, output] })
    closeSync(output)
    this.#child = child
    child.once('exit', code => void this.#ended(child, code))
  }

  /** `kill -9`. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    if (!child) return
    this.#child = undefined
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** Halts it for a time. */
  async halt(time: number): Promise<void> {
    const child = this.#child
    child?.kill('SIGSTOP')
    await delay(time)
    child?.kill('SIGCONT')
  }

  /** Ends it as its user would, for good. */
  async stop(): Promise<void> {
    this.#isKept = false
    const child = this.#child
    if (!child) return
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }

  /** Resolves when it has ended by itself, which is its purpose. */
  async ended(): Promise<void> {
    this.#isKept = false
    if (this.#child) await once(this.#child, 'exit')
  }

  async #ended(child: ChildProcess, code: number | null): Promise<void> {
    if (this.#child !== child) return // it was killed
    this.#child = undefined
    if (code !== 0) this.failures++
    if (!this.#isKept) return
    await delay(pause)
    if (this.#isKept && !this.#child) this.start()
  }
}
