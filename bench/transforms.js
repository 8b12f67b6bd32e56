// Transforms on the receiving side, against the program that does the same behind nc. The sender is nc for all.
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compare, has, logLines, MiB, makeFile, randomBytes, speed, tcpPipe, transfer } from './support.js'

const sender = 'exec nc -N 127.0.0.1 PORT < FILE'
const nc = 'nc -l 127.0.0.1 PORT'
const serve = (spec, sink = '> /dev/null') => `exec ${tcpPipe} serve 127.0.0.1:PORT --once -t '${spec}' ${sink}`
const split2 = `exec ${process.execPath} ${fileURLToPath(new URL('split2-grep.js', import.meta.url))} PORT`
const piped = command => `${nc} | ${command} > /dev/null`

/** 4 million lines of a log. hexdump and jq are slow: they get smaller files, and speeds are compared. */
const logSize = 309 * MiB
const randomSize = 256 * MiB

const works = [
  {
    spec: 'hex',
    fill: randomBytes,
    peers: [
      { name: 'hexdump', command: piped('hexdump -C'), atLeast: 20, share: 1 / 16 },
      { name: 'xxd', command: piped('xxd'), atLeast: 1.8 },
    ],
  },
  { spec: 'hex plain=true', fill: randomBytes, peers: [{ name: 'xxd', command: piped('xxd -p') }] },
  { spec: 'gzip', fill: logLines, size: randomSize, peers: [{ name: 'gzip', command: piped('gzip'), atLeast: 1.2 }] },
  { spec: 'digest', fill: randomBytes, peers: [{ name: 'sha256sum', command: piped('sha256sum'), atLeast: 2 }] },
  { spec: 'base64', fill: randomBytes, peers: [{ name: 'base64', command: piped('base64 -w0'), atLeast: 1 }] },
  {
    spec: 'grep ERROR',
    sink: '-o /dev/null',
    fill: logLines,
    peers: [
      { name: 'node', label: 'split2 in a pipeline', command: split2, atLeast: 2 },
      { name: 'grep', command: piped('grep ERROR'), atLeast: 0.4 },
    ],
  },
  { spec: 'json', fill: jsonLines, peers: [{ name: 'jq', command: piped('jq -c .'), atLeast: 2.5, share: 1 / 8 }] },
]

export async function run({ runs, quick }) {
  const rows = []
  for (const work of works) rows.push(...(await side(work, quick ? 32 * MiB : sizeOf(work), runs)))
  const commands = works.flatMap(({ spec, sink, peers }) => [
    [sender, serve(spec, sink)],
    ...peers.map(({ command }) => [sender, command]),
  ])
  const title = 'Transforms: 256 MiB of random bytes, a log of 324 MB (gzip: 256 MiB; hexdump: 16 MiB; jq: 40 MB)'
  return { title, unit: 'MB/s', cpu: 'ms/GB', rows, commands }
}

function sizeOf({ fill, size = fill === randomBytes ? randomSize : logSize }) {
  return size
}

async function side({ spec, sink, fill, peers }, bytes, runs) {
  const known = peers.filter(({ name }) => has(name))
  const whole = makeFile('whole', bytes, fill)
  const smaller = known.find(({ share }) => share)?.share ?? 0
  const part = makeFile('part', partOf(bytes, smaller), fill)
  const ours = { name: `serve -t '${spec}'`, receiver: serve(spec, sink), sender: sender.replace('FILE', whole), bytes }
  const theirs = known.map(({ command, label = labelOf(command), share = 1 }) => ({
    name: label,
    receiver: command,
    sender: sender.replace('FILE', share === 1 ? whole : part),
    bytes: partOf(bytes, share),
  }))
  try {
    const candidates = [ours, ...theirs]
    const results = await compare(candidates, runs, transfer)
    const figure = candidate => speed(candidate.bytes, results.get(candidate.name))
    return theirs.map((candidate, i) => ({
      work: ours.name,
      ours: figure(ours),
      peer: candidate.name,
      theirs: figure(candidate),
      atLeast: known[i].atLeast,
    }))
  } finally {
    rmSync(whole)
    rmSync(part)
  }
}

/** In whole blocks: a JSON value is never cut. */
function partOf(bytes, share) {
  return Math.floor((bytes * share) / MiB) * MiB
}

/** `nc -l 127.0.0.1 PORT | xxd > /dev/null` → `nc -l | xxd` */
function labelOf(command) {
  return command.replace(' 127.0.0.1 PORT', '').replace(' > /dev/null', '')
}

/** Entries of a log, a JSON object each, about 80 bytes. */
function jsonLines(block, index) {
  let text = ''
  for (let n = index * 13_107; text.length < block.length; n++) {
    text += `{"time": ${1_700_000_000_000 + n}, "level": ${n % 50 === 0 ? 50 : 30}, "msg": "request ${n % 997}", "ok": ${n % 7 > 0}, "ms": ${n % 31}}\n`
  }
  const whole = text.lastIndexOf('\n', block.length - 1) + 1
  block.fill(' ')
  block.write(text.slice(0, whole), 'latin1')
}

export const peers = ['nc', 'xxd', 'hexdump', 'gzip', 'sha256sum', 'base64', 'grep', 'jq']
