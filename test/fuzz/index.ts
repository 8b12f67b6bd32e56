/**
 * Random texts, command lines, connections and servers, round after round: `npm run fuzz -- --seconds 60 --seed 42`.
 * Ends with 1 at the first finding, which is made as small as it can be and printed with what repeats it.
 */
import { parseArgs } from 'node:util'
import { chance } from '../../lib/faults/chance.js'
import fc from '../fast-check.js'
import { commandLines } from './arguments.js'
import { errors } from './errors.js'
import { fifos } from './fifos.js'
import { interruptedSends } from './interrupted-sends.js'
import { library } from './library.js'
import { names } from './names.js'
import { Finding, inTime, type Part } from './part.js'
import { watchProcess } from './process.js'
import { programs } from './programs.js'
import { sessions } from './sessions.js'
import { signals } from './signals.js'
import { texts } from './texts.js'
import { endChildren, openWatchdog } from './watchdog.js'

/** In turn. */
const parts = [
  ...[texts, library, programs, errors, signals, fifos, names, sessions],
  ...[library, commandLines, errors, interruptedSends, fifos],
] as Part[]

/** Milliseconds that one case may take. */
const longestCase = 60_000

/** Milliseconds that are spent to make a failed case smaller. */
const shrinkTime = 60_000

const { seconds, seed, round: only } = readArguments()
const repeat = (round: number) => `npm run fuzz -- --seed ${seed} --round ${round}`

console.log(`fuzz: seed ${seed}, ${only === undefined ? `${seconds} s` : `round ${only}`}`)
await watchProcess()
const watchdog = await openWatchdog()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    console.log(`fuzz: ${signal} in round ${round}; repeat it: ${repeat(round)}`)
    endChildren()
    process.kill(process.pid, signal)
  })
}

const end = performance.now() + seconds * 1000
let round = only ?? 0
let found = false
do {
  watchdog.watch(`repeat it: ${repeat(round)}`)
  found = !(await passes(round))
  round++
} while (!found && only === undefined && performance.now() < end)
await watchdog.stop()
const done = [...new Set(parts)].map(part => part.total()).join(', ')
console.log(`fuzz: seed ${seed}, ${round - (only ?? 0)} rounds: ${done}; ${found ? 'a finding' : 'nothing found'}`)
process.exitCode = found ? 1 : 0

/** One round: whether all of its cases come to what is promised. Prints the smallest that does not. */
async function passes(round: number): Promise<boolean> {
  const part = parts[round % parts.length] as Part
  const { counterexample, errorInstance, numShrinks } = await fc.check(property(part), {
    seed: Math.floor(chance(seed, round) * 2 ** 32) | 0,
    numRuns: part.runs,
  })
  if (!counterexample) return true
  const [value] = counterexample
  const message = errorInstance instanceof Finding ? errorInstance.message : (errorInstance as Error).stack
  console.log(`fuzz: seed ${seed}, round ${round}, ${part.name}, made smaller ${numShrinks} times: ${message}`)
  for (const line of part.describe(value)) console.log(`  ${line}`)
  console.log(`repeat it: ${repeat(round)}`)
  return false
}

/** Once a case has failed, smaller ones are tried for a while; after that none of them fails any more. */
function property(part: Part): fc.IAsyncProperty<[unknown]> {
  let until = Number.POSITIVE_INFINITY
  return fc.asyncProperty(part.cases, async value => {
    if (performance.now() > until) return
    try {
      await inTime(
        Promise.resolve().then(() => part.play(value)),
        'the end of the case',
        longestCase,
      )
    } catch (error) {
      if (until === Number.POSITIVE_INFINITY)
        console.log(`fuzz: a finding; for a while smaller cases are tried: ${error}`)
      until = Math.min(until, performance.now() + shrinkTime)
      throw error
    }
  })
}

function readArguments(): { seconds: number; seed: number; round: number | undefined } {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
      round: { type: 'string' },
    },
  })
  const [seconds, seed] = [values.seconds, values.seed].map(Number) as [number, number]
  const round = values.round === undefined ? undefined : Number(values.round)
  for (const [name, number] of Object.entries({ seconds, seed, round: round ?? 0 })) {
    if (Number.isSafeInteger(number) && number >= 0) continue
    console.error(`fuzz: --${name} takes a whole number from 0`)
    process.exit(2)
  }
  return { seconds, seed, round }
}
