/** Sockets and streams for tests: loopback only, port 0, everything is closed at the end of its test. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, Readable, Writable } from 'node:stream'
import { pino } from 'pino'
import type { Test } from 'tap'

/** What a test knows about the far end of a connection. */
export interface Outcome {
  data: Buffer
  /** A clean end (FIN) was seen. */
  ended: boolean
  code: string | undefined
}

/** Both ends of one connection: the accepted socket and the one that dialled. */
export async function socketPair(t: Test): Promise<[accepted: Socket, client: Socket]> {
  return pair(t, createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1'))
}

export async function unixPair(t: Test): Promise<[accepted: Socket, client: Socket]> {
  return pair(t, createServer({ allowHalfOpen: true }).listen(socketPath(t)))
}

/** A path for a unix socket; those of `t.testdir` can be too long. */
export function socketPath(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'tcp-pipe-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, 's')
}

async function pair(t: Test, server: Server): Promise<[Socket, Socket]> {
  await once(server, 'listening')
  const address = server.address() as AddressInfo | string
  const client = clientOf(t, address)
  const [[accepted]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [[Socket], []]
  server.close()
  t.teardown(() => accepted.destroy())
  return [accepted, client]
}

/** A socket that connects. Its errors are kept in its outcome; it ends only if the test ends it. */
export function clientOf(t: Test, address: AddressInfo | { port: number } | string): Socket {
  const target = typeof address === 'string' ? { path: address } : { port: address.port, host: '127.0.0.1' }
  const socket = connect({ ...target, allowHalfOpen: true, noDelay: true })
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  return socket
}

/** A server of the test's own; its sockets are closed with it. */
export async function listener(t: Test, work: (socket: Socket) => void, path?: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    work(socket)
  })
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return server
}

/** A port where nobody answers: what listens there accepts nothing, and its queue is full. */
export async function silentPort(t: Test): Promise<number> {
  const script = `const server = require('node:net').createServer().listen(0, '127.0.0.1', 1, () => {
    require('node:fs').writeSync(1, String(server.address().port))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'], env: {} })
  t.teardown(() => child.kill('SIGKILL'))
  const [text] = await once(child.stdout, 'data')
  const port = Number(text)
  await Promise.all([1, 2].map(() => once(clientOf(t, { port }), 'connect')))
  return port
}

/** A server at 127.0.0.1 that has accepted nothing yet, and whose queue is full. It answers after `answerSoon`. */
export async function slowServer(t: Test): Promise<{ port: number; answerSoon(): Promise<void> }> {
  const script = `const { readSync, writeSync } = require('node:fs')
  const server = require('node:net').createServer(socket => socket.on('error', () => {}).resume())
  server.listen(0, '127.0.0.1', 1, () => {
    writeSync(1, String(server.address().port))
    readSync(0, Buffer.alloc(1))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
  })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'], env: {} })
  t.teardown(() => child.kill('SIGKILL'))
  const [text] = await once(child.stdout, 'data')
  const port = Number(text)
  await Promise.all([1, 2].map(() => once(clientOf(t, { port }), 'connect')))
  return { port, answerSoon: () => new Promise(resolve => child.stdin.write('x', () => resolve())) }
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** What a socket gives up to its end; it stays open. */
export async function received(socket: Readable): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  await once(socket, 'end')
  return String(Buffer.concat(chunks))
}

/** Reads a socket, or another carrier, to its close, which may have come already. */
export async function outcome(socket: Duplex): Promise<Outcome> {
  const chunks: Buffer[] = []
  const { code } = (socket.errored ?? {}) as NodeJS.ErrnoException
  const result: Outcome = { data: Buffer.alloc(0), ended: socket.readableEnded, code }
  socket.on('data', chunk => chunks.push(chunk))
  socket.once('end', () => {
    result.ended = true
  })
  socket.once('error', error => {
    result.code = (error as NodeJS.ErrnoException).code
  })
  await closed(socket)
  return Object.assign(result, { data: Buffer.concat(chunks) })
}

/** What a stream gives, to its end; a socket stays open (`for await` would destroy it). */
export async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', chunk => chunks.push(chunk))
  await once(stream, 'end')
  return Buffer.concat(chunks)
}

/** Unlike `once`, no matter with which error, and whether it is closed already. Its events have come by then. */
export function closed(stream: Readable | Writable): Promise<void> {
  return new Promise(resolve => (stream.closed ? setImmediate(resolve) : stream.once('close', resolve)))
}

/** A Writable that keeps what it gets. */
export function memorySink(): Writable & { readonly data: Buffer } {
  const chunks: Buffer[] = []
  const sink = new Writable({
    write(chunk, _encoding, callback) {
      chunks.push(chunk)
      callback()
    },
  })
  return Object.defineProperty(sink, 'data', { get: () => Buffer.concat(chunks) }) as Writable & { data: Buffer }
}

/** A Writable that takes each chunk only when it is told to. */
export function heldSink(): { sink: Writable; held: (() => void)[]; release(): void } {
  const held: (() => void)[] = []
  let open = false
  const sink = new Writable({
    highWaterMark: 1,
    write(_chunk, _encoding, callback) {
      if (open) callback()
      else held.push(callback)
    },
  })
  const release = () => {
    open = true
    for (const callback of held.splice(0)) callback()
  }
  return { sink, held, release }
}

export function failingSink(error: Error): Writable {
  return new Writable({ write: (_chunk, _encoding, callback) => callback(error) })
}

export function endless(): Readable {
  const block = Buffer.alloc(16 * 1024, 'endless\n')
  return new Readable({
    read() {
      setImmediate(() => this.push(block))
    },
  })
}

export function silent(): Readable {
  return new Readable({ read() {} })
}

/** A pino logger and the lines that it has written, without the debug ones. */
export function recorder(level = 'info') {
  // biome-ignore lint/suspicious/noExplicitAny: log lines have whatever fields they have
  const lines: Record<string, any>[] = []
  const log = pino({ level, base: null, timestamp: false }, { write: line => void lines.push(JSON.parse(line)) })
  return { log, lines }
}

/** A leak of listeners is only a warning: here it fails the test. What the loader of the tests uses is not our affair. */
export function failOnWarning(t: Test): void {
  const warned = (warning: Error) =>
    warning.message.startsWith('`module.register()`') || t.fail(`${warning.name}: ${warning.message}`)
  process.on('warning', warned)
  t.teardown(() => process.off('warning', warned))
}

/** The handles that a leak would add to. */
export function handles(): Record<string, number> {
  const count: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo())
    if (/TCP|Pipe|FSReq|CloseReq|Shutdown/.test(name)) count[name] = (count[name] ?? 0) + 1
  return count
}

/** Resolves when `check` holds; for what no event tells. */
export async function until(check: () => boolean): Promise<void> {
  while (!check()) await new Promise(resolve => setTimeout(resolve, 2))
}
