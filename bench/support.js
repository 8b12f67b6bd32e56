// What the benchmarks share: programs side by side, one run after the other, medians and ratios.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs'
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

/**
 * Candidates in turn, A B C C B A …, so that a slow minute of the machine hits all of them, and none is always the first
 * one. What is measured are named numbers, such as `seconds` and `cpu`. → by candidate, of each number the median, or what
 * else `choose` takes
 */
export async function compare(candidates, runs, measure, choose = median) {
  const measured = new Map(candidates.map(({ name }) => [name, []]))
  for (let run = 0; run < runs; run++) {
    for (const candidate of run % 2 === 0 ? candidates : candidates.toReversed()) {
      measured.get(candidate.name).push(await measure(candidate))
      process.stderr.write('.')
    }
  }
  process.stderr.write('\n')
  return new Map([...measured].map(([name, all]) => [name, summary(all, choose)]))
}

function summary(all, choose) {
  return Object.fromEntries(Object.keys(all[0]).map(key => [key, choose(all.map(each => each[key]))]))
}

/** What a row shows of bytes that took so many seconds, in MB/s and in ms of processor time for each GB. */
export function speed(bytes, { seconds, cpu }) {
  return { value: bytes / 1e6 / seconds, cpu: (cpu * 1e12) / bytes }
}

/** What a row shows of so many requests, in 1/s and in µs of processor time for each. */
export function rate(count, { seconds, cpu }) {
  return { value: count / seconds, cpu: (cpu * 1e6) / count }
}

/** Seconds from the start of the sender to the end of both, and those of the processor for both. `PORT` in the commands is a free port. */
export async function transfer({ receiver, sender, bytes }) {
  const port = String(await freePort())
  const receiving = shell(receiver.replaceAll('PORT', port))
  await listening(Number(port))
  const started = performance.now()
  const sending = shell(sender.replaceAll('PORT', port))
  const spent = await Promise.all([sending.done, receiving.done])
  const seconds = (performance.now() - started) / 1000
  const arrived = /"bytesIn":(\d+)/.exec(receiving.errors())
  if (bytes && arrived && Number(arrived[1]) !== bytes)
    throw new Error(`${arrived[1]} of ${bytes} bytes arrived: ${receiver}`)
  return { seconds, cpu: spent[0] + spent[1] }
}

/** What ends the groups of processes that still run. Who interrupts the bench leaves none behind. */
const running = new Set()
process.on('exit', () => {
  for (const kill of running) kill()
})

/** bash says milliseconds where others count in hundredths. */
const shellName = has('bash') ? 'bash' : 'sh'

/**
 * A command in a process group of its own. One that ends by itself is ended when it takes too long, and `done` resolves
 * with the seconds of processor time of all its processes.
 */
export function shell(command, { ends = true } = {}) {
  const words = ends ? `(${command}) 3>&-\nstatus=$?\ntimes >&3\nexit $status` : command
  const child = spawn(shellName, ['-c', words], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], detached: true })
  const texts = { errors: '', times: '' }
  child.stderr.on('data', chunk => {
    texts.errors += chunk
  })
  child.stdio[3].on('data', chunk => {
    texts.times += chunk
  })
  const kill = () => {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // it has ended already
    }
  }
  running.add(kill)
  const timer = ends && setTimeout(kill, longest)
  const done = once(child, 'close').then(([code]) => {
    clearTimeout(timer)
    running.delete(kill)
    if (ends && code !== 0) throw new Error(`exit code ${code}: ${command}\n${texts.errors}`)
    return childrensTime(texts.times)
  })
  return { child, done, kill, errors: () => texts.errors }
}

/** What the shell's `times` prints, `0m0.010s 0m0.004s` for itself and a line for its children: seconds of the latter. */
export function childrensTime(text) {
  const [, children = ''] = text.trim().split('\n')
  return [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + 60 * Number(m) + Number(s), 0)
}

/** Seconds of processor time of a process group so far, with those of the children that it has waited for. */
export function spentBy(group) {
  const all = readdirSync('/proc').filter(name => /^\d/.test(name))
  return all.map(timeOf).reduce((sum, time) => (time.group === group ? sum + time.spent : sum), 0)
}

/** Seconds of processor time of one process so far. */
export function spentByOne(pid) {
  return timeOf(pid).spent
}

function timeOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
    return { group: Number(fields[2]), spent: ticks / 100 }
  } catch {
    return { spent: 0 } // it has ended meanwhile
  }
}

/** Seconds of processor time of this process so far. */
export function ownTime() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
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

/** Reads a file, so that it is in memory as it is for the next one who reads it: see `useMemory`. */
export function readFile(path) {
  const descriptor = openSync(path, 'r')
  const block = Buffer.alloc(MiB)
  while (readSync(descriptor, block) > 0);
  closeSync(descriptor)
}

/** A folder in memory, on Linux. */
export const memoryFolder = '/dev/shm'

/**
 * Fills a file in memory, and removes it. The host of a virtual machine takes memory back that nobody has used for some
 * seconds, and whoever comes first waits until it is there again: 5.0 instead of 1.3 s for 2 GiB.
 */
export function useMemory(bytes) {
  if (!existsSync(memoryFolder)) return
  const path = join(memoryFolder, `tcp-pipe-bench-${process.pid}-used`)
  const descriptor = openSync(path, 'w')
  const block = Buffer.alloc(MiB)
  try {
    for (let written = 0; written < bytes; written += MiB) writeSync(descriptor, block)
  } finally {
    closeSync(descriptor)
    rmSync(path)
  }
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
