/** What every stage that may hold bytes back has to do. */
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { Test } from 'tap'
import { toParts } from '../../lib/stages/parts.js'
import { plan } from '../../lib/stages/plan.js'
import type { Stage } from '../../lib/stages/stage.js'
import { noise } from '../laws/support.js'

/** What is written comes out at once. */
export async function passesAtOnce(t: Test, stage: Duplex): Promise<void> {
  const seen: string[] = []
  stage.on('data', chunk => seen.push(String(chunk)))
  for (const text of ['a', 'bc']) {
    await new Promise(resolve => stage.write(text, resolve))
    t.equal(seen.at(-1), text)
  }
  stage.destroy()
}

/** A stage that is destroyed while it waits for its time leaves no timer. */
export async function leavesNoTimer(t: Test, make: () => Duplex): Promise<void> {
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  const stage = make()
  stage.on('data', () => {})
  stage.write(noise(100))
  await setImmediate()
  t.equal(timers(), before + 1)
  stage.destroy()
  await once(stage, 'close')
  t.equal(timers(), before)
}

/** A stage that holds back lets go of everything when others take its place. */
export async function letsGo(t: Test, given: Stage): Promise<void> {
  const { streams, replace } = plan([given].flatMap(toParts))
  const [stage] = streams as [Duplex]
  const chunks: Buffer[] = []
  stage.on('data', chunk => chunks.push(chunk))
  stage.write(Buffer.alloc(50_000))
  await setImmediate()
  t.ok(Buffer.concat(chunks).length < 1000, 'it holds back')
  replace()
  stage.end('more')
  await once(stage, 'end')
  t.equal(Buffer.concat(chunks).length, 50_004)
}
