// What the benchmarks share: programs side by side, one run after the other, medians and ratios.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const MiB = 1024 * 1024

/** The command line of this checkout, as a shell would start it. */
export const tcpPipe = `${process.execPath} ${fileURLToPath(new URL('../dist/bundle/cli.js', import.meta.url))}`

const longest = 180_000

export function has(program) {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Candidates in turn, A B C A B C …, so that a slow minute of the machine hits all of them. → medians by name, or what else `choose` takes */
export async function compare(candidates, runs, measure, choose = median) {
  const figures = new Map(candidates.map(({ name }) => [name, []]))
  for (let run = 0; run < runs; run++) {
    for (const candidate of candidates) {
      figures.get(candidate.name).push(await measure(candidate))
      process.stderr.write('.')
    }
  }
  process.stderr.write('\n')
  return new Map([...figures].map(([name, values]) => [name, choose(values)]))
}

/** Seconds from the start of the sender to the end of both. `PORT` in the commands is a free port. */
export async function transfer({ receiver, sender, bytes }) {
  const port = String(await freePort())
  const receiving = shell(receiver.replaceAll('PORT', port))
  await listening(Number(port))
  const started = performance.now()
  const sending = shell(sender.replaceAll('PORT', port))
  await Promise.all([sending.done, receiving.done])
  const seconds = (performance.now() - started) / 1000
  const arrived = /"bytesIn":(\d+)/.exec(receiving.errors())
  if (bytes && arrived && Number(arrived[1]) !== bytes)
    throw new Error(`${arrived[1]} of ${bytes} bytes arrived: ${receiver}`)
  return seconds
}

/** A command in a process group of its own, which is ended when it takes too long. */
export function shell(command, { ends = true } = {}) {
  const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  const kill = () => {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // it has ended already
    }
  }
  const timer = setTimeout(kill, longest)
  const done = once(child, 'close').then(([code]) => {
    clearTimeout(timer)
    if (ends && code !== 0) throw new Error(`exit code ${code}: ${command}\n${errors}`)
  })
  return { child, done, kill, errors: () => errors }
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Resolves when somebody listens on the port; asked of the kernel, since nc takes one connection only. */
export async function listening(port) {
  const row = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, '0')} \\S+ 0A `)
  const end = performance.now() + 20_000
  while (!['/proc/net/tcp', '/proc/net/tcp6'].some(file => existsSync(file) && row.test(readFileSync(file, 'utf8')))) {
    if (performance.now() > end) throw new Error(`nobody listens on ${port}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** A file of so many bytes, written block by block by `fill(block, index)`. */
export function makeFile(name, bytes, fill) {
  const path = join(tmpdir(), `tcp-pipe-bench-${process.pid}-${name}`)
  const descriptor = openSync(path, 'w')
  const block = Buffer.alloc(MiB)
  for (let written = 0, i = 0; written < bytes; written += MiB, i++) {
    fill(block, i)
    writeSync(descriptor, block, 0, Math.min(MiB, bytes - written))
  }
  closeSync(descriptor)
  return path
}

/** Pseudo-random bytes, the same in every run (xorshift32). */
export function randomBytes(block, index) {
  const words = new Uint32Array(block.buffer, block.byteOffset, block.length / 4)
  let state = (index * 2654435761 + 88172645) >>> 0
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
}

/** Lines of a log, about 80 bytes each. */
export function logLines(block, index) {
  const level = n => (n % 50 === 0 ? 'ERROR' : n % 7 === 0 ? 'WARN ' : 'INFO ')
  let text = ''
  for (let n = index * 13_107; text.length < block.length; n++) {
    text += `2026-01-01T00:00:${String(n % 60).padStart(2, '0')}.${n % 1000} ${level(n)} request ${(n * 2654435761) >>> 0} took ${n % 997} ms\n`
  }
  block.write(text, 'latin1')
}

/** Resident memory of a process in bytes. */
export function residentMemory(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024
}
