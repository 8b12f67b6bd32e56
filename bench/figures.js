// What it costs to measure: bulk data and requests with `--metrics --stats`, against the same without.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { compare, freePort, has, listening, MiB, makeFile, randomBytes, shell, tcpPipe, transfer } from './support.js'

const asked = '--metrics 127.0.0.1:0 --stats json'

export async function run({ runs, quick }) {
  const sections = [await bulk(runs, quick)]
  if (has('redis-server') && has('redis-benchmark')) sections.push(await requests(runs, quick))
  return sections
}

async function bulk(runs, quick) {
  const bytes = (quick ? 1024 : 4096) * MiB
  const file = makeFile('figures', bytes, randomBytes)
  const sender = `exec ${tcpPipe} send ${file} --to 127.0.0.1:PORT -q`
  const candidates = ['', ` ${asked}`].map((options, i) => ({
    name: i === 0 ? 'without' : `with ${asked}`,
    receiver: `exec ${tcpPipe} serve 127.0.0.1:PORT --once -q${options} > /dev/null`,
    sender: i === 0 ? sender : `${sender} --stats json`,
  }))
  const seconds = await compare(candidates, runs, candidate => transfer({ ...candidate, bytes: 0 }))
  rmSync(file)
  return section('Figures: bulk data', 'MiB/s', candidates, name => bytes / MiB / seconds.get(name), 0.98)
}

async function requests(runs, quick) {
  const target = await freePort()
  const redis = shell(`exec redis-server --port ${target} --bind 127.0.0.1 --save '' --appendonly no`, { ends: false })
  await listening(target)
  const candidates = ['', ` ${asked}`].map((options, i) => ({
    name: i === 0 ? 'without' : `with ${asked}`,
    command: `exec ${tcpPipe} proxy PORT 127.0.0.1:TARGET -q${options}`,
  }))
  const rates = await compare(candidates, runs, async ({ command }) => {
    const port = await freePort()
    const proxy = shell(command.replace('PORT', port).replace('TARGET', target), { ends: false })
    await listening(port)
    const words = ['-p', port, '-t', 'get', '-c', '50', '-n', quick ? '20000' : '100000', '--csv']
    const { stdout } = spawnSync('redis-benchmark', words.map(String), { encoding: 'utf8' })
    proxy.kill()
    await proxy.done
    return Number(/"GET","([\d.]+)"/.exec(stdout)?.[1])
  })
  redis.kill()
  await redis.done
  return section(
    'Figures: redis-benchmark -t get -c 50 through proxy',
    'requests/s',
    candidates,
    name => rates.get(name),
    0.97,
  )
}

function section(title, unit, [plain, measured], figure, atLeast) {
  const row = {
    work: measured.name,
    ours: figure(measured.name),
    peer: plain.name,
    theirs: figure(plain.name),
    atLeast,
  }
  const commands = [plain, measured].map(({ receiver, sender, command }) => [receiver, sender, command].filter(Boolean))
  return { title, unit, rows: [row], commands }
}

export const peers = ['redis-server', 'redis-benchmark']
