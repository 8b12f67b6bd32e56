/**
 * Records through servers, a cluster of NATS and readers that are killed: `npm run torture:nats -- --records 1000000
 * [--seed 1] [--clients 20] [--harms 1000000] [--kinds leader,drain] [--keep]`. 2 ingest nodes store what clients send; 2 drain nodes share a durable
 * consumer, and a third one has its own. Ends with 1, and keeps the folder, if a record of an acknowledged connection is
 * not in the files, if a line is torn, or if the third one has the records of a connection out of order.
 */
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { freePort } from '../e2e/support.js'
import { cli } from '../project/support.js'
import { Chance } from '../torture/chance.js'
import { Drained, lost } from './check.js'
import { Client } from './client.js'
import { Cluster, streamName, subject } from './cluster.js'
import { allKinds, Harm, type Kind, mildKinds } from './harm.js'
import { Program } from './program.js'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(randomInt(1_000_000)) },
    clients: { type: 'string', default: '20' },
    harms: { type: 'string', default: '1000000' },
    kinds: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const [records, seed, clientCount] = [Number(values.records), Number(values.seed), Number(values.clients)]
const folder = mkdtempSync(join(tmpdir(), 'tcp-pipe-torture-nats-'))
const started = performance.now()
const version = /\d+\.\d+\.\d+/.exec(`${spawnSync('nats-server', ['--version']).stdout}`)?.[0] ?? 'unknown'
const isOld = /^2\.\d\./.test(version)
const kinds = values.kinds ? (values.kinds.split(',') as Kind[]) : isOld ? mildKinds : allKinds
console.log(`torture: ${records} records of ${clientCount} clients, seed ${seed}, nats-server ${version}, in ${folder}`)
if (isOld && !values.kinds) console.log('no server is killed: that needs nats-server 2.10')

const cluster = await Cluster.open(folder)
const address = `nats://${cluster.hosts}/${subject}?stream=${streamName}`
const ports = [await freePort(), await freePort()]
const ingests = ports.map((port, i) => ({
  port,
  program: program(`ingest-${i}`, () => [
    'serve',
    `127.0.0.1:${port}`,
    '--to',
    `${address}${i === 0 ? '&max-message=4k' : ''}`,
  ]),
}))
/** Two that share their work, each with its way to write, and one that has it all. */
const drains = [
  program('drain-0', run => [...source('drain'), '--rotate-size', '1m', '-o', part('drain-0', run)]),
  program('drain-1', () => [...source('drain'), '--append', '-o', join(folder, 'drain-1', 'all.log')]),
  program('archive', run => [...source('archive'), '--rotate-size', '1m', '-o', part('archive', run)]),
]
const programs = [...cluster.servers, ...drains, ...ingests.map(each => each.program)]
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.once('exit', () => {
  for (const each of programs) void each.kill()
})
for (const each of programs) if (!each.isUp) each.start()

const clients = Array.from({ length: clientCount }, (_, i) => {
  const share = Math.floor((records * (i + 1)) / clientCount) - Math.floor((records * i) / clientCount)
  return new Client(i, share, ingests, new Chance(seed * 1_000_003 + i))
})
const calm = new AbortController()
const victims = { cluster, ingests: ingests.map(each => each.program), drains, kinds }
const harm = new Harm(victims, new Chance(seed), calm.signal)
const harmed = harm.run(Number(values.harms))
const ticker = setInterval(() => console.log(`${seconds()} s: ${sum(({ left }) => left)} records are left`), 30_000)
await Promise.all(clients.map(client => client.run()))
calm.abort()
await harmed
clearInterval(ticker)
console.log(`${seconds()} s: all is acknowledged`)
await drain()
process.exitCode = (await report()) ? 0 : 1
await cluster.close()
await Promise.all(programs.map(each => each.kill()))
if (process.exitCode === 0 && !values.keep) rmSync(folder, { recursive: true, force: true })
else console.log(`see ${folder}`)
process.exit()

function program(name: string, words: (run: number) => string[]): Program {
  mkdirSync(join(folder, name))
  const command = (run: number) => [process.execPath, cli, ...words(run), '--log-format', 'json']
  return new Program({ name, command, log: join(folder, `${name}.log`) })
}

function source(durable: string): string[] {
  return ['pipe', `${address}&durable=${durable}&ack-wait=5s`]
}

function part(name: string, run: number): string {
  return join(folder, name, `${String(run).padStart(6, '0')}-{id}.log`)
}

/** Everything is delivered, and then the readers are stopped: a last one takes what they give back. */
async function drain(): Promise<void> {
  await Promise.all(['drain', 'archive'].map(durable => cluster.delivered(durable)))
  console.log(`${seconds()} s: all is delivered`)
  await Promise.all(drains.map(each => each.stop()))
  console.log(`${seconds()} s: the drain nodes have ended`)
  for (const [durable, name] of [
    ['drain', 'drain-0'],
    ['archive', 'archive'],
  ] as const) {
    const left = await cluster.pending(durable)
    if (left > 0) console.log(`${durable}: ${left} messages were given back`)
    const last = program(`last-${durable}`, () => [
      ...['pipe', `${address}&durable=${durable}&until=empty`, '-o', join(folder, name, '999999-{id}.log')],
    ])
    last.start()
    await last.ended()
    const rest = await cluster.pending(durable)
    if (rest > 0) console.log(`${durable}: ${rest} messages are not acknowledged`)
  }
}

async function report(): Promise<boolean> {
  const acknowledged = new Map(clients.flatMap(client => [...client.acknowledged]))
  const [first, second, archive] = await Promise.all(drains.map(({ name }) => new Drained().read(join(folder, name))))
  const [shared, all] = [[first, second] as Drained[], archive as Drained]
  const nodes = [...shared, all]
  const [lostShared, lostArchive] = [lost(acknowledged, shared), lost(acknowledged, [all])]
  const torn = nodes.flatMap(each => each.torn)
  for (const [what, list] of Object.entries({ lostShared, lostArchive, torn, late: all.late }))
    for (const each of list.slice(0, 10)) console.log(`${what}: ${each}`)
  const kills = Object.entries(harm.counts).map(([kind, count]) => `${count} × ${kind}`)
  const ends = programs.filter(({ failures }) => failures > 0).map(({ name, failures }) => `${failures} × ${name}`)
  const connections = sum(each => each.connections)
  console.log(`records: ${[...acknowledged.values()].reduce((total, count) => total + count, 0)} acknowledged`)
  console.log(
    `connections: ${connections}, acknowledged ${acknowledged.size}, clean ends of the killed ${sum(each => each.falseEnds)}`,
  )
  console.log(`kills: ${kills.join(', ')}; ended by themselves: ${ends.join(', ') || 'none'}`)
  console.log(
    `duplicates: ${nodes.map(each => each.duplicates).join(', ')} of ${nodes.map(each => each.records).join(', ')}`,
  )
  console.log(`late after a redelivery to the other one: ${shared.map(each => each.late.length).join(', ')}`)
  console.log(`torn: ${torn.length}`)
  console.log(`lost: ${lostShared.length + lostArchive.length}`)
  console.log(`out of order: ${all.late.length}`)
  console.log(`seed ${seed}, ${seconds()} s`)
  return torn.length + lostShared.length + lostArchive.length + all.late.length === 0
}

function sum(of: (client: Client) => number): number {
  return clients.reduce((total, client) => total + of(client), 0)
}

function seconds(): number {
  return Math.round((performance.now() - started) / 1000)
}
