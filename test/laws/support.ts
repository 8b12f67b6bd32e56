/** What a transform needs around it in a test: a log that can be read, a connection, programs to compare with. */

import { type SpawnSyncOptions, spawnSync } from 'node:child_process'
import { Writable } from 'node:stream'
import zlib from 'node:zlib'
import { pino } from 'pino'
import type { ConnectionInfo, Logger } from '../../lib/stages/context.js'
import { parse } from '../../lib/stages/spec.js'
import { errorMessage } from '../../lib/text/errors.js'
import { registry } from '../../transforms/spec.js'

export const connection: ConnectionInfo = { id: 'c1', number: 1, remote: '::1', port: 4711, direction: 'reply' }

/** A log of level trace and the objects that were logged, without time, pid and host. */
export function memoryLog(level = 'trace'): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  const destination = new Writable({
    write(line, _encoding, callback) {
      lines.push(JSON.parse(line))
      callback()
    },
  })
  return { log: pino({ level, base: null, timestamp: false }, destination), lines }
}

/** The options of a test that compares with programs: skipped, with the name, where one is missing. */
export function needs(...programs: string[]): { skip: string | false } {
  const missing = programs.find(program => spawnSync(program, ['--version'], { stdio: 'ignore' }).error)
  return { skip: missing ? `${missing} is not installed` : false }
}

/** All transforms. */
export const all = registry

/** The options of a test that runs a spec: skipped, with the reason, where this Node lacks what the spec needs. */
export function possible(...specs: string[]): { skip: string | false } {
  try {
    for (const spec of specs) parse(spec, all)
    return { skip: false }
  } catch (error) {
    const reason = /\S+ needs Node .*/.exec(errorMessage(error))?.[0]
    if (reason === undefined) throw error
    return { skip: reason }
  }
}

/** What a program writes for an input. */
export function output(program: string, args: string[], input: Buffer, options: SpawnSyncOptions = {}): Buffer {
  const { stdout, stderr, status } = spawnSync(program, args, { input, maxBuffer: 2 ** 30, ...options })
  if (status !== 0) throw new Error(`${program}: exit ${status}: ${stderr}`)
  return stdout as Buffer
}

/** As `gzipSync`, in the zstd format; where `possible('zstd')`. */
export function zstdSync(bytes: Buffer | string): Buffer {
  return (zlib as unknown as { zstdCompressSync: typeof zlib.gzipSync }).zstdCompressSync(bytes)
}

/** Bytes that look random and are the same in each run. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}
