/**
 * Many reliable transfers over a network that breaks, between programs that are killed: `npm run torture -- --count 1000
 * [--seed 1] [--lanes 3] [--size 40000000]`. Prints how many were whole, how many failed as they may, and what was lost.
 * Ends with 1 if a sender has a receipt of what the receiver has not, if another file has a final name, or if a transfer
 * fails that should not.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { selfSigned } from '../../lib/endpoints/tls/self-signed.js'
import { Chance } from './chance.js'
import { Lane, type Outcome } from './lane.js'
import { baseSize, type Plan, planOf } from './plan.js'

/** Seconds after which a transfer is worth a line. */
const slow = 15

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(randomInt(1_000_000)) },
    lanes: { type: 'string', default: '3' },
    size: { type: 'string', default: '40000000' },
    only: { type: 'string' },
  },
})
const [count, seed, most] = [Number(values.count), Number(values.seed), Number(values.size)]
const folder = mkdtempSync(join(tmpdir(), 'tcp-pipe-torture-'))
const base = join(folder, 'base')
const bytes = randomBytes(baseSize(most))
writeFileSync(base, bytes)
const own = await selfSigned()
const identity = join(folder, 'identity')
writeFileSync(identity, JSON.stringify(own))
const place = { base, bytes, identity, certificate: String(own.cert) }

const lanes = Array.from(
  { length: Number(values.lanes) },
  (_, i) => new Lane(join(folder, String(i)), place, new Chance(seed + 1000 * (i + 1))),
)
process.once('exit', () => {
  for (const lane of lanes) lane.close()
  rmSync(folder, { recursive: true, force: true })
})

const outcomes: Record<Outcome, number> = { whole: 0, 'failed as it may': 0, FAILED: 0, LOST: 0 }
const reasons = new Map<string, number>()
const started = performance.now()
const numbers = Array.from({ length: count }, (_, i) => i).filter(i => !values.only || i === Number(values.only))
const queue = numbers.values()
console.log(`torture: ${count} transfers, seed ${seed}`)
await Promise.all(lanes.map(work))
report()
process.exit(outcomes.LOST + outcomes.FAILED > 0 ? 1 : 0)

async function work(lane: Lane): Promise<void> {
  await lane.open()
  for (const number of queue) {
    const plan = planOf(number, new Chance(seed * 1_000_003 + number), most)
    const begun = performance.now()
    const results = await lane.run(plan)
    const seconds = Math.round((performance.now() - begun) / 1000)
    if (seconds >= slow) console.log(`${seconds} s: ${describe(plan)}`)
    for (const { outcome, words } of results) {
      outcomes[outcome]++
      const reason = words.replace(/\d+/g, 'N').replace(/'[^']*'/g, 'PATH')
      if (outcome === 'failed as it may') reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
      if (outcome === 'FAILED' || outcome === 'LOST') console.log(`${outcome} ${describe(plan)}: ${words}`)
    }
  }
}

function describe({ number, kind, pieces, entrance, isMasked, faults, kills, wrong }: Plan): string {
  const sizes = pieces.map(({ size }) => size).join(' ')
  const harm = kills.map(({ who, after, damages }) => `${who} ${after} ms${damages ? ' and damage' : ''}`).join(', ')
  const words = [
    `${number}`,
    kind,
    entrance,
    isMasked && 'masked',
    `of ${sizes} bytes`,
    `faults [${faults}]`,
    `kills [${harm}]`,
  ]
  return [...words, wrong > 0 && `${wrong} wrong digests`].filter(Boolean).join(' ')
}

function report(): void {
  const sum = (of: (lane: Lane) => number) => lanes.reduce((total, lane) => total + of(lane), 0)
  for (const [outcome, number] of Object.entries(outcomes)) console.log(`${outcome}: ${number}`)
  for (const [reason, number] of reasons) console.log(`  ${number} × ${reason}`)
  const faults = (['reset', 'end', 'freeze', 'flip'] as const)
    .map(fault => `${sum(({ relay }) => relay.counts[fault])} × ${fault}`)
    .join(', ')
  console.log(`faults: ${faults}; reconnects: ${sum(lane => lane.reconnects)}; kills: ${sum(lane => lane.kills)}`)
  console.log(`seed ${seed}, ${Math.round((performance.now() - started) / 1000)} s`)
}
