/** What the parts of the fuzz have in common. */

import type { Test } from 'tap'
import { bounded } from '../e2e/support.js'
import type fc from '../fast-check.js'

/** One kind of round: its cases are plain data, made from a seed, made smaller once one of them has failed. */
export interface Part<T = unknown> {
  readonly name: string
  readonly cases: fc.Arbitrary<T>
  /** How many cases a round has. */
  readonly runs: number
  /** Rejects when what happened is none of what is promised. */
  play(value: T): void | Promise<void>
  /** A case in words, a line for each thing that happens in it. */
  describe(value: T): string[]
  /** What has been done so far, as the last line of the fuzz tells it: `120 connections`. */
  total(): string
}

/** What the fuzz is there to find; the message tells what was promised and what came. */
export class Finding extends Error {}

/** The promise; a finding if it does not come. */
export async function inTime<T>(promise: Promise<T>, what: string, time?: number): Promise<T> {
  const came = await bounded(
    promise.then(value => () => value),
    what,
    time,
  ).catch((error: Error) => error)
  if (typeof came === 'function') return came()
  throw new Finding(came.message, { cause: came })
}

export interface Scope {
  /** For the helpers of the tests, which close at its end what they have opened. */
  readonly test: Test
  close(): Promise<void>
}

/** The part of a test that helpers need, for programs that are no test. */
export function openScope(): Scope {
  const works: (() => unknown)[] = []
  const test = { teardown: (work: () => unknown) => void works.push(work) } as unknown as Test
  const close = async () => {
    for (const work of works.splice(0).reverse()) await work()
  }
  return { test, close }
}

/** Done in a scope that is closed whatever comes of it. */
export async function inScope<T>(work: (test: Test) => Promise<T>): Promise<T> {
  const scope = openScope()
  try {
    return await work(scope.test)
  } finally {
    await scope.close()
  }
}
