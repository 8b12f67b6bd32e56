// Requests and bulk data through a proxy, against other programs that stand between a client and a server.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { commandsOf, haproxy, keeper, ours, staged as stagedBy, throughProxy } from './proxies.js'
import { compare, freePort, has, listening, MiB, makeFile, randomBytes, rate, shell, speed } from './support.js'

const staged = stagedBy('tcp-pipe proxy, two pass-through stages on each direction', 2)
const keeping = stagedBy('tcp-pipe proxy, two that may keep chunks', 2, keeper)
const socat = {
  name: 'socat fork',
  command: 'exec socat TCP-LISTEN:PORT,bind=127.0.0.1,fork,nodelay TCP:127.0.0.1:TARGET,nodelay',
}
const bulkSocat = {
  name: 'socat -b262144',
  command: 'exec socat -b262144 TCP-LISTEN:PORT,bind=127.0.0.1 TCP:127.0.0.1:TARGET',
  once: true,
}

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
    const results = await compare(candidates, runs, candidate =>
      throughProxy(candidate, target, (port, spent) => requested(work, count, port, spent)),
    )
    const row = ([other, atLeast]) => ({
      work: mine === ours ? work : `${work}: ${mine.name}`,
      ours: rate(count, results.get(mine.name)),
      peer: other.name,
      theirs: rate(count, results.get(other.name)),
      ...(mine === ours ? { atLeast } : { aim: atLeast }),
    })
    rows.push(...known.map(row))
  }
  redis.kill()
  await redis.done
  const commands = commandsOf([ours, staged, socat, haproxy])
  return { title: 'Requests through a proxy', unit: '1/s', cpu: 'µs', rows, commands }
}

async function bulk(runs, quick) {
  const bytes = quick ? 256 * MiB : 2048 * MiB
  const file = makeFile('file', bytes, randomBytes)
  const candidates = [ours, staged, keeping, bulkSocat, haproxy].filter(({ command }) => has(command.split(' ')[1]))
  const results = await compare(candidates, runs, candidate => transferThrough(candidate, file)).finally(() =>
    rmSync(file),
  )
  const figure = ({ name }) => speed(bytes, results.get(name))
  const row = (mine, other, wanted) =>
    results.has(other.name)
      ? [{ work: mine.name, ours: figure(mine), peer: other.name, theirs: figure(other), ...wanted }]
      : []
  const rows = [
    ...row(ours, bulkSocat, { atLeast: 0.8 }),
    ...row(staged, ours, { atLeast: 0.9 }),
    ...row(keeping, ours, {}),
    ...row(ours, haproxy, {}),
  ]
  const commands = [...commandsOf(candidates), [sender, receiver]]
  return { title: `${bytes / MiB} MiB through a proxy`, unit: 'MB/s', cpu: 'ms/GB', rows, commands }
}

const sender = 'exec nc -N 127.0.0.1 PORT < FILE'
const receiver = 'exec nc -l 127.0.0.1 TARGET > /dev/null'

/** The processor time is that of the proxy alone. */
async function transferThrough(candidate, file) {
  const target = await freePort()
  const receiving = shell(receiver.replace('TARGET', target))
  await listening(target)
  return throughProxy(candidate, target, async (port, spent) => {
    const started = performance.now()
    const sending = shell(sender.replace('PORT', port).replace('FILE', file))
    await Promise.all([sending.done, receiving.done])
    const seconds = (performance.now() - started) / 1000
    return { seconds, cpu: await spent() }
  })
}

async function requested(work, count, port, spent) {
  const command = `exec ${work} -n ${count} -p ${port} --csv`
  const { stdout, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' })
  const cpu = await spent()
  const found = Number(/^"GET","([\d.]+)"/m.exec(stdout)?.[1])
  if (!(found > 0)) throw new Error(`${command}: ${stdout}${stderr}`)
  return { seconds: count / found, cpu }
}

export const peers = ['redis-server', 'redis-benchmark', 'socat', 'haproxy', 'nc']
