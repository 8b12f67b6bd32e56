/** Many connections at once, from processes of their own. */
import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { tally } from '../fuzz/resources.js'
import { bounded, eventually, launch, residentBytes, serve } from './support.js'

const wanted = 10_000

/** The most connections that a process may have open: Node takes the hard limit of files, and needs some for itself. */
const limit = Number(/^\d+/.exec(String(spawnSync('sh', ['-c', 'ulimit -Hn']).stdout))?.[0] ?? Infinity) - 200
const connections = Math.min(wanted, limit)

/** Processes with clients. */
const processes = 2

const skip =
  (process.platform !== 'linux' && 'needs /proc') ||
  (connections < 1000 && `the limit of open files allows ${connections} connections`)

/**
 * Connects so many times, some at once, to a server that gives back what it gets. Prints how many milliseconds each
 * connection took until its first byte had come back; when its input ends it ends all, and prints how they ended.
 */
const clients = `
  const { connect } = require('node:net')
  const [port, count] = process.argv.slice(1).map(Number)
  const sockets = []
  const times = []
  let begun = 0
  let closed = 0
  let failed = 0

  function next() {
    if (begun++ >= count) return
    const started = performance.now()
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.write('x'))
    sockets.push(socket)
    socket.once('data', () => {
      times.push(performance.now() - started)
      if (times.length === count) console.log(JSON.stringify(times))
      next()
    })
    socket.once('error', error => {
      failed++
      console.error(error.message)
    })
    socket.once('close', () => {
      if (++closed === count) console.log(JSON.stringify({ closed, failed }))
    })
  }

  for (let i = 0; i < 50; i++) next()
  process.stdin.resume().once('end', () => {
    for (const socket of sockets) socket.end()
  })
`

t.test('10,000 idle connections are accepted, and end cleanly (F-01)', { skip, timeout: 90_000 }, async t => {
  if (connections < wanted)
    t.comment(`the limit of open files allows ${connections} connections, which is what is tried`)
  const server = await serve(t, ['0', '--reply'], { timeout: 60_000 })
  await all(t, server.port, 200).then(({ end }) => end()) // what the first ones take is not taken by each
  const idle = residentBytes(server.pid)

  const { times, end } = await all(t, server.port, connections)
  t.equal(times.length, connections, 'all are accepted')
  const grown = residentBytes(server.pid) - idle
  times.sort((a, b) => a - b)
  const percentile = (part: number) => (times[Math.ceil(times.length * part) - 1] as number).toFixed(1)
  t.comment(`${connections} connections: ${(grown / connections / 1024).toFixed(1)} KiB of memory each`)
  t.comment(`until the first byte is back: median ${percentile(0.5)} ms, 99th percentile ${percentile(0.99)} ms`)
  t.ok(grown / connections < 64 * 1024, 'none takes more than a buffer would')

  t.same(await end(), { closed: connections, failed: 0 })
  await eventually('a line for each', () => server.logs.length > connections + 200, 30_000).catch(t.comment)
  const lines = server.logs.map(({ msg, closedBy, code }) => [msg, closedBy, code].filter(Boolean).join(', '))
  t.same(tally(lines), { listening: 1, 'connection closed, peer': connections + 200 })
  server.kill('SIGTERM')
  t.equal((await server.ended).code, 0)
})

/** Opens so many connections by several processes; `end` ends them. */
async function all(t: Test, port: number, count: number) {
  const running = Array.from({ length: processes }, (_, i) => {
    const share = Math.floor((count + i) / processes)
    const words = ['-e', clients, String(port), String(share)]
    return launch(t, process.execPath, words, { input: null, timeout: 60_000 })
  })
  const first = await bounded(Promise.all(running.map(each => each.printed('\n'))), 'every connection', 45_000)
  return {
    times: first.flatMap(output => JSON.parse(String(output)) as number[]),
    end: async () => {
      for (const { child } of running) child.stdin?.end()
      const results = await bounded(Promise.all(running.map(({ ended }) => ended)), 'every end', 30_000)
      const ends = results.map(({ stdout }) => JSON.parse(String(stdout).split('\n')[1] as string))
      return ends.reduce((sum, { closed, failed }) => ({ closed: sum.closed + closed, failed: sum.failed + failed }), {
        closed: 0,
        failed: 0,
      })
    },
  }
}
