// Transforms on the receiving side, against the program that does the same behind nc. The sender is nc for all.
import { rmSync } from 'node:fs'
import { compare, has, logLines, MiB, makeFile, randomBytes, tcpPipe, transfer } from './support.js'

const sender = 'exec nc -N 127.0.0.1 PORT < FILE'
const nc = 'nc -l 127.0.0.1 PORT'
const serve = spec => `exec ${tcpPipe} serve 127.0.0.1:PORT --once -t '${spec}' > /dev/null`

/** hexdump is slow: it gets a smaller file, and speeds are compared. */
const works = [
  {
    spec: 'hex',
    fill: randomBytes,
    peers: [
      { name: 'hexdump', command: 'hexdump -C', atLeast: 15, share: 1 / 16 },
      { name: 'xxd', command: 'xxd', atLeast: 1.5 },
    ],
  },
  { spec: 'hex plain=true', fill: randomBytes, peers: [{ name: 'xxd', command: 'xxd -p' }] },
  { spec: 'gzip', fill: logLines, peers: [{ name: 'gzip', command: 'gzip', atLeast: 1.2 }] },
  { spec: 'digest', fill: randomBytes, peers: [{ name: 'sha256sum', command: 'sha256sum' }] },
  { spec: 'grep ERROR', fill: logLines, peers: [{ name: 'grep', command: 'grep ERROR' }] },
]

export async function run({ runs, quick }) {
  const bytes = quick ? 64 * MiB : 256 * MiB
  const rows = []
  for (const work of works) rows.push(...(await side(work, bytes, runs)))
  const commands = works.flatMap(({ spec, peers }) => [
    [sender, serve(spec)],
    ...peers.map(({ command }) => [sender, `${nc} | ${command} > /dev/null`]),
  ])
  return { title: `Transforms, ${bytes / MiB} MiB (hexdump: ${bytes / MiB / 16} MiB)`, unit: 'MB/s', rows, commands }
}

async function side({ spec, fill, peers }, bytes, runs) {
  const known = peers.filter(({ name }) => has(name))
  const whole = makeFile('whole', bytes, fill)
  const part = makeFile('part', bytes / 16, fill)
  const ours = { name: `serve -t '${spec}'`, receiver: serve(spec), sender: sender.replace('FILE', whole), bytes }
  const theirs = known.map(({ command, share = 1 }) => ({
    name: `nc -l | ${command}`,
    receiver: `${nc} | ${command} > /dev/null`,
    sender: sender.replace('FILE', share === 1 ? whole : part),
    bytes: bytes * share,
  }))
  try {
    const candidates = [ours, ...theirs]
    const seconds = await compare(candidates, runs, transfer)
    const speed = candidate => candidate.bytes / 1e6 / seconds.get(candidate.name)
    return theirs.map((candidate, i) => ({
      work: ours.name,
      ours: speed(ours),
      peer: candidate.name,
      theirs: speed(candidate),
      atLeast: known[i].atLeast,
    }))
  } finally {
    rmSync(whole)
    rmSync(part)
  }
}

export const peers = ['nc', 'xxd', 'hexdump', 'gzip', 'sha256sum', 'grep']
