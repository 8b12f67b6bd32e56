// A large file from one process to another over loopback, against other programs that do the same.
import { existsSync, rmSync } from 'node:fs'
import {
  compare,
  has,
  MiB,
  makeFile,
  memoryFolder,
  randomBytes,
  readFile,
  speed,
  tcpPipe,
  transfer,
  useMemory,
} from './support.js'

const address = '127.0.0.1 PORT'
const to = '127.0.0.1:PORT'
const ncReceiver = `exec nc -l ${address} > /dev/null`
const receiver = `exec ${tcpPipe} serve ${to} --once > /dev/null`

const informative = [
  { name: 'ncat', sender: `exec ncat --send-only ${address} < FILE`, receiver: `exec ncat -l ${address} > /dev/null` },
  {
    name: 'socat',
    sender: `exec socat -u FILE:FILE TCP:${to}`,
    receiver: 'exec socat -u TCP-LISTEN:PORT,bind=127.0.0.1 OPEN:/dev/null',
  },
  {
    name: 'socat -b262144',
    sender: `exec socat -b262144 -u FILE:FILE TCP:${to}`,
    receiver: 'exec socat -b262144 -u TCP-LISTEN:PORT,bind=127.0.0.1 OPEN:/dev/null',
  },
  {
    name: 'mbuffer',
    sender: `exec mbuffer -q -i FILE -O ${to}`,
    receiver: `exec mbuffer -q -I ${to} -o /dev/null`,
  },
]

const works = [
  {
    name: 'file: tcp-pipe send FILE',
    sender: `exec ${tcpPipe} send FILE --to ${to} -q`,
    peer: { name: 'nc -N < FILE', sender: `exec nc -N ${address} < FILE` },
    others: informative,
  },
  {
    name: 'file on stdin: tcp-pipe send < FILE',
    sender: `exec ${tcpPipe} send --to ${to} -q < FILE`,
    peer: { name: 'nc -N < FILE', sender: `exec nc -N ${address} < FILE` },
    others: [],
  },
  {
    name: 'pipe: cat FILE | tcp-pipe send',
    sender: `cat FILE | ${tcpPipe} send --to ${to} -q`,
    peer: { name: 'cat FILE | nc -N', sender: `cat FILE | nc -N ${address}` },
    others: [],
  },
]

/** From a program to a file in memory: what costs is taking it and writing it. */
const memoryFile = `${memoryFolder}/tcp-pipe-bench`

const received = [
  { name: 'into a file in memory: tcp-pipe', receiver: `exec ${tcpPipe} serve ${to} --once -o ${memoryFile}` },
  { name: 'socat -b262144', receiver: `exec socat -b262144 -u TCP-LISTEN:PORT,bind=127.0.0.1 CREATE:${memoryFile}` },
]

export async function run({ runs, quick }) {
  const bytes = quick ? 256 * MiB : 2048 * MiB
  const file = makeFile('file', bytes, randomBytes)
  const rows = []
  try {
    for (const work of works) rows.push(...(await side(work, file, bytes, runs)))
    if (has('socat') && existsSync(memoryFolder)) rows.push(await intoMemory(file, bytes, runs))
  } finally {
    rmSync(file)
  }
  return { title: `Transfer of ${bytes / MiB} MiB`, unit: 'MB/s', cpu: 'ms/GB', rows, commands: commandsOf() }
}

async function side({ name, sender, peer, others }, file, bytes, runs) {
  const ours = { name, sender, receiver }
  const known = others.filter(other => has(other.name.split(' ')[0]))
  const candidates = [ours, { receiver: ncReceiver, ...peer }, ...known].map(candidate => ({
    ...candidate,
    sender: candidate.sender.replaceAll('FILE', file).replace(`${file}:`, 'FILE:'),
    bytes,
  }))
  const results = await compare(candidates, runs, candidate => {
    readFile(file)
    return transfer(candidate)
  })
  const figure = other => speed(bytes, results.get(other))
  const row = (other, atLeast) => ({ work: name, ours: figure(name), peer: other, theirs: figure(other), atLeast })
  const aims = { 'socat -b262144': 0.9 }
  return [row(peer.name, 1), ...known.map(other => ({ ...row(other.name), aim: aims[other.name] }))]
}

async function intoMemory(file, bytes, runs) {
  const candidates = received.map(({ name, receiver }, i) => ({
    name,
    receiver,
    sender: (i === 0 ? works[0].sender : informative.find(other => other.name === name).sender)
      .replaceAll('FILE', file)
      .replace(`${file}:`, 'FILE:'),
    bytes,
  }))
  try {
    const results = await compare(candidates, runs, candidate => {
      rmSync(memoryFile, { force: true })
      useMemory(bytes)
      readFile(file)
      return transfer(candidate)
    })
    const [ours, theirs] = candidates.map(({ name }) => speed(bytes, results.get(name)))
    return { work: received[0].name, ours, peer: received[1].name, theirs, aim: 0.9 }
  } finally {
    rmSync(memoryFile, { force: true })
  }
}

function commandsOf() {
  return [...works.map(work => [work.sender, receiver]), [works[0].peer.sender, ncReceiver]].concat(
    informative.map(other => [other.sender, other.receiver]),
    received.map(({ receiver }) => [receiver]),
  )
}

export const peers = ['nc', 'ncat', 'socat', 'mbuffer']
