// More than one core: `--workers 2` against a single process, with a stage that takes most of the time, and the rate of connections.
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import {
  compare,
  freePort,
  logLines,
  MiB,
  makeFile,
  rate as rateOf,
  shell,
  speed,
  spentBy,
  tcpPipe,
} from './support.js'

const one = { name: 'one process', words: '' }
const two = { name: '--workers 2', words: '--workers 2' }

export async function run({ runs, quick }) {
  return [...(await bulk(runs, quick)), await rate(runs, quick)]
}

/** The best of the runs: each of them needs both cores for itself. */
async function bulk(runs, quick) {
  const bytes = (quick ? 32 : 256) * MiB
  const file = makeFile('workers', bytes, logLines)
  const sections = []
  for (const clients of [2, 8]) {
    const command = `exec ${tcpPipe} serve 127.0.0.1:PORT -t hex -o /dev/null WORDS`
    const sender = `for i in ${Array.from({ length: clients }, (_, i) => i + 1).join(' ')}; do nc -N 127.0.0.1 PORT < FILE & done; wait`
    const measure = ({ words }) =>
      served(command.replace('WORDS', words), async (port, spent, closed) => {
        const started = performance.now()
        await shell(sender.replace('PORT', port).replace('FILE', file)).done
        await closed(clients)
        return { seconds: (performance.now() - started) / 1000, cpu: spent() }
      })
    const results = await compare([one, two], runs, measure, values => Math.min(...values))
    const figure = ({ name }) => speed(clients * bytes, results.get(name))
    const work = { work: `${two.name}, ${clients} clients`, ours: figure(two), peer: one.name, theirs: figure(one) }
    sections.push({
      title: `Workers: serve -t hex -o /dev/null, ${clients} × ${bytes / MiB} MiB, best of the runs`,
      unit: 'MB/s',
      cpu: 'ms/GB',
      rows: [{ ...work, ...(clients === 2 && { atLeast: 1.7 }) }],
      commands: [command.replace('WORDS', two.words), sender],
    })
  }
  rmSync(file)
  return sections
}

async function rate(runs, quick) {
  const limit = '--max-connections 10000 --max-per-ip 10000'
  const limited = [one, two].map(({ name, words }) => ({ name: `${name} ${limit}`, words: `${words} ${limit}` }))
  const candidates = [one, ...limited, two]
  const count = quick ? 1000 : 10_000
  const command = `exec ${tcpPipe} serve 127.0.0.1:PORT --reply --log-level warn WORDS`
  const results = await compare(candidates, runs, ({ words }) =>
    served(command.replace('WORDS', words), async (port, spent) => {
      const started = performance.now()
      await connections(port, count)
      return { seconds: (performance.now() - started) / 1000, cpu: spent() }
    }),
  )
  const figure = name => rateOf(count, results.get(name))
  return {
    title: 'Workers: connections of one byte and its reply, 32 at a time',
    unit: '1/s',
    cpu: 'µs',
    rows: candidates.slice(1).map(({ name }) => ({
      ...{ work: name, ours: figure(name), peer: one.name, theirs: figure(one.name) },
    })),
    commands: candidates.map(({ words }) => [command.replace('WORDS', words).trim()]),
  }
}

/**
 * Runs the work while the server listens. `spent` gives the seconds of processor time of all its processes since then,
 * `closed` resolves when it has logged so many ends.
 */
async function served(command, work) {
  const port = await freePort()
  const server = shell(command.replace('PORT', port).trim(), { ends: false })
  const logged = async (text, count) => {
    const isThere = () => server.errors().split(text).length > count
    while (!isThere()) await new Promise(resolve => server.child.stderr.once('data', resolve))
  }
  if (command.includes('--log-level')) await answers(port)
  else await logged('"listening"', 1)
  try {
    const before = spentBy(server.child.pid)
    return await work(
      port,
      () => spentBy(server.child.pid) - before,
      count => logged('"connection closed"', count),
    )
  } finally {
    server.kill()
    await server.done
  }
}

async function answers(port) {
  while (!(await connection(port).catch(() => false))) await new Promise(resolve => setTimeout(resolve, 20))
}

async function connections(port, count) {
  let left = count
  const lane = async () => {
    while (left-- > 0) await connection(port)
  }
  await Promise.all(Array.from({ length: 32 }, lane))
}

function connection(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket
      .on('error', reject)
      .on('data', () => {})
      .on('end', () => resolve(true))
    socket.end('x')
  })
}

export const peers = ['nc']
