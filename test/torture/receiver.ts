/**
 * A receiver of the torture: servers that write to one folder. `receiver.js FOLDER IDENTITY DELAY`: the file of a
 * certificate and its key, and the milliseconds that each write takes.
 */
import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { serve } from '../../lib/index.js'
import { letClockJump } from './clock.js'
import { mask } from './mask.js'
import type { Ports } from './orders.js'

letClockJump()
const [folder, identity, slowness] = process.argv.slice(2) as [string, string, string]
if (Number(slowness) > 0) await slowDown(Number(slowness))

const options = {
  reliable: true,
  port: 0,
  to: `file:${join(folder, '{name}')}`,
  linkTimeout: 1000,
  giveUpAfter: 20_000,
}
const [plain, tls, unmasks] = await Promise.all([
  serve(options),
  serve({ ...options, tls: JSON.parse(readFileSync(identity, 'utf8')) }),
  serve({ ...options, transforms: () => [mask()] }),
])
const portOf = ({ address }: typeof plain) => (address as { port: number }).port
process.once('disconnect', () => process.exit())
process.send?.({ plain: portOf(plain), tls: portOf(tls), unmasks: portOf(unmasks) } satisfies Ports)

/** A disk that takes its time. */
async function slowDown(time: number): Promise<void> {
  const handle = await open('/dev/null', 'r')
  const prototype = Object.getPrototypeOf(handle) as typeof handle
  await handle.close()
  const { writev } = prototype
  prototype.writev = async function (this: typeof handle, ...given: Parameters<typeof writev>) {
    await delay(time)
    return writev.apply(this, given)
  } as typeof writev
}
