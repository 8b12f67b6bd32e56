// What it costs to be watched: bulk data and requests with `--metrics --stats` and `--ui --metrics`, against the same without.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import {
  compare,
  freePort,
  has,
  listening,
  MiB,
  makeFile,
  randomBytes,
  rate,
  shell,
  speed,
  spentBy,
  tcpPipe,
  transfer,
} from './support.js'

/** The options of a server, those of its sender, and the least ratios for bulk data and for requests. */
const watched = [
  { server: '--metrics 127.0.0.1:0 --stats json', sender: '--stats json', bulk: 0.98, requests: 0.97 },
  { server: '--ui 127.0.0.1:0 --metrics 127.0.0.1:0', sender: '', bulk: 0.97, requests: 0.95 },
]

const plain = { server: '', sender: '' }

export async function run({ runs, quick }) {
  const sections = [await bulk(runs, quick)]
  if (has('redis-server') && has('redis-benchmark')) sections.push(await requests(runs, quick))
  return sections
}

async function bulk(runs, quick) {
  const bytes = (quick ? 256 : 4096) * MiB
  const file = makeFile('figures', bytes, randomBytes)
  const sender = `exec ${tcpPipe} send ${file} --to 127.0.0.1:PORT -q`
  const candidates = [plain, ...watched].map(asked => ({
    name: nameOf(asked),
    receiver: `exec ${tcpPipe} serve 127.0.0.1:PORT --once -q ${asked.server} > /dev/null`,
    sender: `${sender} ${asked.sender}`.trim(),
  }))
  const results = await compare(candidates, runs, candidate => transfer({ ...candidate, bytes: 0 }))
  rmSync(file)
  return section('Figures: bulk data', 'MB/s', 'ms/GB', candidates, name => speed(bytes, results.get(name)), 'bulk')
}

async function requests(runs, quick) {
  const target = await freePort()
  const redis = shell(`exec redis-server --port ${target} --bind 127.0.0.1 --save '' --appendonly no`, { ends: false })
  await listening(target)
  const candidates = [plain, ...watched].map(asked => ({
    name: nameOf(asked),
    command: `exec ${tcpPipe} proxy PORT 127.0.0.1:TARGET -q ${asked.server}`.trim(),
  }))
  const count = quick ? 10_000 : 100_000
  const results = await compare(candidates, runs, async ({ command }) => {
    const port = await freePort()
    const proxy = shell(command.replace('PORT', port).replace('TARGET', target), { ends: false })
    await listening(port)
    const words = ['-p', port, '-t', 'get', '-c', '50', '-n', count, '--csv']
    const before = spentBy(proxy.child.pid)
    const { stdout } = spawnSync('redis-benchmark', words.map(String), { encoding: 'utf8' })
    const cpu = spentBy(proxy.child.pid) - before
    proxy.kill()
    await proxy.done
    return { seconds: count / Number(/"GET","([\d.]+)"/.exec(stdout)?.[1]), cpu }
  })
  redis.kill()
  await redis.done
  return section(
    'Figures: redis-benchmark -t get -c 50 through proxy',
    'requests/s',
    'µs',
    candidates,
    name => rate(count, results.get(name)),
    'requests',
  )
}

function nameOf({ server }) {
  return server === '' ? 'without' : `with ${server}`
}

function section(title, unit, cpu, candidates, figure, kind) {
  const [peer] = candidates
  const rows = watched.map((asked, i) => {
    const work = candidates[i + 1].name
    return { work, ours: figure(work), peer: peer.name, theirs: figure(peer.name), atLeast: asked[kind] }
  })
  const commands = candidates.map(({ receiver, sender, command }) => [receiver, sender, command].filter(Boolean))
  return { title, unit, cpu, rows, commands }
}

export const peers = ['redis-server', 'redis-benchmark']
