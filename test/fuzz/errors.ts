/** Errors in the middle of a stream: what precedes one is delivered, whatever the cuts, and then the connection fails. */
import { connect, type NetConnectOpts } from 'node:net'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Connection } from '../../lib/connection/connection.js'
import { hiddenReset } from '../../lib/endpoints/reset.js'
import { type PipeServer, serve } from '../../lib/serve.js'
import type { Summary } from '../../lib/stats/summary.js'
import { errorCode, errorMessage } from '../../lib/text/errors.js'
import { spec } from '../../transforms/spec.js'
import { cleanup, shortDirectory } from '../e2e/support.js'
import fc from '../fast-check.js'
import { recorder } from '../lib/network.js'
import { cutAt, cutEvery, run } from '../lib/pipes.js'
import { type Broken, cook, maxRecord, type Recipe, recipes } from './broken.js'
import { Finding, inScope, inTime, type Part } from './part.js'
import { checkProcess } from './process.js'
import { resources, restored } from './resources.js'

/** Stages that neither change the bytes nor keep some of them for later. */
const passing = ['slice 7', 'slice 777', 'delay 1ms', 'buffer 64k', 'throttle 64m']

interface Case {
  readonly recipe: Recipe
  readonly behind: readonly string[]
  /** Where the input is cut, once for each connection; a number is the size of all chunks. */
  readonly cuts: readonly (number | readonly number[])[]
  readonly unix: boolean
  readonly to: 'a sink' | 'the client'
  /** The client ends its side after the last byte. */
  readonly ends: boolean
}

const cuts = fc.oneof(fc.array(fc.nat(), { maxLength: 20 }), fc.constantFrom(1, 2, 3, 97, 1000))

const cases: fc.Arbitrary<Case> = fc.record({
  recipe: recipes,
  behind: fc.array(fc.constantFrom(...passing), { maxLength: 2 }),
  cuts: fc.array(cuts, { minLength: 2, maxLength: 4 }),
  unix: fc.nat(3).map(number => number === 0),
  to: fc.constantFrom('a sink', 'the client'),
  ends: fc.boolean(),
})

let connections = 0

export const errors: Part<Case> = {
  name: 'an error in the middle of a stream',
  cases,
  runs: 3,
  async play(value) {
    const before = resources()
    await inScope(test => playCase(test, value))
    await restored('handles and descriptors', before, resources, 10_000)
    checkProcess()
  },
  describe: ({ recipe, cuts, ...rest }) => [
    JSON.stringify({ spec: cook(recipe).spec, ...rest }),
    JSON.stringify(recipe),
    ...cuts.map(each => `cut ${typeof each === 'number' ? `every ${each} bytes` : `at ${each.join(', ')}`}`),
  ],
  total: () => `${connections} connections with an error in the middle`,
}

async function playCase(test: Test, value: Case): Promise<void> {
  const broken = cook(value.recipe)
  const text = [broken.spec, ...value.behind].join(' | ')
  const ends = new Map<number, Ended>()
  for (const cut of value.cuts) await checkPipeline(text, broken, chunksOf(broken.bytes, cut))
  const server = await openServer(test, value, text, ends)
  const told = new Set<string>()
  for (const [i, cut] of value.cuts.entries()) {
    const client = await converse(value, server, chunksOf(sent(value, broken), cut), broken.at)
    connections++
    const { taken, summary } = await ended(ends, i + 1)
    const output = value.to === 'a sink' ? taken() : client.received
    checkOutput(`connection ${i + 1}`, broken, output)
    checkFailure(`connection ${i + 1}`, broken.code, summary, client.hasEnded && !value.unix)
    told.add(`${output.toString('latin1')} ${errorMessage(summary.error)}`)
  }
  if (told.size > 1) throw new Finding(`${told.size} different ends of one input: ${[...told].map(tail).join(' / ')}`)
}

/** A client that still writes when the reset comes may lose what it has not read: so nothing follows the last chunk. */
function sent({ to }: Case, { bytes, at, isOpen }: Broken): Buffer {
  return to === 'the client' && !isOpen ? bytes.subarray(0, at + 1500) : bytes
}

function chunksOf(bytes: Buffer, cut: number | readonly number[]): Buffer[] {
  const chunks =
    typeof cut === 'number' ? cutEvery(Math.max(cut, Math.ceil(bytes.length / 2000)), bytes) : cutAt(cut, bytes)
  return chunks.filter(chunk => chunk.length > 0)
}

/** The stages alone get the very chunks. */
async function checkPipeline(text: string, broken: Broken & { code: string }, chunks: Buffer[]): Promise<void> {
  const work = run(spec(text)(), chunks, { maxRecord })
  const { chunks: output, error } = await inTime(work, 'the end of the stages')
  checkOutput('the stages', broken, Buffer.concat(output))
  if (errorCode(error) !== broken.code) throw new Finding(`the stages: ${String(error)} instead of ${broken.code}`)
}

interface Ended {
  taken(): Buffer
  summary: Promise<Summary>
}

async function openServer(test: Test, value: Case, text: string, ends: Map<number, Ended>): Promise<PipeServer> {
  const sinks = new Map<number, Buffer[]>()
  const sink = ({ number }: { number: number }) => {
    const chunks: Buffer[] = []
    sinks.set(number, chunks)
    return new Writable({
      async write(chunk, _encoding, done) {
        await setImmediate()
        chunks.push(chunk)
        done()
      },
    })
  }
  const server = await serve({
    ...(value.unix ? { path: join(shortDirectory(test), 's') } : { port: 0 }),
    ...(value.to === 'a sink' ? { to: sink } : { reply: true }),
    transforms: spec(text),
    maxRecord,
    log: recorder().log,
    onConnection: ({ number, closed }: Connection) =>
      void ends.set(number, { taken: () => Buffer.concat(sinks.get(number) ?? []), summary: closed }),
  })
  cleanup(test, () => server.close({ drain: 0 }))
  return server
}

async function ended(ends: Map<number, Ended>, number: number): Promise<{ taken(): Buffer; summary: Summary }> {
  const { taken, summary } = ends.get(number) as Ended
  return { taken, summary: await inTime(summary, 'the end of the connection') }
}

interface Client {
  received: Buffer
  /** A clean end has come. */
  hasEnded: boolean
}

/** Writes the chunks one after another, so that most of them come alone, and reads until the connection is closed. */
async function converse(value: Case, server: PipeServer, chunks: Buffer[], at: number): Promise<Client> {
  const { address, port } = server.address
  const to: NetConnectOpts = value.unix ? { path: address } : { port, host: address }
  const socket = connect({ ...to, allowHalfOpen: true, noDelay: true })
  const received: Buffer[] = []
  let hasEnded = false
  const closed = new Promise(resolve => socket.once('close', resolve))
  socket.on('data', chunk => received.push(chunk)).on('error', () => {})
  socket.on('end', () => {
    hasEnded = hiddenReset(socket) === undefined
    socket.destroy()
  })
  try {
    let written = 0
    for (const [i, chunk] of chunks.entries()) {
      if (socket.destroyed) break
      const isLast = value.to === 'the client' && written + chunk.length > at
      socket.write(isLast ? Buffer.concat(chunks.slice(i)) : chunk)
      written += chunk.length
      if (isLast) break
      await setImmediate()
    }
    if (value.ends) socket.end()
    await inTime(closed, 'the close of the client')
  } finally {
    socket.destroy()
  }
  return { received: Buffer.concat(received), hasEnded }
}

/** It is what precedes the error. */
function checkOutput(who: string, { before, isOpen }: Broken, output: Buffer): void {
  const known = isOpen ? output.subarray(0, before.length) : output
  if (known.equals(before)) return
  const same = before.findIndex((byte, i) => byte !== output[i])
  throw new Finding(
    `${who}: ${output.length} bytes have come, ${before.length} precede the error; they differ from ${same} on`,
  )
}

function checkFailure(who: string, code: string, { error, closedBy }: Summary, hasCleanEnd: boolean): void {
  if (errorCode(error) !== code) throw new Finding(`${who}: ended with ${String(error)} instead of ${code}`)
  if (closedBy !== 'error' && closedBy !== 'limit') throw new Finding(`${who}: closed by ${closedBy}`)
  if (hasCleanEnd) throw new Finding(`${who}: failed, and its client has got a clean end`)
}

function tail(text: string): string {
  return JSON.stringify(text.slice(-200))
}
