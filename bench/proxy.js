// Requests and bulk data through a proxy, against other programs that stand between a client and a server.
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compare, freePort, has, listening, MiB, makeFile, randomBytes, shell, tcpPipe } from './support.js'

const identity = fileURLToPath(new URL('identity.js', import.meta.url))
const haproxyFile = join(tmpdir(), `tcp-pipe-bench-${process.pid}-haproxy.cfg`)

const ours = { name: 'tcp-pipe proxy', command: `exec ${tcpPipe} proxy PORT 127.0.0.1:TARGET -q` }
const staged = {
  name: 'tcp-pipe proxy, two pass-through stages on each direction',
  command: `exec ${tcpPipe} proxy PORT 127.0.0.1:TARGET -q --both '${identity} | ${identity}'`,
}
const socat = {
  name: 'socat fork',
  command: 'exec socat TCP-LISTEN:PORT,bind=127.0.0.1,fork,nodelay TCP:127.0.0.1:TARGET,nodelay',
}
const bulkSocat = {
  name: 'socat -b262144',
  command: 'exec socat -b262144 TCP-LISTEN:PORT,bind=127.0.0.1 TCP:127.0.0.1:TARGET',
}
const haproxy = { name: 'haproxy', command: `exec haproxy -db -f ${haproxyFile}` }

/** `mode tcp`, one thread; the ports are filled in for each run. */
const haproxyText = `global
  nbthread 1
  maxconn 1000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen proxy
  bind 127.0.0.1:PORT
  server target 127.0.0.1:TARGET
`

export async function run({ runs, quick }) {
  const sections = []
  if (has('redis-server') && has('redis-benchmark')) sections.push(await requests(runs, quick))
  sections.push(await bulk(runs, quick))
  return sections
}

async function requests(runs, quick) {
  const target = await freePort()
  const redis = shell(`exec redis-server --port ${target} --bind 127.0.0.1 --save '' --appendonly no`, { ends: false })
  await listening(target)
  const works = [
    {
      work: 'redis-benchmark -t get -c 50',
      count: quick ? 20_000 : 100_000,
      pairs: [
        [socat, 1.5],
        [haproxy, 0.75],
      ],
    },
    { work: 'redis-benchmark -t get -c 50 -P 32', count: quick ? 200_000 : 1_500_000, pairs: [[haproxy, 0.8]] },
    { work: 'redis-benchmark -t get -c 50', count: quick ? 20_000 : 100_000, mine: staged, pairs: [[ours, 0.9]] },
  ]
  const rows = []
  for (const { work, count, mine = ours, pairs } of works) {
    const known = pairs.filter(([{ command }]) => has(command.split(' ')[1]))
    const candidates = [mine, ...known.map(([other]) => other)]
    const rates = await compare(candidates, runs, candidate =>
      throughProxy(candidate, target, port => requestRate(`${work} -n ${count}`, port)),
    )
    const row = ([other, atLeast]) => ({
      work: mine === ours ? work : `${work}: ${mine.name}`,
      ours: rates.get(mine.name),
      peer: other.name,
      theirs: rates.get(other.name),
      ...(mine === ours ? { atLeast } : { aim: atLeast }),
    })
    rows.push(...known.map(row))
  }
  redis.kill()
  await redis.done
  return { title: 'Requests through a proxy', unit: '1/s', rows, commands: commandsOf([ours, staged, socat, haproxy]) }
}

async function bulk(runs, quick) {
  const bytes = quick ? 256 * MiB : 2048 * MiB
  const file = makeFile('file', bytes, randomBytes)
  const candidates = [ours, staged, bulkSocat, haproxy].filter(({ command }) => has(command.split(' ')[1]))
  const seconds = await compare(candidates, runs, candidate => transferThrough(candidate, file)).finally(() =>
    rmSync(file),
  )
  const speed = ({ name }) => bytes / 1e6 / seconds.get(name)
  const row = (mine, other, wanted) =>
    seconds.has(other.name)
      ? [{ work: mine.name, ours: speed(mine), peer: other.name, theirs: speed(other), ...wanted }]
      : []
  const rows = [
    ...row(ours, bulkSocat, { atLeast: 0.8 }),
    ...row(staged, ours, { atLeast: 0.9 }),
    ...row(ours, haproxy, {}),
  ]
  const commands = [...commandsOf(candidates), [sender, receiver]]
  return { title: `${bytes / MiB} MiB through a proxy`, unit: 'MB/s', rows, commands }
}

const sender = 'exec nc -N 127.0.0.1 PORT < FILE'
const receiver = 'exec nc -l 127.0.0.1 TARGET > /dev/null'

async function transferThrough(candidate, file) {
  const target = await freePort()
  const receiving = shell(receiver.replace('TARGET', target))
  await listening(target)
  return throughProxy(candidate, target, async port => {
    const started = performance.now()
    const sending = shell(sender.replace('PORT', port).replace('FILE', file))
    await Promise.all([sending.done, receiving.done])
    return (performance.now() - started) / 1000
  })
}

/** Starts the proxy for one measurement. */
async function throughProxy({ command }, target, measure) {
  const port = await freePort()
  const fill = text => text.replaceAll('PORT', port).replaceAll('TARGET', target)
  if (command === haproxy.command) writeFileSync(haproxyFile, fill(haproxyText))
  const proxy = shell(fill(command), { ends: false })
  try {
    await listening(port)
    return await measure(port)
  } finally {
    proxy.kill()
    await proxy.done
    rmSync(haproxyFile, { force: true })
  }
}

function requestRate(command, port) {
  const { stdout, stderr } = spawnSync('sh', ['-c', `exec ${command} -p ${port} --csv`], { encoding: 'utf8' })
  const rate = Number(/^"GET","([\d.]+)"/m.exec(stdout)?.[1])
  if (!(rate > 0)) throw new Error(`${command}: ${stdout}${stderr}`)
  return rate
}

function commandsOf(candidates) {
  return candidates.map(({ command }) => [command.replace(haproxyFile, 'haproxy.cfg')])
}

export const peers = ['redis-server', 'redis-benchmark', 'socat', 'haproxy', 'nc']
