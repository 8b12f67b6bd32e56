// Load for the curve: requests by redis-benchmark, bulk data by flood.js, through a proxy or straight. Rates and processor times
// are those of a window in which all connections are open and busy: opening them is not counted.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { throughProxy } from './proxies.js'
import { freePort, listening, median, shell, spentByOne } from './support.js'

const direct = 'without a proxy'
export const straight = { name: direct }

const patience = 120_000

/**
 * GET requests on so many connections, each with one in flight. → requests and seconds of the window, `cpu` of the proxy,
 * and `p50` and `p99` of all requests in ms. A server of its own for each, so that no port waits for its old connections.
 * redis-benchmark opens 64 connections at once, and gives up if one is reset: the kernel does that when the accept queue is full.
 */
export async function requests(candidate, connections, count) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await requestsOnce(candidate, connections, count)
    } catch (error) {
      if (attempt === 3) throw error
      process.stderr.write(
        `again, ${candidate.name} with ${connections} connections: ${error.cause?.message ?? error.message}\n`,
      )
    }
  }
}

async function requestsOnce(candidate, connections, count) {
  const target = await freePort()
  const redis = `exec redis-server --port ${target} --bind 127.0.0.1 --save '' --appendonly no --maxclients ${connections + 50}`
  const server = shell(redis, { ends: false })
  try {
    await listening(target)
    const monitor = await monitorOf(target)
    const measure = (port, spent) => window({ port, spent, connections, count, monitor, server })
    return await through(candidate, target, measure, connections)
  } finally {
    server.kill()
    await server.done
  }
}

function through(candidate, target, measure, connections) {
  if (candidate === straight) return measure(target, () => 0)
  return throughProxy(candidate, target, measure, { connections: connections + 50 })
}

async function window({ port, spent, connections, count, monitor, server }) {
  const warm = Math.max(connections, 10_000, Math.round(count / 5))
  const words = `exec redis-benchmark -p ${port} -t get -c ${connections} -n ${count + warm} --csv`
  const client = shell(`${words} >&2`, { ends: false })
  const sample = async () => ({
    requests: await monitor.requests(),
    seconds: performance.now() / 1000,
    cpu: spent(),
    busy: [spentByOne(client.child.pid), spentByOne(server.child.pid)],
    idle: idleTime(),
  })
  const isOver = client.done.then(() => true)
  const reached = async least => {
    const end = performance.now() + patience
    while ((await monitor.requests()) < least && !(await Promise.race([isOver, sleep(10)]))) {
      if (performance.now() > end) throw new Error(`${words} takes too long`)
    }
    return sample()
  }
  try {
    const from = await reached(warm)
    const to = await reached(warm + 0.9 * count)
    await isOver
    const [, , , p50, , p99] = (/^"GET",(.*)$/m.exec(client.errors())?.[1] ?? '')
      .split(',')
      .map(text => Number(text.slice(1, -1)))
    if (!(p99 > 0) || to.requests <= from.requests) throw new Error(`${words}: ${client.errors()}`)
    const seconds = to.seconds - from.seconds
    const share = time => time / seconds
    return {
      requests: to.requests - from.requests,
      seconds,
      cpu: to.cpu - from.cpu,
      ...{ p50, p99 },
      idle: share(to.idle - from.idle),
      ...shares({
        'redis-benchmark': share(to.busy[0] - from.busy[0]),
        'redis-server': share(to.busy[1] - from.busy[1]),
        proxy: share(to.cpu - from.cpu),
      }),
    }
  } finally {
    client.kill()
  }
}

/** How many commands the server has processed so far. */
async function monitorOf(port) {
  const socket = connect({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  socket.setEncoding('latin1').on('error', () => {})
  return {
    async requests() {
      socket.write('INFO stats\r\n')
      for (let text = ''; ; ) {
        text += (await once(socket, 'data', { signal: AbortSignal.timeout(patience) }))[0]
        const found = /total_commands_processed:(\d+)\r\n/.exec(text)
        if (found && text.endsWith('\r\n')) return Number(found[1])
      }
    },
  }
}

/** Source and sink of bulk data, which serve one measurement after another. */
export async function startFlood() {
  const [source, sink] = ['source', 'sink'].map(start)
  const [{ port }] = await Promise.all([source.answer(), sink.answer()])
  const sample = async spent => {
    const { bytes, served, time } = await sink.ask({})
    const busy = [spentByOne(source.pid), spentByOne(sink.pid)]
    return { bytes, served, time, cpu: spent(), busy, idle: idleTime() }
  }
  /**
   * Bytes and seconds of a window of so many ms, and the processor time of the proxy: with many connections a longer one, since the
   * buffers of the kernel fill first, with gigabytes. With `isProbed`, which makes the window
   * longer if it must be, also how long a new connection waits for a byte there and back: `late`, the median in ms.
   */
  async function measure(candidate, { connections = 1, chunk, line, isProbed = false }, least) {
    const ms = Math.max(least, 2 * connections)
    await source.ask({ connections, chunk, line })
    const inside = async (at, spent) => {
      await sink.ask({ port: at, connections })
      const end = performance.now() + patience
      while ((await sample(spent)).served < connections) {
        if (performance.now() > end) throw new Error(`not all of ${connections} connections are served`)
        await sleep(20)
      }
      await sleep(ms / 2)
      const from = await sample(spent)
      const late = await (isProbed ? lateness(at, ms) : sleep(ms, 0))
      const to = await sample(spent)
      await sink.ask({ port: at, connections: 0 })
      const seconds = to.time - from.time
      const cpu = to.cpu - from.cpu
      const share = i => (to.busy[i] - from.busy[i]) / seconds
      return {
        late,
        idle: (to.idle - from.idle) / seconds,
        bytes: to.bytes - from.bytes,
        seconds,
        cpu,
        ...shares({ sender: share(0), receiver: share(1), proxy: cpu / seconds }),
      }
    }
    return through(candidate, port, inside, connections)
  }
  const end = () => {
    for (const each of [source, sink]) each.kill()
  }
  return { measure, end }
}

/** At least three, one after another. */
async function lateness(port, ms) {
  const times = []
  for (const end = performance.now() + ms; performance.now() < end || times.length < 3; ) {
    const started = performance.now()
    const socket = connect({ port, host: '127.0.0.1' })
    socket.write('?')
    await once(socket, 'data', { signal: AbortSignal.timeout(patience) })
    times.push(performance.now() - started)
    socket.destroy()
  }
  return median(times)
}

function start(role) {
  const child = fork(fileURLToPath(new URL('flood.js', import.meta.url)), [role])
  const answer = async () => {
    const [message] = await once(child, 'message', { signal: AbortSignal.timeout(patience) })
    if (message.error) throw new Error(`${role}: ${message.error}`)
    return message
  }
  const ask = order => {
    child.send(order)
    return answer()
  }
  return { pid: child.pid, ask, answer, kill: () => child.kill() }
}

const prefix = 'busy: '

/** How much of a core each process has taken, as numbers that `compare` can take the median of. */
function shares(all) {
  return Object.fromEntries(Object.entries(all).map(([name, share]) => [prefix + name, share]))
}

/** Seconds that all cores together have been idle so far. */
function idleTime() {
  return cpus().reduce((sum, { times }) => sum + times.idle / 1000, 0)
}

/**
 * What keeps a figure from being higher: a process that takes a whole core, all cores, cores that are busy with other
 * work, or the time from one end to the other.
 */
export function limitOf(result, cores = cpus().length) {
  const all = Object.entries(result).filter(([key]) => key.startsWith(prefix))
  const [name, share] = all.reduce((most, each) => (each[1] > most[1] ? each : most))
  if (share >= 0.85) return name.slice(prefix.length)
  const sum = all.reduce((sum, [, share]) => sum + share, 0)
  if (sum >= 0.8 * cores) return 'all cores'
  return result.idle < 0.2 * cores ? 'other work' : 'waiting'
}
