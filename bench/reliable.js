// Reliable transfers of a large file into a file: against plain ones, against plain ones with a digest at both ends, against rsync.
// In memory, where there is a folder for that: on a disk, what it still has to write of the file before is measured, too.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  compare,
  freePort,
  has,
  listening,
  MiB,
  makeFile,
  memoryFolder,
  randomBytes,
  readFile,
  shell,
  speed,
  spentBy,
  tcpPipe,
  transfer,
  useMemory,
} from './support.js'

const kinds = [
  { name: 'plain', server: '', sender: '' },
  { name: 'plain with digest at both ends', server: '-t digest', sender: '-t digest' },
  { name: 'reliable', server: '--reliable', sender: '--reliable' },
]

const limits = { plain: 0.55, 'plain with digest at both ends': 0.9 }

/** Bytes that a process may take beyond those of a transfer of nothing. */
const memoryLimit = 16 + 32

export async function run({ runs, quick }) {
  if (existsSync(memoryFolder)) process.env.TMPDIR = memoryFolder
  const folder = mkdtempSync(join(tmpdir(), 'tcp-pipe-bench-'))
  try {
    return [
      await fast(folder, runs, (quick ? 128 : 2048) * MiB),
      await distant(folder, runs, (quick ? 32 : 512) * MiB),
      await memory(folder, (quick ? 128 : 1024) * MiB),
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function candidates(file, folder, more = '') {
  return kinds.map(({ name, server, sender }) => ({
    name,
    receiver: `exec ${tcpPipe} serve 127.0.0.1:PORT --once -q --force -o ${join(folder, 'out')} ${server}`.trim(),
    sender: `exec ${tcpPipe} send ${file} --to 127.0.0.1:PORT -q ${sender} ${more}`.trim(),
  }))
}

async function fast(folder, runs, bytes) {
  const file = makeFile('reliable', bytes, randomBytes)
  const all = candidates(file, folder)
  if (has('rsync')) all.push({ name: 'rsync to a daemon', rsync: true })
  const results = await compare(all, runs, async each => {
    useMemory(bytes)
    readFile(file)
    const time = await (each.rsync ? rsync(file, folder) : transfer(each))
    for (const name of ['out', 'rsync']) rmSync(join(folder, name), { force: true })
    return time
  })
  rmSync(file)
  const figure = name => speed(bytes, results.get(name))
  const row = (peer, atLeast) => ({ work: 'reliable', ours: figure('reliable'), peer, theirs: figure(peer), atLeast })
  return {
    title: `Reliable: ${bytes / MiB} MiB from file to file`,
    unit: 'MB/s',
    cpu: 'ms/GB',
    rows: [
      ...Object.entries(limits).map(([peer, atLeast]) => row(peer, atLeast)),
      ...(has('rsync') ? [row('rsync to a daemon', 1.2)] : []),
    ],
    commands: all.filter(each => !each.rsync).map(({ receiver, sender }) => [receiver, sender]),
  }
}

async function rsync(file, folder) {
  const port = await freePort()
  const config = join(folder, 'rsyncd.conf')
  const module = `[all]\npath = ${folder}\nread only = false\nuse chroot = false\nuid = ${process.getuid()}\ngid = ${process.getgid()}\n`
  writeFileSync(config, module)
  const daemon = shell(`exec rsync --daemon --no-detach --config=${config} --address=127.0.0.1 --port=${port}`, {
    ends: false,
  })
  await listening(port)
  const started = performance.now()
  const before = spentBy(daemon.child.pid)
  const cpu = await shell(`exec rsync --whole-file ${file} rsync://127.0.0.1:${port}/all/rsync`).done
  const seconds = (performance.now() - started) / 1000
  const both = cpu + spentBy(daemon.child.pid) - before
  daemon.kill()
  await daemon.done
  return { seconds, cpu: both }
}

/** Over a link with 50 ms in each direction: two proxies, each with half of it. */
async function distant(folder, runs, bytes) {
  const file = makeFile('distant', bytes, randomBytes)
  const all = candidates(file, folder).filter(({ name }) => name in { plain: 1, reliable: 1 })
  const results = await compare(all, runs, async each => {
    const [inner, outer] = [await freePort(), await freePort()]
    const delay = "-t 'delay 25ms' --reply-transform 'delay 25ms' -q"
    const server = await freePort()
    const hops = [`proxy ${inner} 127.0.0.1:${server}`, `proxy ${outer} 127.0.0.1:${inner}`].map(words =>
      shell(`exec ${tcpPipe} ${words} ${delay}`, { ends: false }),
    )
    const receiving = shell(each.receiver.replace('PORT', String(server)))
    await Promise.all([inner, outer, server].map(listening))
    const started = performance.now()
    const spent = await Promise.all([shell(each.sender.replace('PORT', String(outer))).done, receiving.done])
    const seconds = (performance.now() - started) / 1000
    for (const hop of hops) hop.kill()
    await Promise.all(hops.map(({ done }) => done))
    return { seconds, cpu: spent[0] + spent[1] }
  })
  rmSync(file)
  const figure = name => speed(bytes, results.get(name))
  const row = { work: 'reliable', ours: figure('reliable'), peer: 'plain', theirs: figure('plain'), atLeast: 0.9 }
  return {
    title: `Reliable: ${bytes / MiB} MiB over a link with 50 ms`,
    unit: 'MB/s',
    cpu: 'ms/GB',
    rows: [row],
    commands: [],
  }
}

/** The peak of each process, beyond that of a transfer of nothing. */
async function memory(folder, bytes) {
  const peaks = {}
  let spent
  for (const size of [0, bytes]) {
    const file = makeFile('memory', size, randomBytes)
    const [{ receiver, sender }] = candidates(file, folder, '--stats json').slice(-1)
    const port = String(await freePort())
    const receiving = shell(`${receiver} --stats json`.replace('PORT', port))
    await listening(Number(port))
    const sending = shell(sender.replace('PORT', port))
    const [sent, received] = await Promise.all([sending.done, receiving.done])
    peaks[size] = { sender: peak(sending.errors()), receiver: peak(receiving.errors()) }
    spent = { sender: sent, receiver: received }
    rmSync(file)
  }
  return {
    title: `Reliable: memory for ${bytes / MiB} MiB, beyond that of a transfer of nothing`,
    unit: 'MiB',
    cpu: 'ms/GB',
    rows: ['sender', 'receiver'].map(side => ({
      work: side,
      figure: (peaks[bytes][side] - peaks[0][side]) / MiB,
      cpu: (spent[side] * 1e12) / bytes,
      most: memoryLimit,
    })),
    commands: [],
  }
}

function peak(text) {
  return Math.max(...[...text.matchAll(/"peakMemory":(\d+)/g)].map(match => Number(match[1])))
}

export const peers = ['rsync']
